"""Relays lines between Neovim and the daemon, and starts the daemon where none runs.

Knows no method and no state of either side: what Lua hands to ``AssistantSend`` goes to the socket
as it is, what the socket brings goes to one Lua function as a list of lines. Imports the standard
library and pynvim only, because a stock host may run it under another Python.

Three threads meet here. pynvim's own thread calls the functions below and is the only one that
may call Neovim; one thread per connection reads, one writes, so that a daemon that does not read
never stops the other two.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pynvim

VERSION = "1"
"""What lua/assistant/rpc/transport.lua and this file have agreed on."""
MAX_LINE_BYTES = 8 * 1024 * 1024
START_TIMEOUT_S = 30.0
"""A cold start on a slow disk takes a few seconds; after this the daemon is not coming."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.25
GRACE_S = 1.0

ON_LINES = "require('assistant.rpc.transport').on_lines(...)"
ON_EVENT = "require('assistant.rpc.transport').on_event(...)"


def data_dir() -> Path:
    """Returns the data directory, as ``assistant.paths.data_dir`` does (a test compares)."""
    home = os.environ.get("ASSISTANT_HOME")
    if home:
        return Path(home).expanduser().absolute() / "data"
    data_home = os.environ.get("XDG_DATA_HOME", "")
    if not data_home.strip():
        data_home = os.path.expanduser("~/.local/share")
    return Path(data_home) / "assistant"


def daemon_lock_path() -> Path:
    return data_dir() / "daemon.lock"


def connect() -> socket.socket | None:
    """Returns a connection to the daemon that ``daemon.lock`` names, or None where none answers."""
    try:
        path = json.loads(daemon_lock_path().read_bytes())["socket"]
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        found.connect(path)
    except (OSError, TypeError):
        found.close()
        return None
    return found


def was_stopped() -> bool:
    """Whether the last daemon ended in good order: it empties its lock file; a killed one can't."""
    try:
        return daemon_lock_path().stat().st_size == 0
    except OSError:
        return True


class StartFailed(Exception):
    """The daemon could not be started; the text is one line for the person."""


class Starter:
    """Starts the daemon and says why it did not come up."""

    def __init__(self) -> None:
        self._ended_at: float | None = None
        self._errors = data_dir() / "daemon-start.log"
        data_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "assistant", "serve", "--foreground"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # outlives this editor, and never gets its Ctrl-C
            )
        # A daemon that ends before the editor would else stay a zombie until the editor ends.
        threading.Thread(target=self._process.wait, daemon=True).start()

    def check(self) -> None:
        """Raises StartFailed when the process ended with an error a moment ago.

        Not at once: it also ends when another daemon was faster, and that one answers soon.
        """
        code = self._process.poll()
        if code and self._ended_at is None:
            self._ended_at = time.monotonic()
        elif code and self._ended_at and time.monotonic() - self._ended_at > GRACE_S:
            lines = self._errors.read_text("utf-8", "replace").strip().splitlines()
            raise StartFailed(lines[-1] if lines else f"it ended with code {code}")


class Link:
    """Is the connection to the daemon, made anew by ``open`` after each loss."""

    def __init__(self, nvim: pynvim.Nvim) -> None:
        self._nvim = nvim
        self._outbox: queue.SimpleQueue[bytes | None] | None = None
        self._arrived: list[bytes] = []
        self._lock = threading.Lock()

    def open(self, is_revival: bool = False) -> None:
        """Connects in the background. Does nothing while a connection exists or is being made.

        A revival, which nobody has asked for, starts no daemon after one that was stopped.
        """
        if self._outbox is None:
            self._outbox = queue.SimpleQueue()
            arguments = (self._outbox, is_revival)
            threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def send(self, lines: list[str]) -> None:
        """Queues lines; without a connection they are dropped, and Lua has been told of its end."""
        if self._outbox is not None:
            # Lua strings are bytes: pynvim shows those that are not UTF-8 as surrogates.
            text = "".join(line + "\n" for line in lines)
            self._outbox.put(text.encode("utf-8", "surrogateescape"))

    def _run(self, outbox: queue.SimpleQueue[bytes | None], is_revival: bool) -> None:
        if is_revival and was_stopped():
            self._end("stopped", "the daemon was stopped.")
            return
        try:
            connection = self._connect()
        except (OSError, StartFailed) as error:
            self._end("failed", f"the daemon can't be started: {error}")
            return
        self._report("connected", VERSION)
        threading.Thread(target=self._write, args=(connection, outbox), daemon=True).start()
        reason = self._read(connection)
        outbox.put(None)
        connection.close()
        self._end("closed", reason)

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + START_TIMEOUT_S
        pause_s = FIRST_PAUSE_S
        starter: Starter | None = None
        while time.monotonic() < deadline:
            connection = connect()
            if connection is not None:
                return connection
            if starter is None:
                starter = Starter()
            starter.check()
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
        raise StartFailed(f"it does not answer after {START_TIMEOUT_S:.0f} s")

    def _read(self, connection: socket.socket) -> str:
        """Hands complete lines to Neovim until the connection ends; returns why it ended."""
        rest = b""
        try:
            while data := connection.recv(65536):
                *lines, rest = (rest + data).split(b"\n")
                if lines:
                    self._deliver(lines)
                if len(rest) > MAX_LINE_BYTES:
                    return "the daemon sent a line over 8 MiB."
        except OSError as error:
            return f"the connection to the daemon broke: {error.strerror}."
        return "the connection to the daemon ended."

    def _write(self, connection: socket.socket, outbox: queue.SimpleQueue[bytes | None]) -> None:
        try:
            while (data := outbox.get()) is not None:
                connection.sendall(data)
        except OSError:
            try:
                connection.shutdown(socket.SHUT_RDWR)  # wakes the reader, which reports it
            except OSError:
                return

    def _deliver(self, lines: list[bytes]) -> None:
        """Adds to the list that the next call of Lua takes: one call for all that came together."""
        with self._lock:
            is_called = bool(self._arrived)
            self._arrived += lines
        if not is_called:
            self._nvim.async_call(self._flush)

    def _flush(self) -> None:
        with self._lock:
            lines, self._arrived = self._arrived, []
        self._nvim.exec_lua(ON_LINES, lines, async_=True)

    def _report(self, *event: str) -> None:
        self._nvim.async_call(lambda: self._nvim.exec_lua(ON_EVENT, *event, async_=True))

    def _end(self, *event: str) -> None:
        # On pynvim's thread, so that a line sent before Lua knows is dropped, never sent to the
        # next connection.
        def end() -> None:
            self._outbox = None
            self._nvim.exec_lua(ON_EVENT, *event, async_=True)

        self._nvim.async_call(end)


@pynvim.plugin
class AssistantHost:
    """Is what Neovim calls; both functions return at once."""

    def __init__(self, nvim: pynvim.Nvim) -> None:
        self._link = Link(nvim)

    @pynvim.function("AssistantConnect", sync=False)
    def connect(self, args: list[str]) -> None:
        self._link.open(is_revival=args[:1] == ["revive"])

    @pynvim.function("AssistantSend", sync=False)
    def send(self, args: list[str]) -> None:
        self._link.send(args)
