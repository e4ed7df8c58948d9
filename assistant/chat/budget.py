"""Fits a conversation into the context window and says what was left out. Pure."""

from __future__ import annotations

from collections.abc import Callable
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
    ends of what was attached, and at last whole attachments. The system prompt and the question
    always stay.
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
    turns = conversation.turns
    costs = [count(turn.content) + MESSAGE_TOKENS for turn in turns]
    over = size(replace(conversation, turns=()), count) + sum(costs) - limit
    first = 0
    while first < len(turns) and over > 0:
        over -= costs[first]
        first += 1
        # An answer without its question confuses small models.
        while first < len(turns) and turns[first].role != "user":
            over -= costs[first]
            first += 1
    if first:
        dropped.append(f"the {_plural(first, 'oldest message')} of this chat")
    return replace(conversation, turns=turns[first:])


def _with_cut_attachments(
    conversation: Conversation, limit: int, count: Count, dropped: list[str]
) -> Conversation:
    whole = conversation.attached
    kept = list(whole)
    for index in range(len(kept) - 1, -1, -1):
        tokens = count(whole[index].text)
        # More than once: a new heading may be longer, and counts are rounded.
        while tokens > _LEAST_ATTACHED_TOKENS and (over := size(conversation, count) - limit) > 0:
            tokens = max(_LEAST_ATTACHED_TOKENS, tokens - over)
            kept[index] = _cut(whole[index], tokens, count)
            conversation = replace(conversation, attached=tuple(kept))
    while kept and size(conversation, count) > limit:
        kept.pop()
        conversation = replace(conversation, attached=tuple(kept))
    for item, part in zip(whole, kept, strict=False):
        if part.text != item.text:
            dropped.append(_what_was_cut(item, part))
    dropped += [item.label for item in whole[len(kept) :]]
    return conversation


def _what_was_cut(item: Attached, part: Attached) -> str:
    if not item.text.startswith("\n", len(part.text)):
        return f"{item.label}: what comes after its first {_plural(len(part.text), 'character')}"
    total = item.text.count("\n") + 1
    kept = part.text.count("\n") + 1
    return f"{item.label}: lines after the first {kept} of {total}"


def _cut(item: Attached, tokens: int, count: Count) -> Attached:
    """Returns the longest head of whole lines within ``tokens``; at least part of one line."""
    if count(item.text) <= tokens:
        return item
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
    # The model cites what the heading says: it names only lines that are there.
    if item.path is None or not item.start_line:
        return replace(item, text=text, label=f"{item.label} (the beginning)")
    end_line = item.start_line + low - 1
    label = f"{item.path}:{item.start_line}-{end_line}"
    return replace(item, text=text, label=label, end_line=end_line)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
