"""Answers searches from the ledgers, inside the daemon: words, symbols, and vectors' hits."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from assistant.base import Hit, Snippet
from assistant.index import lexical
from assistant.protocol import IndexStatus
from assistant.retrieve import snippets as choosing
from assistant.retrieve import symbols
from assistant.retrieve.freshness import Files
from assistant.retrieve.rank import Candidate, Question, Ranked, fuse, rank
from assistant.retrieve.reader import ChunkRow, Reader, Readers

log = logging.getLogger(__name__)

_CANDIDATES = 100
_QUESTION_TERMS = 10
_QUESTION_ROWS = 6_000
_SEARCH_WEIGHTS = (3.0, 1.5, 1.0)
_COMPLETION_WEIGHTS = (1.0, 0.0, 1.0)


class Retriever:
    """Reads the ledgers of all projects; safe to call from several threads."""

    def __init__(self) -> None:
        self._readers = Readers()
        self._lock = threading.Lock()
        self._statuses: dict[Path, tuple[str, IndexStatus]] = {}

    def search(
        self, root: Path, query: str, limit: int, vector_hits: list[tuple[int, float]] | None
    ) -> list[Hit]:
        """Returns the chunks that answer a question best, best first, as they stand on disk now."""
        query = _storable(query)
        try:
            with self._readers.borrow(root) as reader:
                if reader is None:
                    return []
                return _search(reader, root, query, limit, vector_hits or [])
        except sqlite3.Error as error:
            log.warning("searching %s failed: %s", root.name, error)
            return []

    def definitions(self, root: Path, name: str, limit: int = 5) -> list[Hit]:
        """Returns where a name is defined: the chunk that its definition starts in."""
        try:
            with self._readers.borrow(root) as reader:
                if reader is None:
                    return []
                found = symbols.find(reader, [_storable(name)], limit)
                rows = reader.chunks([symbol.chunk for symbol in found])
        except sqlite3.Error as error:
            log.warning("looking up %s in %s failed: %s", name, root.name, error)
            return []
        files = Files(root)
        hits = []
        for place, symbol in enumerate(found):
            row = files.current(rows[symbol.chunk]) if symbol.chunk in rows else None
            if row is not None:
                hit = _hit(row, 1.0 / (1 + place), "definition", symbol.name)
                hits.append(hit.model_copy(update={"kind": symbol.kind}))
        return hits

    def snippets(
        self, root: Path, *, path: str | None, prefix: str, suffix: str, budget_chars: int
    ) -> list[Snippet]:
        """Returns chunks of other files that resemble what is around the cursor, best first."""
        terms = choosing.query_terms(prefix, suffix)
        if not terms:
            return []
        try:
            with self._readers.borrow(root) as reader:
                if reader is None:
                    return []
                rarest = reader.rarest(terms, choosing.QUERY_TERMS, choosing.MAX_ROWS)
                if not rarest:
                    return []
                scored = reader.matching(rarest, choosing.CANDIDATES, _COMPLETION_WEIGHTS)
                rows = reader.chunks([number for number, _ in scored])
                bodies = reader.bodies(list(rows))
        except sqlite3.Error as error:
            log.warning("snippets of %s failed: %s", root.name, error)
            return []
        files = Files(root)
        found = [files.current(rows[number]) for number, _ in scored if number in rows]
        ordered = [row for row in found if row is not None]
        scores = dict(scored)
        taken = choosing.choose(
            ordered,
            path=path,
            prefix=prefix,
            suffix=suffix,
            matches={row.id: _matches(bodies[row.id], rarest) for row in ordered},
            budget_chars=budget_chars,
        )
        return [
            Snippet(
                path=row.path,
                start_line=row.start_line + 1,
                end_line=row.end_line,
                text=row.text.decode("utf-8", "replace"),
                source="words",
                score=round(scores[row.id], 4),
            )
            for row in taken
        ]

    def status(self, root: Path) -> IndexStatus:
        """Returns how far the index stands; ``running`` is not the ledger's to know."""
        none = IndexStatus(root=str(root), state="none")
        try:
            with self._readers.borrow(root) as reader:
                meta = reader.meta() if reader is not None else {}
                if reader is None or "lexical_at" not in meta:
                    return none
                key = json.dumps([reader.identity, *sorted(meta.items())])
                with self._lock:
                    known = self._statuses.get(root)
                if known is not None and known[0] == key:
                    return known[1]
                status = _status(reader, root, meta)
        except sqlite3.Error as error:
            log.warning("the ledger of %s can't be read: %s", root.name, error)
            return none
        with self._lock:
            self._statuses[root] = (key, status)
        return status

    def close(self) -> None:
        self._readers.close()


def _status(reader: Reader, root: Path, meta: dict[str, str]) -> IndexStatus:
    fingerprint = json.loads(meta["fingerprint"]) if "fingerprint" in meta else None
    files = reader.rows("SELECT count(*) FROM files WHERE reason IS NULL")[0][0]
    chunks = reader.rows("SELECT count(*) FROM chunks")[0][0]
    vectors = reader.rows(
        "SELECT count(*) FROM chunks c"
        " JOIN vectors v ON v.fingerprint = ? AND v.text_hash = c.text_hash",
        (fingerprint,),
    )[0][0]
    return IndexStatus(
        root=str(root),
        state="ready" if fingerprint is not None and vectors == chunks else "lexical",
        files=files,
        chunks=chunks,
        vectors=vectors,
        fingerprint=fingerprint,
        last_run=json.loads(meta["last_run"]) if "last_run" in meta else None,
    )


def _search(
    reader: Reader, root: Path, query: str, limit: int, vector_hits: Sequence[tuple[int, float]]
) -> list[Hit]:
    identifiers = _identifiers(query)
    terms = lexical.question_terms(query) or list(dict.fromkeys(lexical.terms(query)))
    rarest = reader.rarest(terms, _QUESTION_TERMS, _QUESTION_ROWS)
    matched = reader.matching(rarest, _CANDIDATES, _SEARCH_WEIGHTS) if rarest else []
    defined = symbols.find(reader, identifiers, 20)
    fused = fuse(matched, vector_hits, list(dict.fromkeys(symbol.chunk for symbol in defined)))
    rows = reader.chunks(list(fused.scores))
    symbols_in = _names_in(reader, list(rows))
    candidates = [
        Candidate(row.id, row.path, row.symbol, tuple(symbols_in.get(row.id, ())))
        for row in rows.values()
    ]
    question = Question(
        words=frozenset(word.lower() for word in lexical.identifiers(query)),
        identifiers=identifiers,
        terms=frozenset(terms),
    )
    texts = {name for c in candidates for name in c.names} | {c.path for c in candidates}
    # Twice as many as asked for: some may no longer stand in their files.
    ranked = rank(candidates, fused, question, _parts(texts), limit * 2)
    return _hits(root, ranked, rows, limit)


def _storable(text: str) -> str:
    """Returns the text without lone surrogates: JSON may carry them, SQLite takes none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _hits(root: Path, ranked: Sequence[Ranked], rows: dict[int, ChunkRow], limit: int) -> list[Hit]:
    files = Files(root)
    hits: list[Hit] = []
    for found in ranked:
        row = files.current(rows[found.id])
        if row is not None:
            hits.append(_hit(row, found.score, found.why, found.symbol))
        if len(hits) == limit:
            break
    return hits


def _hit(row: ChunkRow, score: float, why: str, symbol: str | None) -> Hit:
    return Hit(
        path=row.path,
        start_line=row.start_line + 1,
        end_line=row.end_line,
        symbol=symbol,
        kind=row.kind,
        score=round(score, 4),
        text=row.text.decode("utf-8", "replace"),
        why=why,
    )


_NAME = re.compile(r"[^\W\d]\w*(?:(?:\.|::|:|#)[^\W\d]\w*)*")


def _identifiers(query: str) -> tuple[str, ...]:
    """Returns what in a question is meant as a name: by its form, or as the only word.

    'path' and 'parse' in a sentence are English, though most projects define them too.
    """
    found = dict.fromkeys(_NAME.findall(query))
    if len(found) == 1:
        return tuple(found)
    return tuple(
        name
        for name in found
        if "_" in name.strip("_")
        or re.search(r"[.:#]", name)
        or (len(name) > 1 and not name[1:].islower())
    )


def _names_in(reader: Reader, ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for first in range(0, len(ids), 500):
        some = ids[first : first + 500]
        marks = ",".join("?" * len(some))
        for chunk, name in reader.rows(
            f"SELECT chunk, name FROM symbols WHERE chunk IN ({marks}) AND kind != 'variable'", some
        ):
            found.setdefault(int(chunk), []).append(str(name))
    return found


def _parts(texts: Iterable[str]) -> dict[str, frozenset[str]]:
    return {text: frozenset(lexical.stem(part) for part in lexical.parts(text)) for text in texts}


def _matches(body: frozenset[str], terms: Sequence[str]) -> int:
    """Returns how many of the terms a chunk has; a long compound counts twice, it is rare enough."""
    return sum(2 if len(term) >= 12 else 1 for term in terms if term in body)
