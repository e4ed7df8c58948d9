"""Read-only connections to ledgers, shared by the daemon's threads."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.index.ledger import SCHEMA_VERSION, ledger_path

log = logging.getLogger(__name__)

_MAX_PARAMETERS = 500
_COMMON = 2000


@dataclass(frozen=True)
class ChunkRow:
    """Is a chunk as the ledger has it; lines 0-based, end exclusive."""

    id: int
    path: str
    start_line: int
    end_line: int
    kind: str
    symbol: str | None
    scope: str
    text: bytes
    size: int
    mtime_ns: int


class Reader:
    """Reads one ledger; lent to one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.identity = _identity(path)
        # No "mode=ro": that can't open a WAL whose shared memory file is gone.
        self._db = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=2.0,
            isolation_level=None,
            check_same_thread=False,
        )
        # Counting goes through every chunk of a term, which takes long for those that are of no
        # use anyway; such a number need not be exact.
        self._common: dict[str, int] = {}
        try:
            self._db.execute("PRAGMA query_only = ON")
            if self.rows("PRAGMA user_version")[0][0] != SCHEMA_VERSION:
                raise sqlite3.DatabaseError("another version of the ledger")
        except sqlite3.Error:
            self.close()
            raise

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._db.execute(sql, parameters).fetchall()

    def meta(self) -> dict[str, str]:
        return dict(self.rows("SELECT key, value FROM meta"))

    def chunks(self, ids: Sequence[int]) -> dict[int, ChunkRow]:
        found: dict[int, ChunkRow] = {}
        for first in range(0, len(ids), _MAX_PARAMETERS):
            some = ids[first : first + _MAX_PARAMETERS]
            rows = self.rows(
                "SELECT c.id, f.path, c.start_line, c.end_line, c.kind, c.symbol, c.scope, c.text,"
                " f.size, f.mtime_ns FROM chunks c JOIN files f ON f.id = c.file"
                f" WHERE c.id IN ({','.join('?' * len(some))})",
                some,
            )
            found.update((row[0], ChunkRow(*row)) for row in rows)
        return found

    def rarest(self, terms: Sequence[str], limit: int, max_rows: int) -> list[str]:
        """Returns those of the terms that occur at all, rarest first, at most ``limit``.

        Ends at the term with which they would match more than ``max_rows`` chunks: scoring takes
        about a millisecond per thousand.
        """
        counted = [(count, term) for term in terms if (count := self._count(term))]
        taken: list[str] = []
        for count, term in sorted(counted)[:limit]:
            max_rows -= count
            if max_rows < 0 and taken:
                break
            taken.append(term)
        return taken

    def _count(self, term: str) -> int:
        known = self._common.get(term)
        if known is not None:
            return known
        rows = self.rows("SELECT doc FROM word_counts WHERE term = ?", (term,))
        count = int(rows[0][0]) if rows else 0
        if count > _COMMON:
            self._common[term] = count
        return count

    def bodies(self, ids: Sequence[int]) -> dict[int, frozenset[str]]:
        """Returns the terms of chunks' texts."""
        marks = ",".join("?" * len(ids))
        rows = self.rows(f"SELECT rowid, body FROM words WHERE rowid IN ({marks})", ids)
        return {int(row[0]): frozenset(row[1].split(" ")) for row in rows}

    def matching(
        self, terms: Sequence[str], limit: int, weights: tuple[float, float, float]
    ) -> list[tuple[int, float]]:
        """Returns (chunk id, BM25 score) of chunks with any of the terms, best first.

        ``weights`` are those of the columns symbol, path and body.
        """
        match = " OR ".join(f'"{term}"' for term in terms)
        rows = self.rows(
            "SELECT rowid, -bm25(words, ?, ?, ?) FROM words WHERE words MATCH ?"
            " ORDER BY 2 DESC, 1 LIMIT ?",
            (*weights, match, limit),
        )
        return [(int(row[0]), float(row[1])) for row in rows]

    def close(self) -> None:
        self._db.close()


class Readers:
    """Lends readers; one that was handed back serves the next thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Path, list[Reader]] = {}

    @contextmanager
    def borrow(self, root: Path) -> Iterator[Reader | None]:
        """Gives a reader of the project's ledger as it is now, or None where there is none."""
        path = ledger_path(root)
        reader = self._take(path)
        if reader is None:
            yield None
            return
        try:
            # One snapshot for all that is read together: the indexer writes meanwhile.
            reader.rows("BEGIN")
            yield reader
            reader.rows("ROLLBACK")
        except BaseException:
            reader.close()
            raise
        with self._lock:
            self._idle.setdefault(path, []).append(reader)

    def _take(self, path: Path) -> Reader | None:
        identity = _identity(path)
        with self._lock:
            idle = self._idle.get(path, [])
            while idle:
                reader = idle.pop()
                if reader.identity == identity:
                    return reader
                # The file was removed or replaced since.
                reader.close()
        if identity is None:
            return None
        try:
            return Reader(path)
        except sqlite3.Error as error:
            log.warning("the ledger %s can't be read: %s", path, error)
            return None

    def close(self) -> None:
        with self._lock:
            for idle in self._idle.values():
                for reader in idle:
                    reader.close()
            self._idle.clear()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        entry = path.stat()
    except OSError:
        return None
    return entry.st_dev, entry.st_ino
