"""A scripted daemon: speaks JSON lines on a unix socket and does on command what a real one can't.

It writes ``daemon.lock`` as the real one does, so the plugin finds it by itself. Completions wait
for the test::

    call = daemon.completion()          # the next request that the editor makes
    call.partial("ret")                 # streams
    call.answer("return a + b")         # ends it
"""

from __future__ import annotations

import json
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = dict[str, Any]
GREETING: Message = {
    "serverInfo": {"name": "assistant", "version": "0.1.0"},
    "protocolVersion": 1,
    "positionEncoding": "utf-8",
    "capabilities": {},
    "hardwareTier": "cpu",
    "models": {"completion": "fake"},
}
TIMEOUT_S = 20.0


@dataclass
class Call:
    """Is one request of the editor that the test answers when it likes."""

    daemon: FakeDaemon
    connection: socket.socket
    message: Message

    @property
    def id(self) -> int:
        return self.message["id"]

    @property
    def params(self) -> Message:
        return self.message["params"]

    @property
    def position(self) -> tuple[int, int]:
        return self.params["position"]["line"], self.params["position"]["character"]

    def _item(self, text: str, index: int = 1) -> Message:
        return {
            "id": f"{self.id}.{index}",
            "insertText": text,
            "range": {"start": self.params["position"], "end": self.params["position"]},
        }

    def partial(self, text: str) -> None:
        value = {"kind": "partial", "itemId": f"{self.id}.1", "text": text}
        token = self.params["partialResultToken"]
        self.daemon.send(
            self.connection,
            {"method": "$/progress", "params": {"token": token, "value": value}},
        )

    def answer(self, *texts: str) -> None:
        self.result({"items": [self._item(text, n) for n, text in enumerate(texts, 1)]})

    def result(self, result: Any) -> None:
        self.daemon.send(self.connection, {"id": self.id, "result": result})

    def error(self, code: int, message: str, hint: str = "") -> None:
        error = {"code": code, "message": message, "data": {"hint": hint, "retryable": False}}
        self.daemon.send(self.connection, {"id": self.id, "error": error})


class FakeDaemon:
    """Serves editors until ``stop``; everything that they sent is in ``received``."""

    def __init__(self, home: Path) -> None:
        self.lock_path = home / "data" / "daemon.lock"
        self.socket_path = home / "run" / "daemon.sock"
        self.received: list[Message] = []
        self.greeting: Message = GREETING
        self.documents: dict[str, tuple[int, str]] = {}
        """uri -> (version, text), kept as the contract says."""
        self.answers: dict[str, Callable[[Call], None]] = {
            "initialize": lambda call: call.result(self.greeting)
        }
        self._calls: queue.Queue[Call] = queue.Queue()
        self._connections: list[socket.socket] = []
        self._server: socket.socket | None = None

    def start(self) -> FakeDaemon:
        for path in (self.lock_path, self.socket_path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket_path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.socket_path))
        self._server.listen()
        content = {"pid": os.getpid(), "socket": str(self.socket_path), "version": "0.1.0"}
        self.lock_path.write_text(json.dumps(content))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends as if killed: no goodbye, the lock file stays."""
        if self._server is not None:
            self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._server = None
        self.drop_connections()

    def drop_connections(self) -> None:
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the editor was faster
                continue
        self._connections.clear()

    def completion(self, *position: int) -> Call:
        """Returns the next completion request, or the next one at this line and byte column."""
        while True:
            call = self._calls.get(timeout=TIMEOUT_S)
            if not position or call.position == position:
                return call

    def waiting_completions(self) -> int:
        return self._calls.qsize()

    def sent(self, method: str) -> list[Message]:
        """Returns the params of what the editor has sent under this method."""
        return [message["params"] for message in list(self.received) if message["method"] == method]

    def wait_sent(self, method: str, count: int = 1) -> list[Message]:
        """Returns what was sent under this method as soon as there are ``count`` of them."""
        deadline = time.monotonic() + TIMEOUT_S
        while len(self.sent(method)) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {len(self.sent(method))} of {count} {method} came")
            time.sleep(0.01)
        return self.sent(method)

    def send(self, connection: socket.socket, message: Message) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False)
        connection.sendall(line.encode() + b"\n")

    def send_raw(self, raw: bytes) -> None:
        for connection in self._connections:
            connection.sendall(raw)

    def notify(self, method: str, params: Message) -> None:
        for connection in self._connections:
            self.send(connection, {"method": method, "params": params})

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                for line in lines:
                    self._receive(connection, json.loads(line.decode("utf-8", "replace")))
            except OSError:
                return

    def _receive(self, connection: socket.socket, message: Message) -> None:
        self._follow_documents(message)
        self.received.append(message)
        if "id" not in message:
            return
        call = Call(self, connection, message)
        if message["method"] in self.answers:
            self.answers[message["method"]](call)
        elif message["method"] == "textDocument/inlineCompletion":
            self._calls.put(call)

    def _follow_documents(self, message: Message) -> None:
        method, params = message["method"], message["params"]
        if method == "textDocument/didOpen":
            item = params["textDocument"]
            self.documents[item["uri"]] = (item["version"], item["text"])
        elif method == "textDocument/didClose":
            self.documents.pop(params["textDocument"]["uri"], None)
        elif method == "textDocument/didChange":
            uri = params["textDocument"]["uri"]
            lines = self.documents[uri][1].splitlines(keepends=True)
            for change in params["contentChanges"]:
                start, end = change["range"]["start"], change["range"]["end"]
                assert start["character"] == end["character"] == 0
                assert 0 <= start["line"] <= end["line"] <= len(lines)
                lines[start["line"] : end["line"]] = [change["text"]]
                lines = "".join(lines).splitlines(keepends=True)
            self.documents[uri] = (params["textDocument"]["version"], "".join(lines))
