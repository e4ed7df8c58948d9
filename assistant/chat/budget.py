"""Fits a conversation into the context window and says what was left out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assistant.base import Hit
from assistant.chat import prompts
from assistant.chat.attachments import Attached
from assistant.engine.base import ChatMessage

Count = Callable[[str], int]
"""Returns an upper estimate of the tokens of a text."""

MESSAGE_TOKENS = 8
"""Covers the role markers that a chat template puts around each message."""

_LEAST_ATTACHED_TOKENS = 64


@dataclass(frozen=True)
class Conversation:
    """Is everything that one would like to send."""

    system: str
    turns: tuple[ChatMessage, ...]
    asked: str
    found: tuple[Hit, ...] = ()
    attached: tuple[Attached, ...] = ()

    def messages(self) -> tuple[ChatMessage, ...]:
        newest = prompts.question(self.found, self.attached, self.asked)
        return (
            ChatMessage("system", self.system),
            *self.turns,
            ChatMessage("user", newest),
        )


@dataclass(frozen=True)
class Fitted:
    """Is what is sent, and in plain words what is not."""

    conversation: Conversation
    tokens: int
    dropped: tuple[str, ...]


def size(conversation: Conversation, count: Count) -> int:
    """Returns the estimated tokens of all messages."""
    return sum(count(m.content) + MESSAGE_TOKENS for m in conversation.messages())


def fit(conversation: Conversation, limit_tokens: int, count: Count) -> Fitted:
    """Leaves out what does not fit: excerpts first, worst first; then the oldest turns; then the
    ends of what was attached. The system prompt and the question always stay.
    """
    dropped: list[str] = []
    conversation = _without_excerpts(conversation, limit_tokens, count, dropped)
    conversation = _without_turns(conversation, limit_tokens, count, dropped)
    conversation = _with_cut_attachments(conversation, limit_tokens, count, dropped)
    return Fitted(conversation, size(conversation, count), tuple(dropped))


def _without_excerpts(
    conversation: Conversation, limit: int, count: Count, dropped: list[str]
) -> Conversation:
    left_out: list[Hit] = []
    while conversation.found and size(conversation, count) > limit:
        left_out.append(conversation.found[-1])
        conversation = replace(conversation, found=conversation.found[:-1])
    if left_out:
        places = ", ".join(f"{hit.path}:{hit.start_line}" for hit in reversed(left_out))
        dropped.append(f"{_plural(len(left_out), 'excerpt')} of the project ({places})")
    return conversation


def _without_turns(
    conversation: Conversation, limit: int, count: Count, dropped: list[str]
) -> Conversation:
    before = len(conversation.turns)
    while conversation.turns and size(conversation, count) > limit:
        conversation = replace(conversation, turns=_without_oldest(conversation.turns))
    if len(conversation.turns) < before:
        number = before - len(conversation.turns)
        dropped.append(f"the {_plural(number, 'oldest message')} of this chat")
    return conversation


def _without_oldest(turns: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Drops a question with its answer: an answer without its question confuses small models."""
    rest = list(turns[1:])
    while rest and rest[0].role != "user":
        rest.pop(0)
    return tuple(rest)


def _with_cut_attachments(
    conversation: Conversation, limit: int, count: Count, dropped: list[str]
) -> Conversation:
    attached = list(conversation.attached)
    for index in range(len(attached) - 1, -1, -1):
        over = size(conversation, count) - limit
        if over <= 0:
            break
        item = attached[index]
        cut = _cut(item, max(_LEAST_ATTACHED_TOKENS, count(item.text) - over), count)
        if cut.text != item.text:
            total = item.text.count("\n") + 1
            kept = cut.text.count("\n") + 1
            dropped.append(f"{item.label}: lines after the first {kept} of {total}")
            attached[index] = cut
            conversation = replace(conversation, attached=tuple(attached))
    return conversation


def _cut(item: Attached, tokens: int, count: Count) -> Attached:
    """Returns the longest head of whole lines within ``tokens``; at least one line."""
    lines = item.text.split("\n")
    low, high = 1, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if count("\n".join(lines[:middle])) <= tokens:
            low = middle
        else:
            high = middle - 1
    text = "\n".join(lines[:low])
    while low == 1 and len(text) > 1 and count(text) > tokens:
        text = text[: len(text) * 3 // 4]
    end_line = item.start_line + low - 1 if item.start_line else 0
    return replace(item, text=text, end_line=end_line)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
