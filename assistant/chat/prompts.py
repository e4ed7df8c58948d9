"""The words that are sent with a question. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.base import Hit
from assistant.chat.attachments import Attached

SYSTEM = (
    "You are a programming assistant inside the editor of the person who asks. You run on their "
    "own machine. Answer from the code you are given; where it does not tell, say so instead of "
    "guessing. When you speak of code, name its place as path:line, as in the headings of the "
    "excerpts. Put code into fenced blocks that name their language. Be brief."
)

EXPLAIN_QUESTION = (
    "Explain the code above: what it is for, how it works step by step, what it depends on and "
    "what calls it, and anything surprising in it."
)


def block(label: str, text: str, language: str) -> str:
    """Returns an excerpt under its place, in a fence that no fence inside can close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{label}\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


def attached_block(item: Attached) -> str:
    return block(item.label, item.text, item.language)


def hit_block(hit: Hit) -> str:
    name = f" ({hit.kind} {hit.symbol})" if hit.symbol else ""
    return block(f"{hit.path}:{hit.start_line}-{hit.end_line}{name}", hit.text, "")


def question(found: Sequence[Hit], attached: Sequence[Attached], asked: str) -> str:
    """Returns the newest user message: what was found, what was attached, the question last.

    The excerpts stand here and not in the system prompt, so that all before this message stays
    the same from one question to the next and the engine reuses what it has read of it.
    """
    parts: list[str] = []
    if found:
        parts.append("Excerpts of the project that may matter:\n")
        parts += [hit_block(hit) for hit in found]
    if attached:
        parts.append("Attached by the person:\n")
        parts += [attached_block(item) for item in attached]
    parts.append(asked)
    return "\n".join(parts)


def without_model(found: Sequence[Hit], reason: str, pull_command: str, has_index: bool) -> str:
    """Returns the answer of a machine without a chat model: the places, and the way to get one."""
    lines = [f"There is no chat model to ask. {reason}".rstrip()]
    if found:
        lines += ["", "The index of the project found these places for it:", ""]
        for hit in found:
            name = f" {hit.kind} {hit.symbol}" if hit.symbol else ""
            lines.append(f"- `{hit.path}:{hit.start_line}`{name}")
    elif has_index:
        lines += ["", "The index of the project found nothing for it."]
    else:
        lines += ["", "The project has no index yet either: run `:AIIndex`."]
    lines += [
        "",
        f"For answers in words, let Ollama run (`ollama serve`), get a model with `{pull_command}` "
        "and ask again.",
    ]
    return "\n".join(lines)
