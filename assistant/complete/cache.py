"""Remembers completions and finds them again after their beginning was typed. Pure, bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

LOOK_BACK_CHARS = 128
"""llama.vim looks back as far; typing on for longer than that outlives most suggestions."""

_TAIL_CHARS = 400
_HEAD_CHARS = 200
_LIMIT = 500


@dataclass(frozen=True)
class _Entry:
    tail: str
    head: str
    text: str


class CompletionCache:
    """Maps (model, document, what stands around the cursor) to the text that followed.

    A place is known by the 400 characters before it and the 200 after it, not by the whole file:
    an edit far away does not make a suggestion wrong.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._entries: OrderedDict[tuple[str, str, int, int], _Entry] = OrderedDict()
        self._limit = limit

    def put(self, model: str, uri: str, before: str, after: str, text: str) -> None:
        entry = _Entry(before[-_TAIL_CHARS:], after[:_HEAD_CHARS], text)
        key = (model, uri, hash(entry.tail), hash(entry.head))
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def get(self, model: str, uri: str, before: str, after: str) -> str | None:
        """Returns what is left of the longest remembered text that still fits, or None."""
        head = hash(after[:_HEAD_CHARS])
        best: str | None = None
        for back in range(min(LOOK_BACK_CHARS, len(before)) + 1):
            end = len(before) - back
            tail = before[max(0, end - _TAIL_CHARS) : end]
            entry = self._entries.get((model, uri, hash(tail), head))
            if entry is None or entry.tail != tail:
                continue
            typed = before[end:]
            if entry.text.startswith(typed) and len(entry.text) > len(typed):
                rest = entry.text[len(typed) :]
                if best is None or len(rest) > len(best):
                    best = rest
                if back == 0:
                    return rest
        return best
