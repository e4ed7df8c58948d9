"""The ledger: files, chunks, symbols, words and vectors of one project in one SQLite file.

The only truth; every other store is made from it. One process writes, any number read. Opening
for writing replaces a ledger of another version, or one that is damaged, by an empty one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import paths
from assistant.errors import AssistantError, Busy, RequestFailed

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_PAGE = 1000
_CACHE_KIB = 32 * 1024
_ORPHAN_SECONDS = 30 * 24 * 3600.0
"""How long vectors of text that is gone stay, so that going back to a branch embeds nothing."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL, hash BLOB NOT NULL, language TEXT NOT NULL,
  chunker INTEGER NOT NULL, reason TEXT
);
CREATE TABLE chunks (
  id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL, start_line INTEGER NOT NULL,
  end_line INTEGER NOT NULL, kind TEXT NOT NULL, symbol TEXT, signature TEXT NOT NULL,
  scope TEXT NOT NULL, header TEXT NOT NULL, text BLOB NOT NULL, text_hash BLOB NOT NULL,
  rank INTEGER NOT NULL
);
CREATE INDEX chunks_file ON chunks (file);
CREATE INDEX chunks_hash ON chunks (text_hash);
CREATE TABLE symbols (
  name TEXT NOT NULL, lower_name TEXT NOT NULL, kind TEXT NOT NULL, file INTEGER NOT NULL,
  chunk INTEGER NOT NULL, start_line INTEGER NOT NULL, end_line INTEGER NOT NULL,
  signature TEXT NOT NULL, scope TEXT NOT NULL
);
CREATE INDEX symbols_name ON symbols (lower_name);
CREATE INDEX symbols_file ON symbols (file);
CREATE INDEX symbols_chunk ON symbols (chunk);
CREATE TABLE vectors (
  fingerprint TEXT NOT NULL, text_hash BLOB NOT NULL, vector BLOB NOT NULL, orphaned_at REAL,
  PRIMARY KEY (fingerprint, text_hash)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
  symbol, path, body, tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);
CREATE VIRTUAL TABLE word_counts USING fts5vocab(words, 'row');
"""


@dataclass(frozen=True)
class FileRow:
    id: int
    path: str
    size: int
    mtime_ns: int
    seen_ns: int
    hash: bytes
    chunker: int
    reason: str | None
    """Why the content keeps the file out; None for an indexed file."""


@dataclass(frozen=True)
class NewChunk:
    """Is a chunk as it is written; lines 0-based, end exclusive. ``words`` are for the full text."""

    start_line: int
    end_line: int
    kind: str
    symbol: str | None
    signature: str
    scope: str
    header: str
    text: bytes
    text_hash: bytes
    rank: int
    words: tuple[str, str, str]


@dataclass(frozen=True)
class NewSymbol:
    name: str
    kind: str
    chunk_index: int
    start_line: int
    end_line: int
    signature: str
    scope: str


def ledger_path(root: Path) -> Path:
    return paths.workspace_dir(root) / "ledger.db"


def open_ledger(root: Path) -> Ledger:
    """Opens the project's ledger for writing and makes it where there is none."""
    path = ledger_path(root)
    paths.private_dir(paths.data_dir())
    paths.private_dir(path.parent.parent)
    paths.private_dir(path.parent)
    try:
        return Ledger(_connect(path), root.name)
    except sqlite3.OperationalError as error:
        raise _refusal(root.name, error) from error
    except sqlite3.DatabaseError as error:
        log.warning("the ledger of %s is made anew: %s", root.name, error)
    remove_ledger(root)
    return Ledger(_connect(path), root.name)


def remove_ledger(root: Path) -> None:
    path = ledger_path(root)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    # Only a new file: closing one that this process has open elsewhere would drop SQLite's locks.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # What is deleted is overwritten where that costs no extra writing.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if _version(connection) == 0:
            _create(connection)
        if _version(connection) != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"it is of version {_version(connection)}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    # Ids and generations go on from the clock, so that those of a ledger that was removed never
    # come back to mean something else in a store that still has them.
    now = int(time.time() * 1000)
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:  # no other process was faster
        for statement in _SCHEMA.strip().split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('chunks', ?)", (now,))
        connection.execute("INSERT INTO meta VALUES ('generation', ?)", (str(now),))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


class LedgerDamaged(RequestFailed):
    """The file of a ledger is damaged; nothing but a new one helps."""

    default_hint = "Run :AIIndex! to build it anew."


def _refusal(name: str, error: sqlite3.OperationalError) -> AssistantError:
    """Returns in plain words why SQLite could not do its work."""
    if "locked" in str(error):
        return Busy(f"The index of {name} is in use by another process.")
    if "full" in str(error):
        return RequestFailed(
            f"The disk is full, the index of {name} is not complete.",
            hint="Free some space and run :AIIndex again: it goes on from there.",
        )
    return RequestFailed(f"The index of {name} can't be written: {error}.")


class Ledger:
    """Reads and writes one project's ledger; not for several threads at once.

    As a context manager it closes itself and raises Busy, LedgerDamaged or RequestFailed for
    SQLite's own errors.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._db = connection
        self._name = name

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if isinstance(error, sqlite3.OperationalError):
            raise _refusal(self._name, error) from error
        if type(error) is sqlite3.DatabaseError:  # the subclasses are mistakes of ours
            raise LedgerDamaged(f"The index of {self._name} is damaged.") from error

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes everything inside at once, or nothing; a change moves the generation."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            before = self._db.total_changes
            yield
            if self._db.total_changes != before:
                self._db.execute(
                    "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'"
                )
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- what is written once per run ------------------------------------------------------

    def meta(self, key: str) -> Any:
        """Returns a stored value, None where there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_meta(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    # -- files -----------------------------------------------------------------------------

    def files(self) -> dict[str, FileRow]:
        rows = self._db.execute(
            "SELECT id, path, size, mtime_ns, seen_ns, hash, chunker, reason FROM files"
        )
        return {row[1]: FileRow(*row) for row in rows}

    def file(self, path: str) -> FileRow | None:
        row = self._db.execute(
            "SELECT id, path, size, mtime_ns, seen_ns, hash, chunker, reason FROM files"
            " WHERE path = ?",
            (path,),
        ).fetchone()
        return FileRow(*row) if row else None

    def touch_file(self, file: int, size: int, mtime_ns: int, seen_ns: int) -> None:
        """Notes that a file looks different but has the same content."""
        self._db.execute(
            "UPDATE files SET size = ?, mtime_ns = ?, seen_ns = ? WHERE id = ?",
            (size, mtime_ns, seen_ns, file),
        )

    def put_file(
        self, row: FileRow, language: str, chunks: Sequence[NewChunk], symbols: Sequence[NewSymbol]
    ) -> None:
        """Replaces a file and everything that was made of it; ``row.id`` is not used."""
        self.remove_file(row.path)
        file = self._db.execute(
            "INSERT INTO files (path, size, mtime_ns, seen_ns, hash, language, chunker, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(row.path, row.size, row.mtime_ns, row.seen_ns),
                *(row.hash, language, row.chunker, row.reason),
            ),
        ).lastrowid
        ids = [self._put_chunk(file or 0, chunk) for chunk in chunks]
        self._db.executemany(
            "INSERT INTO symbols VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(s.name, _short_name(s.name), s.kind, file, ids[s.chunk_index]),
                    *(s.start_line, s.end_line, s.signature, s.scope),
                )
                for s in symbols
            ),
        )

    def _put_chunk(self, file: int, chunk: NewChunk) -> int:
        number = self._db.execute(
            "INSERT INTO chunks (file, start_line, end_line, kind, symbol, signature, scope,"
            " header, text, text_hash, rank) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(file, chunk.start_line, chunk.end_line, chunk.kind, chunk.symbol),
                *(chunk.signature, chunk.scope, chunk.header, chunk.text, chunk.text_hash),
                chunk.rank,
            ),
        ).lastrowid
        self._db.execute(
            "INSERT INTO words (rowid, symbol, path, body) VALUES (?, ?, ?, ?)",
            (number, *chunk.words),
        )
        return number or 0

    def remove_file(self, path: str) -> bool:
        """Removes a file with its chunks, symbols and words; whether there was one."""
        found = self._db.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        if found is None:
            return False
        self._db.execute(
            "DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE file = ?)", found
        )
        self._db.execute("DELETE FROM symbols WHERE file = ?", found)
        self._db.execute("DELETE FROM chunks WHERE file = ?", found)
        self._db.execute("DELETE FROM files WHERE id = ?", found)
        return True

    def remove_everything(self) -> None:
        """Empties the ledger; chunk ids go on from where they were."""
        for table in ("words", "symbols", "chunks", "files", "vectors"):
            self._db.execute(f"DELETE FROM {table}")
        self._db.execute("DELETE FROM meta WHERE key != 'generation'")

    def language_counts(self) -> dict[str, int]:
        return dict(
            self._db.execute(
                "SELECT language, count(*) FROM files WHERE reason IS NULL"
                " GROUP BY language ORDER BY 2 DESC, 1"
            ).fetchall()
        )

    def counts(self) -> tuple[int, int]:
        """Returns the numbers of indexed files and of chunks."""
        files = self._db.execute("SELECT count(*) FROM files WHERE reason IS NULL").fetchone()[0]
        return files, self._db.execute("SELECT count(*) FROM chunks").fetchone()[0]

    # -- vectors ---------------------------------------------------------------------------

    def missing_count(self, fingerprint: str) -> int:
        """Returns how many different texts have no vector of this fingerprint."""
        return len(self._missing_hashes(fingerprint))

    def _missing_hashes(self, fingerprint: str) -> list[bytes]:
        rows = self._db.execute(
            "SELECT c.text_hash FROM chunks c JOIN files f ON f.id = c.file"
            " LEFT JOIN vectors v ON v.fingerprint = ? AND v.text_hash = c.text_hash"
            " WHERE v.text_hash IS NULL GROUP BY c.text_hash"
            " ORDER BY min(c.rank), max(f.mtime_ns) DESC",
            (fingerprint,),
        )
        return [row[0] for row in rows]

    def missing_vectors(self, fingerprint: str) -> Iterator[tuple[bytes, str]]:
        """Yields (hash, text to embed) of texts without a vector: code first, then newest first."""
        for text_hash in self._missing_hashes(fingerprint):
            row = self._db.execute(
                "SELECT header, text FROM chunks WHERE text_hash = ? LIMIT 1", (text_hash,)
            ).fetchone()
            if row is not None:
                code = row[1].decode("utf-8", "replace")
                yield text_hash, f"{row[0]}\n{code}" if row[0] else code

    def put_vectors(self, fingerprint: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Stores (hash, vector) pairs; vectors are rows of float16."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, NULL)",
                ((fingerprint, text_hash, vector) for text_hash, vector in rows),
            )

    def chunk_vectors(self, fingerprint: str) -> Iterator[tuple[int, bytes]]:
        """Yields (chunk id, vector) by rising id, read in pages."""
        last = -1
        while True:
            rows = self._db.execute(
                "SELECT c.id, v.vector FROM chunks c"
                " JOIN vectors v ON v.fingerprint = ? AND v.text_hash = c.text_hash"
                " WHERE c.id > ? ORDER BY c.id LIMIT ?",
                (fingerprint, last, _PAGE),
            ).fetchall()
            if not rows:
                return
            yield from rows
            last = rows[-1][0]

    def chunk_ids_with_vectors(self, fingerprint: str) -> set[int]:
        rows = self._db.execute(
            "SELECT c.id FROM chunks c"
            " JOIN vectors v ON v.fingerprint = ? AND v.text_hash = c.text_hash",
            (fingerprint,),
        )
        return {row[0] for row in rows}

    def vector_generation(self, fingerprint: str) -> int:
        """Returns a number that rises with every change of chunks or vectors."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        return int(row[0])

    def forget_orphans(self, fingerprint: str, now: float) -> None:
        """Drops vectors of other fingerprints, and of texts that have been gone for a month."""
        with self.transaction():
            self._db.execute("DELETE FROM vectors WHERE fingerprint != ?", (fingerprint,))
            is_used = "EXISTS (SELECT 1 FROM chunks c WHERE c.text_hash = vectors.text_hash)"
            self._db.execute(
                f"UPDATE vectors SET orphaned_at = NULL WHERE orphaned_at IS NOT NULL AND {is_used}"
            )
            self._db.execute(
                f"UPDATE vectors SET orphaned_at = ? WHERE orphaned_at IS NULL AND NOT {is_used}",
                (now,),
            )
            self._db.execute("DELETE FROM vectors WHERE orphaned_at < ?", (now - _ORPHAN_SECONDS,))


def _short_name(name: str) -> str:
    """Returns the last part of a qualified name in lower case: ``M.setup`` is asked as ``setup``."""
    for separator in (".", "::", ":", "#"):
        name = name.rpartition(separator)[2] or name
    return name.lower()
