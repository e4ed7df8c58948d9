"""A real daemon in a home of its own, and a plain client that shares no code with the product."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 60.0


def eventually(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Returns the first true value of ``condition``; fails the test after the time-out."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"never happened: {what}")


class RpcFailure(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data") or {}


class Client:
    """Speaks JSON lines over the socket; messages that nobody waited for stay in ``inbox``."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(str(path))
        self._buffer = b""
        self._next_id = 0
        self.inbox: list[dict[str, Any]] = []

    def send_raw(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def send(self, message: dict[str, Any]) -> None:
        self.send_raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def read(self) -> dict[str, Any] | None:
        while b"\n" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def start(self, method: str, params: dict[str, Any] | None = None) -> int:
        self._next_id += 1
        self.send({"id": self._next_id, "method": method, "params": params or {}})
        return self._next_id

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        self.send({"method": method, "params": params or {}})

    def wait(self, request_id: int | None) -> dict[str, Any]:
        """Returns the whole answer to a request; everything else goes to the inbox."""
        for message in self.inbox:
            if "method" not in message and message.get("id") == request_id:
                self.inbox.remove(message)
                return message
        while True:
            message = self.read()
            assert message is not None, "the daemon closed the connection"
            if "method" not in message and message.get("id") == request_id:
                return message
            self.inbox.append(message)

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        answer = self.wait(self.start(method, params))
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def initialize(self, root: Path | None = None, **options: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"protocolVersion": 1, "clientInfo": {"name": "test"}}
        if root is not None:
            params["rootUri"] = f"file://{root}"
        if options:
            params["initializationOptions"] = options
        result = self.call("initialize", params)
        self.notify("initialized")
        return result

    def open(self, path: Path, text: str, version: int = 1, language: str = "python") -> str:
        uri = f"file://{path}"
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def progress(self, token: Any) -> list[dict[str, Any]]:
        return [
            m["params"]["value"]
            for m in self.inbox
            if m.get("method") == "$/progress" and m["params"]["token"] == token
        ]

    def close(self) -> None:
        self.socket.close()


class DaemonProcess:
    """Runs ``assistant serve --foreground`` with an ASSISTANT_HOME of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ASSISTANT_")},
            "ASSISTANT_HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "xdg-config"),
            "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []

    @property
    def lock_path(self) -> Path:
        return self.home / "data" / "daemon.lock"

    def lock(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.lock_path.read_text())
        except (OSError, ValueError):
            return None

    def start(self, *arguments: str) -> DaemonProcess:
        self.home.mkdir(parents=True, exist_ok=True)
        log = (self.home / "stderr.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "assistant", "serve", "--foreground", *arguments],
                env=self.env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, f"daemon answers; {self.log()}")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended: {self.log()}"
        found = self.lock()
        if found is None or found["pid"] != self.process.pid:
            return False
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(found["socket"])
            return True
        return False

    def connect(self) -> Client:
        found = self.lock()
        assert found is not None, "no daemon runs"
        client = Client(Path(found["socket"]))
        self._clients.append(client)
        return client

    def cli(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the command line in the same home."""
        return subprocess.run(
            [sys.executable, "-m", "assistant", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            **options,
        )

    def log(self) -> str:
        parts = [self.home / "stderr.log", self.home / "cache" / "daemon.log"]
        return "\n".join(p.read_text(errors="replace")[-4000:] for p in parts if p.exists())

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                pytest.fail(f"the daemon did not end within 20 s: {self.log()}")
        found = self.lock()  # a daemon that a command of the test started
        if found is not None and (self.process is None or found["pid"] != self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found["pid"], signal.SIGTERM)


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="as-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_daemon(short_dir: Path) -> Iterator[Callable[..., DaemonProcess]]:
    """Makes daemons (not started) that are ended after the test."""
    made: list[DaemonProcess] = []

    def make(**environment: str) -> DaemonProcess:
        process = DaemonProcess(short_dir / f"h{len(made)}", **environment)
        made.append(process)
        return process

    yield make
    for process in made:
        process.stop()


@pytest.fixture
def daemon(make_daemon: Callable[..., DaemonProcess]) -> DaemonProcess:
    """A running daemon on the embedded engine with the bundled model."""
    return make_daemon(ASSISTANT_ENGINE="llamacpp").start()


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[DaemonProcess]:
    """A running daemon for all tests of a module that leave it as they found it."""
    home = Path(tempfile.mkdtemp(prefix="as-", dir="/tmp"))
    process = DaemonProcess(home, ASSISTANT_ENGINE="llamacpp").start()
    yield process
    process.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def project(short_dir: Path) -> Path:
    """A small git project."""
    root = short_dir / "project"
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "shapes.py").write_text(
        "import math\n\n\nclass Circle:\n    def __init__(self, radius: float) -> None:\n"
        "        self.radius = radius\n\n    def area(self) -> float:\n"
        "        return math.pi * self.radius**2\n"
    )
    (root / "main.py").write_text(
        "from shapes import Circle\n\n\ndef total_area(circles: list[Circle]) -> float:\n"
        "    return sum(circle.area() for circle in circles)\n"
    )
    return root
