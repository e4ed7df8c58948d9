"""Embeds queries and searches vectors. Runs in the searcher child, which alone opens Chroma."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from assistant import paths
from assistant.engine.address import normalize, require_local
from assistant.errors import IndexNotReady
from assistant.index.embed import Embedder, make_embedder
from assistant.index.ledger import open_ledger
from assistant.index.vectors import ChromaStore, ExactStore, Matrix, StoreBroken, VectorStore, purge

log = logging.getLogger(__name__)

_CHROMA_PORT = 8000
_QUERY_THREADS = 1
"""One query takes a millisecond on one thread; more would take cores from the engine."""


@dataclass(frozen=True)
class VectorOptions:
    """Says how vectors are made and where they are kept; the options of the same names."""

    embedder: str = "auto"
    ollama_host: str | None = None
    chroma_url: str | None = None
    allow_remote: bool = False


@dataclass
class _Workspace:
    """Is one project's store, open for as long as the searcher lives."""

    root: Path
    fingerprint: str
    options: VectorOptions
    store: VectorStore
    synced_generation: int = -1
    locks: list[int] = field(default_factory=list)

    def close(self) -> None:
        self.store.close()
        for descriptor in self.locks:
            os.close(descriptor)


class Searcher:
    """Searches the vectors of any number of projects."""

    def __init__(self) -> None:
        self._embedders: dict[tuple[str, str | None], Embedder] = {}
        self._workspaces: dict[Path, _Workspace] = {}

    def sync(self, root: Path, options: VectorOptions) -> int:
        """Brings the store up to the ledger and returns the number of rows that changed."""
        model = self._embedder(options)
        workspace = self._workspace(root, model, options)
        try:
            return self._sync(workspace)
        except StoreBroken as error:
            log.warning("the vectors of %s are rebuilt: %s", root.name, error)
            self._abandon(root, model.fingerprint)
            return self._sync(self._workspace(root, model, options))

    def query(
        self, root: Path, text: str, limit: int, options: VectorOptions
    ) -> list[tuple[int, float]]:
        """Returns (chunk id, cosine), best first. Raises IndexNotReady where there are no vectors."""
        model = self._embedder(options)
        self.sync(root, options)
        workspace = self._workspaces[root]
        if not workspace.store.ids():
            raise IndexNotReady(f"{root.name} has no vectors of the configured embedder yet.")
        vector = model.embed([text])[0]
        try:
            return workspace.store.query(vector, limit)
        except StoreBroken as error:
            log.warning("Chroma failed, searching exactly: %s", error)
            self._abandon(root, model.fingerprint)
            workspace = self._workspaces[root] = self._exact(root, model, options)
            self._sync(workspace)
            return workspace.store.query(vector, limit)

    def close(self) -> None:
        for root in list(self._workspaces):
            self._forget(root)
        for embedder in self._embedders.values():
            embedder.close()
        self._embedders.clear()

    def _embedder(self, options: VectorOptions) -> Embedder:
        key = (options.embedder, options.ollama_host)
        if key not in self._embedders:
            self._embedders[key] = make_embedder(*key, threads=_QUERY_THREADS)
        return self._embedders[key]

    def _workspace(self, root: Path, model: Embedder, options: VectorOptions) -> _Workspace:
        known = self._workspaces.get(root)
        if known is not None and known.options == options:
            return known
        if known is not None:
            self._forget(root)
        self._workspaces[root] = self._open(root, model, options)
        return self._workspaces[root]

    def _open(self, root: Path, model: Embedder, options: VectorOptions) -> _Workspace:
        """Opens Chroma, a second time with an empty directory, else the exact search."""
        url = _chroma_address(options)
        lock = _lock(root)
        if lock is None:
            log.warning("another process owns the vectors of %s, searching exactly", root.name)
            return self._exact(root, model, options)
        for _ in range(2):
            try:
                store = ChromaStore(_folder(root, model.fingerprint), model.dimension, url)
            except StoreBroken as error:
                log.warning("the vectors of %s can't be opened: %s", root.name, error)
                _retire(root, model.fingerprint)
            else:
                return _Workspace(root, model.fingerprint, options, store, locks=[lock])
        os.close(lock)
        return self._exact(root, model, options)

    def _exact(self, root: Path, model: Embedder, options: VectorOptions) -> _Workspace:
        folder = _base(root) / f"{_digest(model.fingerprint)}.exact"
        store = ExactStore(folder, model.dimension)
        return _Workspace(root, model.fingerprint, options, store)

    def _sync(self, workspace: _Workspace) -> int:
        with open_ledger(workspace.root) as ledger:
            generation = ledger.vector_generation(workspace.fingerprint)
            if generation == workspace.synced_generation:
                return 0
            wanted = ledger.chunk_ids_with_vectors(workspace.fingerprint)
            present = workspace.store.ids()
            gone = sorted(present - wanted)
            if gone:
                workspace.store.remove(gone)
            new = wanted - present
            added = 0
            if new:
                stored = ledger.chunk_vectors(workspace.fingerprint)
                added = workspace.store.add(_rows(stored, new))
        workspace.synced_generation = generation
        if isinstance(workspace.store, ChromaStore) and workspace.store.is_worn:
            raise StoreBroken("many rows were removed")
        return added + len(gone)

    def _abandon(self, root: Path, fingerprint: str) -> None:
        """Gives a store up for good; the next one starts empty."""
        workspace = self._workspaces.get(root)
        if workspace is not None and isinstance(workspace.store, ChromaStore):
            workspace.store.drop()
        self._forget(root)
        _retire(root, fingerprint)

    def _forget(self, root: Path) -> None:
        workspace = self._workspaces.pop(root, None)
        if workspace is not None:
            workspace.close()


def _chroma_address(options: VectorOptions) -> str | None:
    """Returns the address of the person's Chroma server. Raises RemoteForbidden off this machine."""
    if options.chroma_url is None:
        return None
    url = normalize(options.chroma_url, default_port=_CHROMA_PORT)
    return require_local(url, allow_remote=options.allow_remote)


def _rows(stored: Iterator[tuple[int, bytes]], wanted: set[int]) -> Iterator[tuple[int, Matrix]]:
    for chunk, raw in stored:
        if chunk in wanted:
            yield chunk, np.frombuffer(raw, np.float16).astype(np.float32)


def _base(root: Path) -> Path:
    return paths.workspace_dir(root) / "vectors"


def _digest(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:12]


def _generations(root: Path, fingerprint: str) -> list[int]:
    found = _base(root).glob(f"{_digest(fingerprint)}-*")
    return sorted(int(path.name.rpartition("-")[2]) for path in found)


def _folder(root: Path, fingerprint: str) -> Path:
    """Returns the directory of the newest generation."""
    numbers = _generations(root, fingerprint)
    return _base(root) / f"{_digest(fingerprint)}-{numbers[-1] if numbers else 1}"


def _retire(root: Path, fingerprint: str) -> None:
    """Makes the next generation the newest and removes the others.

    A directory is never used again: Chroma remembers in its process what it had there.
    """
    old = _generations(root, fingerprint)
    folder = _base(root) / f"{_digest(fingerprint)}-{old[-1] + 1 if old else 1}"
    paths.private_dir(folder)
    for number in old:
        purge(_base(root) / f"{_digest(fingerprint)}-{number}")


def _lock(root: Path) -> int | None:
    """Returns a descriptor that holds the vectors' lock, or None where another process has it."""
    folder = paths.private_dir(_base(root))
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
