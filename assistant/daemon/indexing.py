"""Handlers of the index methods, and when a project is indexed without being asked for."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import protocol, text
from assistant.base import WireModel
from assistant.daemon.documents import may_index_unasked
from assistant.errors import AssistantError, RequestFailed
from assistant.rpc.session import Request

if TYPE_CHECKING:
    from assistant.daemon.connection import Connection

log = logging.getLogger(__name__)

_PHASES = {
    "discover": "finding files",
    "lexical": "reading files",
    "vectors": "embedding (search works already)",
}


def root_from_uri(uri: str) -> Path:
    """Returns the directory that ``uri`` names. Raises RequestFailed where there is none."""
    path = text.uri_to_path(uri)
    if path is None or not Path(path).is_dir():
        raise RequestFailed(f"{uri} is not a directory on this machine.")
    return Path(path)


async def index(
    connection: Connection, params: protocol.IndexParams, request: Request
) -> WireModel:
    root = root_from_uri(params.root_uri)
    token = params.work_done_token
    begin = protocol.WorkProgress(kind="begin", title=f"Indexing {root.name}", percentage=0)
    request.progress(token, begin.to_wire())

    def report(phase: str, done: int, total: int) -> None:
        progress = work_progress(phase, done, total)
        request.progress(token, progress.to_wire())

    try:
        counts = await connection.services.projects.index(
            root, force=params.force, lexical_only=params.lexical_only, report=report
        )
    finally:
        request.progress(token, protocol.WorkProgress(kind="end").to_wire())
    return protocol.IndexResult(root=str(root), **counts)


def work_progress(phase: str, done: int, total: int) -> protocol.WorkProgress:
    """Returns a report whose percentage rises over the phases: reading to 50, embedding to 100."""
    share = done / total if total else 0.0
    percentage = {"discover": 0, "lexical": int(50 * share), "vectors": 50 + int(50 * share)}
    message = _PHASES.get(phase, phase) + (f" {done}/{total}" if total else "")
    return protocol.WorkProgress(
        kind="report", message=message, percentage=percentage.get(phase, 0)
    )


async def index_status(
    connection: Connection, params: protocol.RootParams, request: Request
) -> WireModel:
    return await connection.services.projects.status(root_from_uri(params.root_uri))


async def clear_index(
    connection: Connection, params: protocol.RootParams, request: Request
) -> None:
    await connection.services.projects.clear(root_from_uri(params.root_uri))


async def search(
    connection: Connection, params: protocol.SearchParams, request: Request
) -> WireModel:
    root = root_from_uri(params.root_uri)
    if not params.query.strip():
        raise RequestFailed("The query is empty.", hint="Say what to search for.")
    started = time.monotonic()
    hits, vectors = await connection.services.projects.search_with_vectors(
        root, params.query, params.limit
    )
    milliseconds = (time.monotonic() - started) * 1000
    return protocol.SearchResult(
        query=params.query, hits=hits, milliseconds=round(milliseconds, 2), vectors=vectors
    )


def index_unasked(connection: Connection, root: Path | None) -> None:
    """Starts indexing a project whose file was opened, once, where ``index.auto`` allows it."""
    if root is None or not connection.config(root).settings.index.auto:
        return
    projects = connection.services.projects
    real = root.resolve()
    if real in projects.roots or not may_index_unasked(real):
        return
    projects.roots.add(real)

    async def run() -> None:
        try:
            await projects.index(
                real, force=False, lexical_only=False, is_unasked=True, report=_silent
            )
        except AssistantError as error:
            log.info("indexing %s by itself: %s", real, error)
            connection.show_message(str(error), kind=2)

    connection.services.background(run())


def _silent(phase: str, done: int, total: int) -> None:
    log.debug("%s %d/%d", phase, done, total)


def touched(connection: Connection, uri: str) -> None:
    """Updates the index after a file was saved."""
    found = text.uri_to_path(uri)
    root = connection.root_of(Path(found)) if found else None
    if found and root is not None and root.resolve() in connection.services.projects.roots:
        connection.services.projects.touch(root, Path(found))
