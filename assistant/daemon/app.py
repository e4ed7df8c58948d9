"""Constructs everything, listens, and ends: by request, by a signal, or after a time alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from pathlib import Path

from assistant import __version__, config, paths
from assistant.chat.service import ChatService
from assistant.complete.service import CompletionService
from assistant.daemon import connection
from assistant.daemon.engines import Engines
from assistant.daemon.lock import DaemonLock
from assistant.daemon.logs import setup_logging
from assistant.daemon.projects import Projects
from assistant.daemon.services import Services
from assistant.engine.tokens import TokenEstimator
from assistant.rpc import server
from assistant.settings import Settings

log = logging.getLogger(__name__)

_TICK_SECONDS = 2.0


class Daemon:
    """Is the one daemon of a user. ``run`` returns when it has ended and cleaned up."""

    def __init__(self, socket: Path, settings: Settings, idle_minutes: float) -> None:
        self._socket = socket
        self._settings = settings
        self._idle_seconds = idle_minutes * 60
        self._stopped = asyncio.Event()
        self._lonely_since = time.monotonic()
        estimator = TokenEstimator()
        self.services = Services(
            engines=Engines(),
            projects=Projects(lambda root: config.load(root).settings, settings.log_level),
            completion=CompletionService(estimator),
            chat=ChatService(estimator),
            socket=socket,
            stop=self._stopped.set,
        )

    async def run(self) -> None:
        """Serves until stopped. Raises Busy where another daemon holds the lock."""
        lock = DaemonLock()
        lock.acquire(self._socket)
        try:
            paths.private_dir(self._socket.parent)
            listener = await server.serve(self._socket, self._accept)
            self._stop_on_signals()
            log.info("daemon %s listens on %s", __version__, self._socket)
            await self._until_stopped()
            await self._close(listener)
        finally:
            lock.release()
        log.info("daemon ended")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await connection.serve(self.services, reader, writer)

    def _stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopped.set)

    async def _until_stopped(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _TICK_SECONDS)
            if self.services.connections:
                self._lonely_since = time.monotonic()
            elif time.monotonic() - self._lonely_since > self._idle_seconds:
                log.info("no client for %.0f minutes", self._idle_seconds / 60)
                return
            if not self._socket.exists():
                log.warning("%s is gone", self._socket)
                return
            await self.services.projects.end_idle_children()

    async def _close(self, listener: asyncio.AbstractServer) -> None:
        """Closes children first, so that no client is left without its answer."""
        listener.close()
        sessions = [c.session for c in self.services.connections if c.session is not None]
        await self.services.aclose()
        await asyncio.gather(*(session.close() for session in sessions))
        self._socket.unlink(missing_ok=True)


def main(socket: Path | None = None, idle_minutes: int | None = None) -> None:
    """Runs a daemon in this process. Raises Busy where one runs already."""
    found = config.load()
    settings = found.settings
    setup_logging(settings.log_level, "daemon")
    for warning in found.warnings:
        log.warning("%s", warning)
    minutes = settings.idle_minutes if idle_minutes is None else idle_minutes

    async def run() -> None:
        await Daemon(socket or paths.socket_path(), settings, minutes).run()

    asyncio.run(run())
