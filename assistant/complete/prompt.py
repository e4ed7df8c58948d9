"""Builds completion prompts. Pure: text in, text out.

Engines reuse the longest common head of two prompts, so what changes least stands first: snippets,
then a prefix whose start moves in steps, then (for most families) a short suffix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant.base import Snippet
from assistant.complete.comments import comment_out
from assistant.engine.base import ChatMessage
from assistant.engine.fim import FimProfile, RepoFormat

_SUFFIX_SHARE = 0.15
_SUFFIX_BYTES = 1000
"""A longer suffix costs its tokens again at each key where the suffix follows the prefix."""

_PREFIX_SHARE = 0.55
"""What the prefix may take of the budget while there are snippets; without any it takes the rest."""

_CONTROL_TOKENS = 12
"""Covers the control tokens, file headers and the begin token that the estimate does not see."""

_BYTES_PER_LINE = 40


@dataclass(frozen=True)
class Prompt:
    """Holds one prompt and what went into it.

    ``prefix`` and ``suffix`` are the text of the document really sent, before control tokens in it
    were broken up. ``messages`` is set for models without fill-in-the-middle, ``text`` is then
    what they amount to. ``dropped`` are the snippets that did not fit.
    """

    text: str
    prefix: str
    suffix: str
    snippets: tuple[Snippet, ...] = ()
    dropped: tuple[Snippet, ...] = ()
    stop: tuple[str, ...] = ()
    messages: tuple[ChatMessage, ...] = ()
    single_line: bool = False

    @property
    def size_bytes(self) -> int:
        return byte_length(self.text)


@dataclass(frozen=True)
class Budget:
    """Says how much text a prompt may hold; ``bytes_per_token`` is the engine's estimate."""

    tokens: int
    bytes_per_token: float = 3.0
    reserved_tokens: int = field(default=_CONTROL_TOKENS)

    @property
    def bytes(self) -> int:
        return max(0, int((self.tokens - self.reserved_tokens) * self.bytes_per_token))


def byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def build(
    profile: FimProfile,
    *,
    prefix: str,
    suffix: str,
    path: str,
    budget_tokens: int,
    bytes_per_token: float,
    repo_name: str = "",
    snippets: Sequence[Snippet] = (),
    max_tokens: int = 64,
) -> Prompt:
    """Builds a raw fill-in-the-middle prompt that fits its budget.

    ``prefix`` and ``suffix`` are all of the document before and after the cursor; ``path`` is
    relative to the root. ``max_tokens`` of the model's own window are kept for the answer. Snippets
    come best first and are rendered best last, next to the code.
    """
    if profile.max_context is not None:
        budget_tokens = min(budget_tokens, profile.max_context - max_tokens)
    budget = Budget(budget_tokens, bytes_per_token)
    offered = tuple(snippets) if profile.takes_snippets else ()
    cut_suffix = cut_suffix_to(suffix, min(_SUFFIX_BYTES, int(budget.bytes * _SUFFIX_SHARE)))
    room = budget.bytes - byte_length(cut_suffix)
    share = int(budget.bytes * _PREFIX_SHARE) if offered else room
    cut_prefix = cut_prefix_to(prefix, min(share, room))
    room -= byte_length(cut_prefix) + byte_length(path) + byte_length(repo_name)
    kept, dropped = _choose(offered, room, path)
    before, inside = _context(profile, kept, path, repo_name)
    text = before + profile.render(
        inside + neutralize(cut_prefix, profile.control_tokens),
        neutralize(cut_suffix, profile.control_tokens),
    )
    return Prompt(
        text,
        cut_prefix,
        cut_suffix,
        kept,
        dropped,
        stop=profile.stops,
        single_line=profile.single_line,
    )


HOLE = "{{HOLE}}"
HOLE_OPEN, HOLE_CLOSE = "<COMPLETION>", "</COMPLETION>"
CHAT_TOKENS = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>"),
    *("<|end|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>"),
    *("<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</s>"),
)
"""Engines read these as control tokens in a message's content too."""

_HOLE_SYSTEM = (
    f"You complete code. The user sends a file in which {HOLE} marks the cursor. Answer with "
    f"{HOLE_OPEN}, then exactly the text to insert there, then {HOLE_CLOSE}. Keep it to one "
    "line unless the code needs more. Do not repeat what stands before or after the cursor. "
    "No Markdown, no explanation."
)
_HOLE_EXAMPLES = (
    ("stack.py", f"def pop(items):\n    if not items:\n        {HOLE}\n    return items.pop()\n"),
    ("sum.js", f"const total = list.reduce((sum, item) => {HOLE}, 0);\n"),
)
_HOLE_ANSWERS = ("return None", "sum + item")


def build_hole(
    *,
    prefix: str,
    suffix: str,
    path: str,
    budget_tokens: int,
    bytes_per_token: float,
    snippets: Sequence[Snippet] = (),
) -> Prompt:
    """Builds chat messages that ask a model without fill-in-the-middle for the text at the cursor.

    The answer comes between HOLE_OPEN and HOLE_CLOSE; ``filters.run`` takes it out.
    """
    fixed = _hole_messages("")
    used = sum(byte_length(m.content) + 16 for m in fixed)
    budget = Budget(budget_tokens, bytes_per_token)
    room = max(0, budget.bytes - used)
    cut_suffix = cut_suffix_to(suffix, min(_SUFFIX_BYTES, int(room * _SUFFIX_SHARE)))
    room -= byte_length(cut_suffix)
    cut_prefix = cut_prefix_to(prefix, int(room * _PREFIX_SHARE) if snippets else room)
    room -= byte_length(cut_prefix)
    kept, dropped = _choose(snippets, room, path)
    tokens = (*CHAT_TOKENS, HOLE, HOLE_OPEN, HOLE_CLOSE)
    parts = [f"{s.path}\n{s.text.rstrip()}" for s in reversed(kept)]
    context = "".join(f"Elsewhere in the project, {neutralize(p, tokens)}\n\n" for p in parts)
    code = neutralize(cut_prefix, tokens) + HOLE + neutralize(cut_suffix, tokens)
    messages = _hole_messages(f"{context}{neutralize(path, tokens)}\n{code}")
    return Prompt(
        "\n\n".join(f"{m.role}:\n{m.content}" for m in messages),
        cut_prefix,
        cut_suffix,
        kept,
        dropped,
        stop=(HOLE_CLOSE,),
        messages=messages,
    )


def _hole_messages(question: str) -> tuple[ChatMessage, ...]:
    messages = [ChatMessage("system", _HOLE_SYSTEM)]
    for (path, code), answer in zip(_HOLE_EXAMPLES, _HOLE_ANSWERS, strict=True):
        messages.append(ChatMessage("user", f"{path}\n{code}"))
        messages.append(ChatMessage("assistant", f"{HOLE_OPEN}{answer}{HOLE_CLOSE}"))
    return (*messages, ChatMessage("user", question))


def cut_suffix_to(suffix: str, limit_bytes: int) -> str:
    """Returns the head of ``suffix`` within the limit, at the end of a line where one fits."""
    if byte_length(suffix) <= limit_bytes:
        return suffix
    head = suffix.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")
    end = head.rfind("\n")
    return head[: end + 1] if end >= 0 else head


def cut_prefix_to(prefix: str, limit_bytes: int) -> str:
    """Returns the tail of ``prefix`` within the limit, from a line that stays put while typing.

    The start moves only once in some lines, and then to the outermost line near there: a block's
    first. Where lines are too long for that it moves once in some characters.
    """
    if byte_length(prefix) <= limit_bytes:
        return prefix
    if limit_bytes <= 0:
        return ""
    lines = _split_newlines(prefix)
    first = _first_line_within(lines, limit_bytes)
    step = _power_of_two_below(limit_bytes // _BYTES_PER_LINE // 4)
    start = _block_start(lines, -(-first // step) * step, step)
    tail = "".join(lines[start:])
    if byte_length(tail) >= limit_bytes // 3:
        return tail
    return _cut_characters(prefix, limit_bytes)


def _split_newlines(text: str) -> list[str]:
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + [parts[-1]]


def _first_line_within(lines: Sequence[str], limit_bytes: int) -> int:
    """Returns the first line from which all the rest fits the limit."""
    room = limit_bytes
    for index in range(len(lines) - 1, -1, -1):
        room -= byte_length(lines[index])
        if room < 0:
            return index + 1
    return 0


def _block_start(lines: Sequence[str], start: int, step: int) -> int:
    """Returns the outermost line of the ``step`` lines from ``start``; the first such line.

    It looks at whole lines only, so that the line being typed never decides.
    """
    end = min(start + step, len(lines) - 1)
    best, best_indent = start, 1 << 30
    for index in range(start, end):
        stripped = lines[index].lstrip()
        indent = len(lines[index]) - len(stripped)
        if stripped and indent < best_indent and stripped[0] not in ")]}":
            best, best_indent = index, indent
    return best


def _cut_characters(prefix: str, limit_bytes: int) -> str:
    characters = len(prefix.encode("utf-8", "replace")[-limit_bytes:].decode("utf-8", "ignore"))
    first = len(prefix) - characters
    step = _power_of_two_below(limit_bytes // 4)
    return prefix[-(-first // step) * step :]


def _power_of_two_below(number: int) -> int:
    return 1 << max(0, number.bit_length() - 1) if number > 0 else 1


def _choose(
    snippets: Sequence[Snippet], room: int, path: str
) -> tuple[tuple[Snippet, ...], tuple[Snippet, ...]]:
    """Takes snippets, best first, while they fit; one that does not fit leaves room for the next."""
    kept: list[Snippet] = []
    dropped: list[Snippet] = []
    for snippet in snippets:
        # Each line may gain a comment sign, and each snippet a header with its path.
        lines = snippet.text.count("\n") + 1
        cost = byte_length(snippet.text) + byte_length(snippet.path) + 4 * lines + 16
        if cost <= room and snippet.path != path:
            kept.append(snippet)
            room -= cost
        else:
            dropped.append(snippet)
    return tuple(kept), tuple(dropped)


def _context(
    profile: FimProfile, snippets: Sequence[Snippet], path: str, repo_name: str
) -> tuple[str, str]:
    """Returns what stands before the first FIM token and what stands at the start of the prefix."""
    if not snippets:
        return "", ""
    tokens = profile.control_tokens
    texts = [
        (neutralize(s.path, tokens), neutralize(s.text.rstrip("\n"), tokens))
        for s in reversed(snippets)
    ]
    if profile.repo is None:
        blocks = (f"Path: {name}\n{text}" for name, text in texts)
        return "", "".join(comment_out(block, path) + "\n\n" for block in blocks)
    return _repo_context(
        profile.repo, texts, neutralize(path, tokens), neutralize(repo_name or "repo", tokens)
    )


def _repo_context(
    repo: RepoFormat, texts: Sequence[tuple[str, str]], path: str, repo_name: str
) -> tuple[str, str]:
    files = "".join(repo.file.format(path=name, text=text) for name, text in texts)
    head = repo.head.format(repo=repo_name) + files + repo.current.format(path=path)
    prefix_head = repo.prefix_head.format(path=path)
    return ("", head + prefix_head) if repo.inside else (head, prefix_head)


def neutralize(text: str, control_tokens: Sequence[str]) -> str:
    """Breaks up control tokens that stand in the person's own text, with a space in each.

    Without this a file that merely talks about such tokens could end the prompt's structure.
    """
    for token in control_tokens:
        while token in text:
            text = text.replace(token, token[0] + " " + token[1:])
    return text
