"""Chooses a model for a role among the installed ones. Pure.

What a person names is used as given and never comes here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assistant.engine.base import ModelInfo
from assistant.engine.fim import profile_for

_GB = 10**9
_COMFORTABLE_BYTES = {"completion": 3 * _GB, "chat": 12 * _GB}
"""Without a limit from the hardware: the size above which a role waits too long on most machines.
A completion is wanted within a second; qwen2.5-coder:3b-base is 1.9 GB, :7b-base 4.7 GB.
"""

_FIM_ORDER = (
    "qwen-coder",
    "mellum",
    "seed-coder",
    "codestral",
    "starcoder2",
    "deepseek-coder",
    "granite",
    "codegemma",
    "granite-code",
    "stable-code",
    "codellama",
    "codeqwen",
    "starcoder",
    "metadata",
    "pocket",
)
"""Best first, by the single-line infill scores that their makers publish for about the same size."""

_CHAT_ORDER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"qwen-?3-?coder",
        r"qwen-?2\.5-?coder",
        r"devstral|codestral",
        r"qwen-?3",
        r"gpt-oss",
        r"gemma-?[34]",
        r"deepseek-?coder",
        r"llama-?3",
        r"qwen",
        r"granite",
        r"mistral",
        r"phi-?[34]",
    )
)

_BASE_TAG = re.compile(r"[-:]base\b|-code\b", re.IGNORECASE)


def best_for(
    role: str,
    models: Sequence[ModelInfo],
    *,
    size_limit_bytes: int | None = None,
    allow_hole: bool = False,
) -> ModelInfo | None:
    """Returns the best of ``models`` for "completion" or "chat", or None where none can serve.

    Completion wants a model trained to fill in the middle; with ``allow_hole`` one that chats will
    do where there is no other. Of those too large for ``size_limit_bytes`` the smallest is taken,
    for want of a better one.
    """
    limit = size_limit_bytes or _COMFORTABLE_BYTES["completion" if role == "completion" else "chat"]
    local = [model for model in models if not model.is_remote]
    if role != "completion":
        return _first(_can_chat(local), _chat_rank, limit)
    fillers = [m for m in local if "completion" in m.capabilities and profile_for(m) is not None]
    chosen = _first(fillers, _fim_rank, limit)
    return chosen or (_first(_can_chat(local), _chat_rank, limit) if allow_hole else None)


def embedded_reason(role: str, why: str) -> str:
    """Returns the line that tells a person once why the embedded engine stands in."""
    if role != "completion":
        return why
    return (
        f"{why} Completing Python with the small built-in model instead; "
        "'ollama pull qwen2.5-coder:1.5b-base' brings a better one."
    )


def _can_chat(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    return [m for m in models if "chat" in m.capabilities and not _BASE_TAG.search(m.name)]


def _first(
    models: Sequence[ModelInfo], rank: Callable[[ModelInfo], tuple[int, int]], limit: int
) -> ModelInfo | None:
    fitting = [model for model in models if model.size_bytes <= limit]
    if fitting:
        return min(fitting, key=lambda m: (*rank(m), -m.size_bytes, m.name))
    return min(models, key=lambda m: (m.size_bytes, m.name), default=None)


def _fim_rank(model: ModelInfo) -> tuple[int, int]:
    """Ranks by family, then base models before instruction-tuned ones, which fill in worse."""
    profile = profile_for(model)
    name = profile.name if profile is not None else ""
    family = _FIM_ORDER.index(name) if name in _FIM_ORDER else len(_FIM_ORDER)
    return family, 0 if _BASE_TAG.search(model.name) else 1


def _chat_rank(model: ModelInfo) -> tuple[int, int]:
    matching = (i for i, pattern in enumerate(_CHAT_ORDER) if pattern.search(model.name))
    return next(matching, len(_CHAT_ORDER)), 0
