"""Starts, watches and ends the daemon's child processes. Killing one loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from assistant import paths
from assistant.errors import RequestFailed
from assistant.rpc import framing
from assistant.rpc.session import ConnectionLost, Session

log = logging.getLogger(__name__)

_BACK_OFF_SECONDS = (0.0, 0.5, 2.0, 10.0)
_STABLE_SECONDS = 30.0
_CLOSE_SECONDS = 3.0


class Child:
    """Is one child process, started at the first call and again after it has died."""

    def __init__(self, role: Literal["indexer", "searcher"], log_level: str) -> None:
        self.role = role
        self._log_level = log_level
        self._process: asyncio.subprocess.Process | None = None
        self._session: Session | None = None
        self._serving: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._failures = 0
        self._started_at = 0.0
        self._calls = 0
        self.last_used = time.monotonic()

    @property
    def is_running(self) -> bool:
        return self._session is not None and not self._session.is_closed

    @property
    def is_idle(self) -> bool:
        return self._calls == 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_running else None

    async def call(
        self,
        method: str,
        params: dict[str, Any],
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> Any:
        """Returns the child's result. Raises RequestFailed when it dies under the call."""
        self._calls += 1
        try:
            session = await self._ready()
            return await session.call(method, params, on_progress=on_progress)
        except ConnectionLost as error:
            raise RequestFailed(
                f"the {self.role} process ended unexpectedly",
                hint="Try again; nothing is lost. The log has the detail (:AILog).",
            ) from error
        finally:
            self._calls -= 1
            self.last_used = time.monotonic()

    async def aclose(self) -> None:
        """Ends the child: by the end of its input, then by a signal."""
        # All three are taken first: a call that comes meanwhile starts a child of its own.
        process, self._process = self._process, None
        session, self._session = self._session, None
        serving, self._serving = self._serving, None
        if session is not None:
            await session.close()
        if process is None:
            return
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), _CLOSE_SECONDS)
                break
            except asyncio.TimeoutError:
                log.warning("%s[%d] does not end", self.role, process.pid)
        if serving is not None:
            await asyncio.wait({serving})

    async def _ready(self) -> Session:
        async with self._starting:
            if self._session is not None and not self._session.is_closed:
                return self._session
            if self._process is not None:
                await self.aclose()
                quick = time.monotonic() - self._started_at < _STABLE_SECONDS
                self._failures = self._failures + 1 if quick else 0
                await asyncio.sleep(
                    _BACK_OFF_SECONDS[min(self._failures, len(_BACK_OFF_SECONDS) - 1)]
                )
            return await self._start()

    async def _start(self) -> Session:
        paths.private_dir(paths.log_path().parent)
        package = str(Path(__file__).resolve().parents[2])
        import_path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        env = dict(
            os.environ,
            ASSISTANT_LOG_LEVEL=self._log_level,
            TOKENIZERS_PARALLELISM="false",
            PYTHONPATH=import_path,
        )
        with paths.log_path().open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "assistant.daemon.child",
                self.role,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                limit=framing.MAX_LINE_BYTES,
                env=env,
                cwd="/",  # "-m" imports from it first: never a project's own numpy.py
                start_new_session=True,
            )
        assert process.stdin is not None and process.stdout is not None
        self._process, self._started_at = process, time.monotonic()
        self._session = Session(process.stdout, process.stdin, name=self.role)
        self._serving = asyncio.create_task(self._session.run())
        log.info("started %s[%d]", self.role, process.pid)
        return self._session
