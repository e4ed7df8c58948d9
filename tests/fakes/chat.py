"""Lets a test play the daemon's side of a chat: the request waits until the test answers it."""

from __future__ import annotations

import queue
from typing import Any

from tests.fakes.daemon import TIMEOUT_S, Call, FakeDaemon


class ChatCall:
    """Is one question of the editor."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.params: dict[str, Any] = call.params

    @property
    def question(self) -> str:
        return str(self.params["messages"][-1]["content"])

    def state(self, state: str) -> None:
        self.progress({"kind": "partial", "text": "", "state": state})

    def write(self, text: str) -> None:
        self.progress({"kind": "partial", "text": text, "state": "writing"})

    def progress(self, value: dict[str, Any]) -> None:
        token = self.params["partialResultToken"]
        message = {"method": "$/progress", "params": {"token": token, "value": value}}
        self.call.daemon.send(self.call.connection, message)

    def answer(self, text: str, *sources: tuple[str, int, int], **more: Any) -> None:
        """Ends the request; ``more`` goes over the members of the result."""
        places = [{"path": p, "startLine": s, "endLine": e} for p, s, e in sources]
        self.call.result(
            {
                "message": {"role": "assistant", "content": text},
                "sources": places,
                "tokens": {"prompt": 600, "answer": 12, "limit": 4096},
                "dropped": [],
                "model": "fake-chat",
                **more,
            }
        )

    def error(self, code: int, message: str, hint: str = "") -> None:
        self.call.error(code, message, hint)


class ChatCalls:
    """Collects the chat requests that a scripted daemon gets."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self._calls: queue.Queue[Call] = queue.Queue()
        daemon.answers["assistant/chat"] = self._calls.put

    def next(self) -> ChatCall:
        return ChatCall(self._calls.get(timeout=TIMEOUT_S))

    @property
    def waiting(self) -> int:
        return self._calls.qsize()
