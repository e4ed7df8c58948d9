"""Keeps the embedded engine's process: starts it when needed, notices its end, waits after failures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assistant
from assistant import paths
from assistant.errors import AssistantError, EngineUnreachable, RequestFailed

_log = logging.getLogger(__name__)

_START_TIMEOUT_S = 300.0
_LONG_ENOUGH_S = 30.0
"""A process that lived this long did not die of its start."""

_OMP_WAIT_POLICY = "passive"
"""llama.cpp's threads spin while they wait for each other, which starves them all as soon as the
machine does anything else. Measured on 2 cores with two busy processes: a completion took 3.6 s
spinning and 0.36 s asleep; with two at the lowest priority, 1.9 s and 0.14 s.
"""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0


@dataclass(frozen=True)
class ChildSettings:
    """Says what the process serves and how. Batches are in tokens; slots are parallel requests."""

    model: Path
    num_ctx: int
    slots: int = 1
    n_batch: int = 128
    n_ubatch: int = 64


class LlamacppProcess:
    """Runs at most one ``assistant.engine.llamacpp_child``. ``place`` says where the model runs."""

    def __init__(self, settings: ChildSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[Path] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._socket: Path | None = None
        self.place = ""
        self._last_words: deque[str] = deque(maxlen=5)
        self._failures = 0
        self._retry_at = 0.0
        self._failure: AssistantError | None = None
        self._closed = False

    @property
    def is_running(self) -> bool:
        return self._socket is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.is_running else None

    async def ready_socket(self) -> Path:
        """Returns the socket of a running process, starting one where there is none.

        Raises RequestFailed where the model can't be loaded, EngineUnreachable in the pause after
        repeated deaths. A caller that is cancelled leaves the start going.
        """
        if self._socket is not None:
            return self._socket
        if self._closed:
            raise EngineUnreachable("The embedded engine was stopped.", hint="")
        wait_s = self._retry_at - time.monotonic()
        if wait_s > 0 and self._failure is not None:
            raise self._failure
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    def why_ended(self) -> RequestFailed | None:
        """Returns what to tell requests that were running when the process died."""
        if self.is_running or self._process is None or self._process.returncode is None:
            return None
        return RequestFailed(
            f"The embedded engine stopped ({_exit_text(self._process.returncode)}).",
            hint="It starts again with the next request.",
        )

    async def ended(self) -> None:
        """Waits, briefly, until the end of a process that closed its socket has been noticed."""
        if self._watching is not None:
            await asyncio.wait([self._watching], timeout=2.0)

    async def aclose(self) -> None:
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        for task in (self._starting, self._watching):
            if task is not None:
                await asyncio.wait([task])
        self._forget_socket()

    async def _start(self) -> Path:
        path = paths.private_dir(paths.runtime_dir()) / f"engine-{secrets.token_hex(4)}.sock"
        await asyncio.to_thread(remove_stale_sockets, path.parent)
        started = time.monotonic()
        process = await self._spawn()
        self._process = process
        try:
            await self._hand_over(process, path)
        except BaseException as error:
            if process.returncode is None:
                process.kill()
            await process.wait()
            path.unlink(missing_ok=True)
            if isinstance(error, AssistantError):
                self._note_failure(error)
            raise
        self._socket = path
        self._watching = asyncio.create_task(self._watch(process, started))
        _log.info("embedded engine %d serves %s", process.pid, self._settings.model)
        return path

    async def _spawn(self) -> asyncio.subprocess.Process:
        # The working directory is a private one: "-m" puts it first on the module path, and the
        # person's project may hold a package of the same name.
        package = str(Path(assistant.__file__).parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "assistant.engine.llamacpp_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=paths.private_dir(paths.runtime_dir()),
            env={
                "OMP_WAIT_POLICY": _OMP_WAIT_POLICY,
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, (package, inherited))),
            },
            start_new_session=True,
        )

    async def _hand_over(self, process: asyncio.subprocess.Process, path: Path) -> None:
        """Sends the settings and waits for the answer; raises RequestFailed for a refusal."""
        assert process.stdin is not None and process.stdout is not None
        self._last_words.clear()
        listening = asyncio.create_task(self._listen(process))
        settings = {**vars(self._settings), "model": str(self._settings.model), "socket": str(path)}
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            await process.stdin.drain()
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_S)
        except asyncio.TimeoutError:
            listening.cancel()
            raise RequestFailed("The embedded engine did not start in time.") from None
        answer: dict[str, Any] = json.loads(line or b"{}")
        if answer.get("ready"):
            self.place = str(answer.get("place") or "")
            return
        code = await process.wait()
        await asyncio.wait([listening])
        reason = answer.get("error") or f"The embedded engine did not start ({_exit_text(code)})."
        _log.error("embedded engine: %s %s", reason, " | ".join(self._last_words))
        raise RequestFailed(str(reason), hint=f"The file is {self._settings.model}; see the log.")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            text = line.decode("utf-8", "replace").rstrip()
            self._last_words.append(text)
            _log.debug("embedded engine: %s", text)

    async def _watch(self, process: asyncio.subprocess.Process, started: float) -> None:
        code = await process.wait()
        self._forget_socket()
        if self._closed:
            return
        _log.warning("embedded engine: %s; %s", _exit_text(code), " | ".join(self._last_words))
        if time.monotonic() - started >= _LONG_ENOUGH_S:
            self._failures = 0
        self._note_failure(
            EngineUnreachable(
                f"The embedded engine keeps stopping ({_exit_text(code)}).",
                hint="It is tried again in a moment; see the log for the reason.",
            )
        )

    def _note_failure(self, error: AssistantError) -> None:
        """Lets the first restart be at once and each further one wait twice as long."""
        self._failure = error
        self._failures += 1
        rounds = self._failures - (2 if isinstance(error, EngineUnreachable) else 1)
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**rounds) if rounds >= 0 else 0.0
        self._retry_at = time.monotonic() + wait_s

    def _forget_socket(self) -> None:
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
            self._socket = None


def remove_stale_sockets(directory: Path) -> None:
    """Removes the sockets of engines that were killed: nobody listens on them any more."""
    for path in directory.glob("engine-*.sock"):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.debug("%s: %s", path, error)


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
