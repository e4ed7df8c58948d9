"""A scripted Ollama, for what a real one can't be made to do: hang, die, stammer, redirect.

with FakeOllama(generate=[line(response="a"), Hang()]) as fake:
    engine = OllamaEngine(fake.host)
"""

from __future__ import annotations

import contextlib
import json
import select
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Hang:
    """Sends nothing more until the client goes away."""


@dataclass(frozen=True)
class Die:
    """Closes the connection in the middle of the answer."""


@dataclass(frozen=True)
class WaitFor:
    """Waits until the test sets the event."""

    event: threading.Event


@dataclass(frozen=True)
class Status:
    """Answers with this status and body instead of a stream; first step only."""

    code: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Step = bytes | Hang | Die | WaitFor | Status


def line(**fields: Any) -> bytes:
    """Returns one line of a stream, its text not escaped, as Go's encoder leaves it."""
    return json.dumps({"model": "fake", **fields}, ensure_ascii=False).encode() + b"\n"


def end(**fields: Any) -> bytes:
    return line(response="", done=True, done_reason="stop", prompt_eval_count=3, **fields)


@dataclass
class FakeOllama:
    """Serves ``generate`` for every request to /api/generate and /api/chat, step by step."""

    generate: Sequence[Step] = ()
    tags: Sequence[dict[str, Any]] = ({"name": "fake:latest", "size": 1, "digest": "d"},)
    show: dict[str, Any] = field(default_factory=lambda: {"capabilities": ["completion"]})
    version: str = "0.24.0"
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the client has closed the connection of a ``Hang``."""

    def __enter__(self) -> FakeOllama:
        self._stopping = threading.Event()
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.requests if asked == path]

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeOllama

    def do_GET(self) -> None:
        self.fake.requests.append((self.path, {}))
        answers = {
            "/api/version": {"version": self.fake.version},
            "/api/tags": {"models": list(self.fake.tags)},
            "/api/ps": {"models": []},
        }
        self._json(answers.get(self.path, {}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        self.fake.requests.append((self.path, body))
        if self.path == "/api/show":
            self._json(self.fake.show)
            return
        with contextlib.suppress(ConnectionError):
            self._stream(self.fake.generate)

    def _stream(self, steps: Sequence[Step]) -> None:
        started = False
        for step in steps:
            if isinstance(step, Status):
                self._answer(step)
                return
            if isinstance(step, Hang):
                self._hang()
                return
            if isinstance(step, Die):
                self.close_connection = True
                return
            if isinstance(step, WaitFor):
                step.event.wait(TIMEOUT_SECONDS)
                continue
            if not started:
                self._start_stream()
                started = True
            self._chunk(step)
        if not started:
            self._start_stream()
        self._chunk(b"")

    def _hang(self) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        self.close_connection = True
        while time.monotonic() < deadline and not self.fake.is_stopping:
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            if readable:
                self.fake.gone.set()
                return

    def _start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, raw: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()

    def _answer(self, step: Status) -> None:
        self.send_response(step.code)
        for name, value in step.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(step.body)))
        self.end_headers()
        self.wfile.write(step.body)

    def _json(self, value: dict[str, Any]) -> None:
        self._answer(
            Status(200, json.dumps(value).encode(), (("Content-Type", "application/json"),))
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the test's output is for the test."""


def cut(raw: bytes, at: Sequence[int]) -> Iterator[bytes]:
    """Cuts bytes into chunks at these offsets, inside characters too."""
    start = 0
    for offset in at:
        yield raw[start:offset]
        start = offset
    yield raw[start:]
