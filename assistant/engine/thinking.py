"""Tells reasoning from answer in a stream that mixes both. Pure."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkSplitter:
    """Splits pieces of text into (text, is_thinking); tags may be cut anywhere between pieces.

    Only reasoning at the very start of an answer counts: a later ``<think>`` is the model's text.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"

    def feed(self, text: str) -> list[tuple[str, bool]]:
        """Takes the next piece and returns what can be told apart by now."""
        if self._state == "answer":
            return [(text, False)] if text else []
        self._held += text
        return self._begin() if self._state == "start" else self._think()

    def flush(self) -> list[tuple[str, bool]]:
        """Returns what was held back, at the end of the stream."""
        held, self._held = self._held, ""
        return [(held, self._state == "thinking")] if held else []

    def _begin(self) -> list[tuple[str, bool]]:
        stripped = self._held.lstrip()
        if stripped.startswith(_OPEN):
            self._state, self._held = "thinking", stripped[len(_OPEN) :]
            return self._think()
        if _OPEN.startswith(stripped):
            return []
        self._state = "answer"
        return self.flush()

    def _think(self) -> list[tuple[str, bool]]:
        thought, closed, answer = self._held.partition(_CLOSE)
        if closed:
            self._state, self._held = "answer", ""
            pieces = [(thought, True), (answer.lstrip("\n"), False)]
            return [piece for piece in pieces if piece[0]]
        keep = next(
            (n for n in range(len(_CLOSE) - 1, 0, -1) if self._held.endswith(_CLOSE[:n])), 0
        )
        ready = self._held[: len(self._held) - keep]
        self._held = self._held[len(ready) :]
        return [(ready, True)] if ready else []
