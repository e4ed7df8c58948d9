"""The main of both child processes: ``python -m assistant.daemon.child indexer|searcher``.

Speaks JSON-RPC on stdin and stdout, works in one thread, ends at the end of stdin. What may not
be imported in the daemon (Chroma, onnxruntime, torch) is imported here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import psutil

from assistant.daemon.logs import setup_logging
from assistant.rpc import framing
from assistant.rpc.session import Params, Request, Session, unknown_method

Handler = Callable[[Params, Request], Awaitable[Any]]
Stop = Callable[[], bool]

log = logging.getLogger(__name__)


class Worker:
    """Dispatches to blocking functions. Each lane is one thread: its work comes one by one."""

    def __init__(self) -> None:
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._stops: set[threading.Event] = set()
        self.handlers: dict[str, Handler] = {}

    def request(self, method: str, params: Params, request: Request) -> Awaitable[Any]:
        handler = self.handlers.get(method)
        if handler is None:
            raise unknown_method(method)
        return handler(params, request)

    def notify(self, method: str, params: Params) -> None:
        log.warning("unknown notification %s", method)

    async def run(self, work: Callable[[Stop], Any], lane: str = "main") -> Any:
        """Runs ``work`` in a thread; cancelling sets its stop flag, which it looks at itself."""
        pool = self._lanes.setdefault(lane, ThreadPoolExecutor(max_workers=1))
        stop = threading.Event()
        self._stops.add(stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, lambda: work(stop.is_set))
        finally:
            stop.set()
            self._stops.discard(stop)

    def close(self) -> None:
        for stop in self._stops:
            stop.set()
        for pool in self._lanes.values():
            pool.shutdown(wait=True, cancel_futures=True)


def _indexer(worker: Worker) -> Callable[[], None]:
    from assistant.index.indexer import Indexer, IndexOptions, clear

    # A saved file must not wait behind the embedding of a whole project.
    indexer, updater = Indexer(), Indexer()

    def options(params: Params) -> IndexOptions:
        found: dict[str, Any] = params["options"]
        # JSON has no tuples.
        fixed: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in found.items()
        }
        return IndexOptions(**fixed)

    def reporter(params: Params, request: Request) -> Callable[[str, int, int], None]:
        loop = asyncio.get_running_loop()
        token = params.get("workDoneToken")

        def report(phase: str, done: int, total: int) -> None:
            value = {"phase": phase, "done": done, "total": total}
            with contextlib.suppress(RuntimeError):  # the loop has ended under us
                loop.call_soon_threadsafe(request.progress, token, value)

        return report

    async def run(params: Params, request: Request) -> Any:
        report, root = reporter(params, request), Path(params["root"])
        counts = await worker.run(lambda stop: indexer.run(root, options(params), report, stop))
        return asdict(counts)

    async def update(params: Params, request: Request) -> Any:
        report, root = reporter(params, request), Path(params["root"])
        files = [Path(path) for path in params["paths"]]
        counts = await worker.run(
            lambda stop: updater.update_files(root, files, options(params), report, stop),
            lane="update",
        )
        return asdict(counts)

    async def remove(params: Params, request: Request) -> Any:
        return await worker.run(lambda stop: clear(Path(params["root"])))

    worker.handlers = {"run": run, "update": update, "clear": remove}
    _lower_priority()
    return lambda: None


def _searcher(worker: Worker) -> Callable[[], None]:
    from assistant.index.searcher import Searcher, VectorOptions

    searcher = Searcher()

    async def sync(params: Params, request: Request) -> Any:
        root, options = Path(params["root"]), VectorOptions(**params["options"])
        return await worker.run(lambda stop: searcher.sync(root, options))

    async def query(params: Params, request: Request) -> Any:
        root, options = Path(params["root"]), VectorOptions(**params["options"])
        text, limit = params["text"], params["limit"]
        return await worker.run(lambda stop: searcher.query(root, text, limit, options))

    worker.handlers = {"sync": sync, "query": query}

    def close() -> None:
        searcher.close()

    return close


def _lower_priority() -> None:
    process = psutil.Process()
    with contextlib.suppress(psutil.Error, OSError, AttributeError):
        process.nice(19)
        process.ionice(psutil.IOPRIO_CLASS_IDLE)


async def _serve(role: str, stdin: IO[bytes], stdout: IO[bytes]) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=framing.MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), stdout
    )
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    worker = Worker()
    close = {"indexer": _indexer, "searcher": _searcher}[role](worker)
    try:
        await Session(reader, writer, worker, name=role).run()
    finally:
        worker.close()
        close()


def main() -> None:
    role = sys.argv[1]
    # Libraries print: what they print must not land between our messages.
    stdin = os.fdopen(os.dup(0), "rb", buffering=0)
    stdout = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    setup_logging(os.environ.get("ASSISTANT_LOG_LEVEL", "info"), role)
    asyncio.run(_serve(role, stdin, stdout))


if __name__ == "__main__":
    main()
