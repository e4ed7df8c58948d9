"""What every connection shares: one of each service, made once by the app."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.chat.service import ChatService
from assistant.complete.service import CompletionService
from assistant.daemon.engines import Engines
from assistant.daemon.projects import Projects
from assistant.index.discover import is_secret_path
from assistant.protocol import Latency

if TYPE_CHECKING:
    from assistant.daemon.connection import Connection

_LATENCY_SAMPLES = 500


class Latencies:
    """Keeps the last completion times, in milliseconds."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=_LATENCY_SAMPLES)

    def add(self, milliseconds: float) -> None:
        self._samples.append(milliseconds)

    def report(self) -> Latency:
        if not self._samples:
            return Latency()
        ordered = sorted(self._samples)
        return Latency(p50=_quantile(ordered, 0.5), p95=_quantile(ordered, 0.95))


def _quantile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


class Services:
    """Holds the services; the app closes them."""

    def __init__(
        self,
        *,
        engines: Engines,
        projects: Projects,
        completion: CompletionService,
        chat: ChatService,
        socket: Path,
        stop: Callable[[], None],
    ) -> None:
        self.engines = engines
        self.projects = projects
        self.completion = completion
        self.chat = chat
        self.socket = socket
        self.stop = stop
        self.pid = os.getpid()
        self.started_at = time.monotonic()
        self.connections: set[Connection] = set()
        self.latencies = Latencies()
        self._tasks: set[asyncio.Task[None]] = set()

    def is_secret(self, path: Path) -> bool:
        return is_secret_path(path)

    def broadcast(self, message: str, *, kind: int = 3) -> None:
        """Tells every editor one line."""
        for connection in self.connections:
            connection.show_message(message, kind=kind)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something that nobody waits for; it is cancelled when the daemon ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.completion.aclose()
        await self.projects.aclose()
        await self.engines.aclose()
