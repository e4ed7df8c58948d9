"""Vector stores: ids and vectors only, both rebuilt from the ledger at any time.

Chroma serves. Where it can't be opened, an exact search over a memory-mapped matrix stands behind
the same protocol. Runs in the searcher only: Chroma loses rows with two writers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from assistant import paths

log = logging.getLogger(__name__)

Matrix = npt.NDArray[np.float32]
Row = tuple[int, Matrix]

_COLLECTION = "chunks"
_PAGE = 5_000
"""Chroma's reads fail above 32,766 rows, its writes above 5,461."""
_PROBE_SECONDS = 60
_LEAST_REMOVED = 200
_REMOVED_SHARE = 0.2
"""Chroma's graph degrades under deletes: above this share of removed rows it is built anew."""


class VectorStore(Protocol):
    """Holds vectors of length 1 by chunk id."""

    def ids(self) -> set[int]: ...

    def add(self, rows: Iterable[Row]) -> int: ...

    def remove(self, ids: Sequence[int]) -> None: ...

    def query(self, vector: Matrix, limit: int) -> list[tuple[int, float]]:
        """Returns (chunk id, cosine), best first."""
        ...

    def close(self) -> None: ...


class StoreBroken(Exception):
    """A store can't be used and is to be rebuilt from the ledger."""


class ChromaStore:
    """Is one collection in a directory of its own. The file ``dirty`` stands while it is open:
    what did not end cleanly is probed first, or a store that crashes us would do so for ever.

    With ``url`` the collection lives on a Chroma server that the person runs, under a name made
    from the directory; the directory then holds only the state.
    """

    def __init__(self, folder: Path, dimension: int, url: str | None = None) -> None:
        self._folder = paths.private_dir(folder)
        self._dimension = dimension
        self._url = url
        self._dirty = folder / "dirty"
        self._state_path = folder / "state.json"
        if url is None and self._dirty.exists() and not _survives_a_probe(folder, dimension):
            raise StoreBroken(f"{folder.name} did not survive its probe")
        self._dirty.touch()
        self._open()
        self._removed = int(self._read_state().get("removed", 0))

    def _open(self) -> None:
        try:
            self._client: Any = self._make_client()
            name = _COLLECTION if self._url is None else _server_name(self._folder)
            self._collection: Any = self._client.get_or_create_collection(
                name, embedding_function=None, metadata={"hnsw:space": "cosine"}
            )
            self._ids = set(self._read_ids())
        except Exception as error:  # Chroma raises whatever its Rust core does
            raise StoreBroken(str(error)) from error

    def _make_client(self) -> Any:
        import chromadb
        from chromadb.config import Settings as ChromaSettings

        quiet = ChromaSettings(anonymized_telemetry=False)
        if self._url is None:
            return chromadb.PersistentClient(path=str(self._folder / "chroma"), settings=quiet)
        parts = urlsplit(self._url)
        return chromadb.HttpClient(
            host=parts.hostname or "", port=parts.port or 0, ssl=parts.scheme == "https",
            settings=quiet,
        )  # fmt: skip

    def _read_ids(self) -> Iterator[int]:
        for offset in range(0, self._collection.count(), _PAGE):
            page = self._collection.get(limit=_PAGE, offset=offset, include=[])
            yield from (int(found) for found in page["ids"])

    def ids(self) -> set[int]:
        return self._ids

    def add(self, rows: Iterable[Row]) -> int:
        iterator = iter(rows)
        added = 0
        while page := list(islice(iterator, _PAGE)):
            matrix = np.stack([vector for _, vector in page])
            self._guard("add", ids=[str(chunk) for chunk, _ in page], embeddings=matrix)
            self._ids.update(chunk for chunk, _ in page)
            added += len(page)
        self._settled()
        return added

    def remove(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            self._guard("delete", ids=[str(chunk) for chunk in page])
            self._ids.difference_update(page)
            self._removed += len(page)
        self._settled()

    @property
    def is_worn(self) -> bool:
        return self._removed > max(_LEAST_REMOVED, _REMOVED_SHARE * len(self._ids))

    def query(self, vector: Matrix, limit: int) -> list[tuple[int, float]]:
        if not self._ids:
            return []
        found = self._guard(
            "query",
            query_embeddings=[vector.tolist()],
            n_results=min(limit, len(self._ids)),
            include=["distances"],
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(int(chunk), 1.0 - float(distance)) for chunk, distance in pairs]

    def close(self) -> None:
        self._settled()
        if self._url is not None:
            # Chroma's own close leaves the connections of its HTTP client open.
            for client in (self._client, self._client._admin_client):
                client._server._session.close()
        self._client.close()
        self._dirty.unlink(missing_ok=True)

    def drop(self) -> None:
        """Deletes the collection from a server; a local one goes with its directory."""
        if self._url is not None:
            with contextlib.suppress(Exception):  # whoever stopped the server dropped it too
                self._client.delete_collection(_server_name(self._folder))

    def _guard(self, method: str, **arguments: Any) -> Any:
        try:
            return getattr(self._collection, method)(**arguments)
        except Exception as error:  # Chroma raises whatever its Rust core does
            raise StoreBroken(f"{method}: {error}") from error

    def _settled(self) -> None:
        self._state_path.write_text(json.dumps({"removed": self._removed}), "utf-8")

    def _read_state(self) -> dict[str, Any]:
        try:
            found = json.loads(self._state_path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


_PROBE = """
import sys, chromadb
from chromadb.config import Settings
client = chromadb.PersistentClient(sys.argv[1], settings=Settings(anonymized_telemetry=False))
found = client.get_or_create_collection(sys.argv[2], embedding_function=None)
if found.count():
    found.query(query_embeddings=[[1.0] * int(sys.argv[3])], n_results=1, include=["distances"])
"""


def _survives_a_probe(folder: Path, dimension: int) -> bool:
    """Whether a throw-away process can open and query the store: Chroma may crash on opening."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, str(folder / "chroma"), _COLLECTION, str(dimension)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        log.warning("probe of %s: no end within %d s", folder.name, _PROBE_SECONDS)
        return False
    if done.returncode != 0:
        log.warning("probe of %s: exit %d", folder.name, done.returncode)
    return done.returncode == 0


class ExactStore:
    """Compares with every vector of a memory-mapped float16 matrix: exact, and never corrupt."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = paths.private_dir(folder)
        self._dimension = dimension
        self._numbers: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._matrix: npt.NDArray[np.float16] = np.empty((0, dimension), np.float16)
        self._load()

    def _load(self) -> None:
        try:
            numbers = np.load(self._folder / "ids.npy")
            matrix = np.load(self._folder / "matrix.npy", mmap_mode="r")
        except (OSError, ValueError):
            return
        if matrix.shape == (len(numbers), self._dimension):
            self._numbers, self._matrix = numbers, matrix

    def ids(self) -> set[int]:
        return set(self._numbers.tolist())

    def add(self, rows: Iterable[Row]) -> int:
        new = list(rows)
        if new:
            vectors = np.stack([vector for _, vector in new]).astype(np.float16)
            numbers = np.array([chunk for chunk, _ in new], np.int64)
            self._write(
                np.concatenate([self._numbers, numbers]), np.concatenate([self._matrix, vectors])
            )
        return len(new)

    def remove(self, ids: Sequence[int]) -> None:
        keep = ~np.isin(self._numbers, np.array(ids, np.int64))
        self._write(self._numbers[keep], self._matrix[keep])

    def _write(self, numbers: npt.NDArray[np.int64], matrix: npt.NDArray[np.float16]) -> None:
        for name, value in (("ids", numbers), ("matrix", matrix)):
            partial = self._folder / f"{name}.partial.npy"
            np.save(partial, value)
            partial.replace(self._folder / f"{name}.npy")
        self._load()

    def query(self, vector: Matrix, limit: int) -> list[tuple[int, float]]:
        if not len(self._numbers):
            return []
        scores = self._matrix.astype(np.float32) @ vector
        limit = min(limit, len(scores))
        best = np.argpartition(-scores, limit - 1)[:limit]
        best = best[np.argsort(-scores[best])]
        return [(int(self._numbers[index]), float(scores[index])) for index in best]

    def close(self) -> None:
        self._matrix = np.empty((0, self._dimension), np.float16)


def _server_name(folder: Path) -> str:
    """Returns a collection name for a server that other projects and people may share."""
    return "assistant-" + hashlib.sha256(str(folder).encode()).hexdigest()[:24]


def purge(folder: Path) -> None:
    """Removes a store's directory: Chroma itself frees no disk."""
    shutil.rmtree(folder, ignore_errors=True)
