"""Reads a model's metadata by the keys of GGUF, which Ollama hands on as they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assistant.engine.base import FimOrder, FimTokens

Json = Mapping[str, Any]

_FIM_KEYS = ("fim_pre", "fim_suf", "fim_mid")
_OLD_KEYS = ("prefix", "suffix", "middle")
_SPM = re.compile(r"suffix-prefix-middle order", re.IGNORECASE)


def base_name(meta: Json) -> str:
    return str(meta.get("general.basename") or meta.get("general.name") or "")


def context_length(meta: Json) -> int | None:
    value = meta.get(f"{meta.get('general.architecture')}.context_length")
    return int(value) if isinstance(value, int | float) else None


def fim_order(meta: Json) -> FimOrder | None:
    return "spm" if _SPM.search(str(meta.get("general.description") or "")) else None


def has_fim_ids(meta: Json) -> bool:
    return _fim_ids(meta) is not None


def _fim_ids(meta: Json) -> tuple[int, int, int] | None:
    for keys in (_FIM_KEYS, _OLD_KEYS):
        ids = [meta.get(f"tokenizer.ggml.{key}_token_id") for key in keys]
        if all(isinstance(i, int) for i in ids):
            first, second, third = (int(i) for i in ids if i is not None)
            return first, second, third
    return None


def fim_tokens(meta: Json) -> FimTokens | None:
    """Returns the texts of the FIM tokens, which stand in a verbose answer's token list only."""
    ids, texts = _fim_ids(meta), meta.get("tokenizer.ggml.tokens")
    if ids is None or not isinstance(texts, list) or max(ids) >= len(texts):
        return None
    return FimTokens(*(str(texts[i]) for i in ids))
