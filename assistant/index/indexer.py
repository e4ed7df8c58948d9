"""Brings a project's ledger up to date: words and symbols first, vectors after. Blocking; runs in
the indexer child. Ends where it is told to, or is killed, and goes on from there the next time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import paths
from assistant.errors import RequestFailed
from assistant.index import material
from assistant.index.discover import MAX_FILE_BYTES, Found, discover, examine, text_reason
from assistant.index.ignore import IGNORE_FILE, Rules
from assistant.index.languages import language_for
from assistant.index.ledger import FileRow, Ledger, LedgerDamaged, open_ledger, remove_ledger

if TYPE_CHECKING:
    from assistant.index.embed import Embedder

log = logging.getLogger(__name__)

OnProgress = Callable[[str, int, int], None]
ShouldStop = Callable[[], bool]

_BATCH_FILES = 200
_EMBED_BATCH = 64
_RACY_NS = 2_000_000_000
"""A file changed less than this before it was read may change again under the same time stamp."""


@dataclass(frozen=True)
class IndexOptions:
    """Says what to index and how; ``max_files`` None means any number."""

    exclude: tuple[str, ...]
    include_secrets: tuple[str, ...]
    embedder: str
    ollama_host: str | None
    lexical_only: bool
    force: bool
    max_files: int | None = None


@dataclass
class IndexCounts:
    """Holds what stands in the index after a run and what the run did.

    ``embedded`` texts got a vector now; ``reused`` chunks needed nothing new; ``removed`` files
    left the index.
    """

    files: int = 0
    chunks: int = 0
    embedded: int = 0
    reused: int = 0
    removed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    languages: dict[str, int] = field(default_factory=dict)


class Indexer:
    """Indexes projects one after the other; keeps the embedder between runs."""

    def __init__(self) -> None:
        self._embedder: tuple[tuple[str, str | None], Embedder] | None = None

    def run(
        self, root: Path, options: IndexOptions, on_progress: OnProgress, should_stop: ShouldStop
    ) -> IndexCounts:
        """Indexes the whole project; searchable after the phase "lexical".

        Raises RequestFailed where the root is no directory, has more than ``max_files`` files, or
        its index can't be written.
        """
        root = root.resolve()
        try:
            return self._run(root, options, on_progress, should_stop)
        except LedgerDamaged as error:
            log.warning("%s It is built anew.", error.message)
            remove_ledger(root)
            return self._run(root, options, on_progress, should_stop)

    def _run(
        self, root: Path, options: IndexOptions, on_progress: OnProgress, should_stop: ShouldStop
    ) -> IndexCounts:
        started = time.monotonic()
        if not root.is_dir():
            raise RequestFailed(f"{root} is not a directory.")
        rules = Rules(root, options.exclude, options.include_secrets)
        on_progress("discover", 0, 0)
        found = discover(root, rules, should_stop)
        if should_stop():
            # Half a list would look as if the other files were gone.
            return IndexCounts()
        _check_size(root, len(found.files), options)
        with open_ledger(root) as ledger:
            if options.force:
                with ledger.transaction():
                    ledger.remove_everything()
            update = _Update(root, ledger, rules, should_stop)
            is_whole = update.run(found.files, on_progress)
            if is_whole:
                ledger.set_meta("lexical_at", time.time())
                on_progress("lexical", len(found.files), len(found.files))
                is_whole = self._embed(ledger, options, update, on_progress, should_stop)
            if is_whole:
                ledger.set_meta("last_run", time.time())
            return update.counts(options, found.skipped, started)

    def update_files(
        self,
        root: Path,
        paths: list[Path],
        options: IndexOptions,
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> IndexCounts:
        """Looks at single files that were saved or removed; does nothing without an index."""
        started = time.monotonic()
        root = root.resolve()
        if any(path.name in (IGNORE_FILE, ".gitignore") for path in paths):
            return self.run(root, options, on_progress, should_stop)
        rules = Rules(root, options.exclude, options.include_secrets)
        with open_ledger(root) as ledger:
            if ledger.meta("lexical_at") is None:
                return IndexCounts()
            update = _Update(root, ledger, rules, should_stop)
            skipped: Counter[str] = Counter()
            with ledger.transaction():
                for path in paths:
                    reason = update.look_again(path)
                    if reason is not None:
                        skipped[reason] += 1
            self._embed(ledger, options, update, on_progress, should_stop)
            return update.counts(options, skipped, started)

    def _embed(
        self,
        ledger: Ledger,
        options: IndexOptions,
        update: _Update,
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> bool:
        """Makes the missing vectors; whether all are there now."""
        if options.lexical_only:
            return True
        embedder = self._embedder_of(options)
        fingerprint = embedder.fingerprint
        ledger.set_meta("fingerprint", fingerprint)
        total = ledger.missing_count(fingerprint)
        batch: list[tuple[bytes, str]] = []
        for item in ledger.missing_vectors(fingerprint):
            batch.append(item)
            if len(batch) == _EMBED_BATCH:
                if should_stop():
                    return False
                _store(ledger, embedder, batch)
                update.embedded += len(batch)
                batch = []
                on_progress("vectors", update.embedded, total)
        if batch and not should_stop():
            _store(ledger, embedder, batch)
            update.embedded += len(batch)
            on_progress("vectors", update.embedded, total)
        if should_stop():
            return False
        ledger.forget_orphans(fingerprint, time.time())
        return True

    def _embedder_of(self, options: IndexOptions) -> Embedder:
        # Here and not above: this loads onnxruntime or torch, which no other phase needs.
        from assistant.index.embed import make_embedder

        key = (options.embedder, options.ollama_host)
        if self._embedder is None or self._embedder[0] != key:
            self.close()
            self._embedder = (key, make_embedder(*key))
        return self._embedder[1]

    def close(self) -> None:
        if self._embedder is not None:
            self._embedder[1].close()
            self._embedder = None


def _store(ledger: Ledger, embedder: Embedder, batch: list[tuple[bytes, str]]) -> None:
    vectors = embedder.embed([text for _, text in batch]).astype("float16")
    ledger.put_vectors(
        embedder.fingerprint,
        [(key, row.tobytes()) for (key, _), row in zip(batch, vectors, strict=True)],
    )


def _check_size(root: Path, files: int, options: IndexOptions) -> None:
    if options.max_files is not None and files > options.max_files:
        raise RequestFailed(
            f"{root.name} has more than {options.max_files} files.",
            hint="Run :AIIndex to index it anyway.",
        )


class _Update:
    """Is the lexical half of one run."""

    def __init__(self, root: Path, ledger: Ledger, rules: Rules, should_stop: ShouldStop) -> None:
        self._root = root
        self._ledger = ledger
        self._rules = rules
        self._should_stop = should_stop
        self.embedded = 0
        self._removed = 0
        self._new_chunks = 0
        self._reasons: Counter[str] = Counter()

    def run(self, found: Sequence[Found], on_progress: OnProgress) -> bool:
        """Brings files, chunks, symbols and words up to date; False where it was stopped."""
        known = self._ledger.files()
        knows_rules = self._ledger.meta("rules") == self._rules.digest
        gone = known.keys() - {file.path for file in found}
        with self._ledger.transaction():
            for path in sorted(gone):
                self._remove(path, known[path])
        for first in range(0, len(found), _BATCH_FILES):
            on_progress("lexical", first, len(found))
            with self._ledger.transaction():
                for file in found[first : first + _BATCH_FILES]:
                    if self._should_stop():
                        return False
                    row = known.get(file.path)
                    is_known = knows_rules or row is None or row.reason is None
                    self._file(file, row if is_known else None)
        self._ledger.set_meta("rules", self._rules.digest)
        return True

    def look_again(self, path: Path) -> str | None:
        """Looks at one file on disk now; returns the reason where it is not in the index."""
        found = examine(self._root, path, self._rules)
        if isinstance(found, Found):
            self._file(found, self._ledger.file(found.path))
            return None
        name = material.relative_name(self._root, path)
        row = self._ledger.file(name) if name is not None else None
        if row is not None:
            self._remove(row.path, row)
        return found

    def _file(self, file: Found, row: FileRow | None) -> None:
        if row is not None and _looks_same(file, row):
            self._count(row.reason)
            return
        seen_ns = time.time_ns()
        try:
            data, file = read(self._root, file)
        except OSError as error:
            log.info("%s can't be read: %s", file.path, error)
            self._reasons["unreadable"] += 1
            if row is not None:
                self._remove(file.path, row)
            return
        digest = hashlib.sha256(data).digest()
        if row is not None and row.hash == digest and row.chunker == material.CHUNKER_VERSION:
            self._ledger.touch_file(row.id, file.size, file.mtime_ns, seen_ns)
            self._count(row.reason)
            return
        reason = (
            "large" if len(data) > MAX_FILE_BYTES else text_reason(file.path, data, self._rules)
        )
        self._count(reason)
        if reason is not None and row is not None and row.reason is None:
            self._removed += 1
        language = language_for(Path(file.path)) or "text"
        chunks, symbols = ([], []) if reason else material.of(file.path, language, data)
        new = FileRow(
            *(0, file.path, file.size, file.mtime_ns, seen_ns, digest),
            chunker=material.CHUNKER_VERSION,
            reason=reason,
        )
        self._ledger.put_file(new, language, chunks, symbols)
        self._new_chunks += len(chunks)

    def _count(self, reason: str | None) -> None:
        if reason is not None:
            self._reasons[reason] += 1

    def _remove(self, path: str, row: FileRow) -> None:
        if self._ledger.remove_file(path) and row.reason is None:
            self._removed += 1

    def counts(self, options: IndexOptions, skipped: Counter[str], started: float) -> IndexCounts:
        files, chunks = self._ledger.counts()
        new = self._new_chunks if options.lexical_only else self.embedded
        return IndexCounts(
            files=files,
            chunks=chunks,
            embedded=self.embedded,
            reused=max(0, chunks - new),
            removed=self._removed,
            skipped=dict(sorted((skipped + self._reasons).items())),
            seconds=round(time.monotonic() - started, 3),
            languages=self._ledger.language_counts(),
        )


def _looks_same(file: Found, row: FileRow) -> bool:
    if (file.size, file.mtime_ns, material.CHUNKER_VERSION) != (
        *(row.size, row.mtime_ns, row.chunker),
    ):
        return False
    return row.mtime_ns < row.seen_ns - _RACY_NS


def read(root: Path, file: Found) -> tuple[bytes, Found]:
    """Returns a file's bytes and how it looked when it was opened. Raises OSError."""
    # It may have become a symlink or a pipe since it was found.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(root / file.path, flags), "rb") as stream:
        entry = os.fstat(stream.fileno())
        data = stream.read(MAX_FILE_BYTES + 1)
    return data, Found(file.path, entry.st_size, entry.st_mtime_ns)


def clear(root: Path) -> None:
    """Removes everything that is stored of a project."""
    shutil.rmtree(paths.workspace_dir(root), ignore_errors=True)


def explain(root: Path, path: Path, options: IndexOptions) -> str:
    """Returns in one line whether a file is indexed, and why not if not."""
    root = root.resolve()
    rules = Rules(root, options.exclude, options.include_secrets)
    found = examine(root, path.absolute(), rules)
    if isinstance(found, str):
        return f"skipped: {found} ({_EXPLAINED.get(found, found)})"
    try:
        data, found = read(root, found)
    except OSError as error:
        return f"skipped: unreadable ({error.strerror})"
    reason = text_reason(found.path, data, rules)
    if reason is not None:
        return f"skipped: {reason} ({_EXPLAINED.get(reason, reason)})"
    return f"indexed as {language_for(path) or 'text'}"


_EXPLAINED = {
    "secret": "its name or its text looks like a secret; index.include_secrets lifts that",
    "excluded": "index.exclude has it",
    "ignored": f"git or {IGNORE_FILE} ignores it; '!' in {IGNORE_FILE} brings it back",
    "vendored": "it lies in a folder of other people's code",
    "lock": "it is a lock file",
    "minified": "it is minified or made of very long lines",
    "generated": "it says that it is generated",
    "binary": "it is no text",
    "encoding": "it is not UTF-8",
    "large": "it is over 1 MB",
    "symlink": "symbolic links are not followed",
    "special": "it is no regular file",
    "missing": "there is no such file",
    "unreadable": "it can't be read",
    "outside": "it is not inside the project",
}
