"""Reads what Ollama tells about models, and its errors. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assistant.engine import metadata
from assistant.engine.base import FimOrder, FimTokens, ModelInfo

Json = Mapping[str, Any]

CANCELS_FROM = (0, 30)
"""From here on Ollama runs llama-server, which stops reading a prompt when its client is gone."""


_HOLE = r"(?P<first>[^{}]*)\{\{-?\s*\.%s\s*-?\}\}(?P<second>[^{}]*)\{\{-?\s*\.%s\s*-?\}\}(?P<middle>[^{}]*)"
_PSM = re.compile(_HOLE % ("Prompt", "Suffix"))
_SPM = re.compile(_HOLE % ("Suffix", "Prompt"))


def version_tuple(version: str) -> tuple[int, ...]:
    """Returns the numbers of a version; one without any sorts before every real one."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:3])


def cancels_prompt(version: str) -> bool:
    return version_tuple(version) >= CANCELS_FROM


def full_name(model: str) -> str:
    """Returns the name with its tag, as ``/api/tags`` gives it."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def is_cloud_name(model: str) -> bool:
    tag = model.rpartition("/")[2].partition(":")[2]
    return tag == "cloud" or tag.endswith("-cloud")


def is_remote(name: str, entry: Json) -> bool:
    """Whether running this model sends text to another machine, through the local server."""
    return is_cloud_name(name) or bool(entry.get("remote_host") or entry.get("remote_model"))


def model_info(name: str, tag: Json, shown: Json) -> ModelInfo:
    """Joins one entry of ``/api/tags`` with the answer of ``/api/show``."""
    details = tag.get("details") or shown.get("details") or {}
    meta: Json = shown.get("model_info") or {}
    tokens, order = metadata.fim_tokens(meta), metadata.fim_order(meta)
    if tokens is None:
        tokens, order = template_fim(str(shown.get("template") or "")) or (None, order)
    return ModelInfo(
        name=name,
        size_bytes=int(tag.get("size") or 0),
        digest=str(tag.get("digest") or ""),
        family=str(details.get("family") or ""),
        parameters=str(details.get("parameter_size") or ""),
        capabilities=_capabilities(shown),
        context_length=metadata.context_length(meta),
        fim_tokens=tokens,
        fim_order=order,
        base_name=metadata.base_name(meta),
        is_remote=is_remote(name, tag) or is_remote(name, shown),
    )


def _capabilities(shown: Json) -> frozenset[str]:
    """Returns Ollama's capabilities, and "chat" where the template takes messages.

    Ollama chats with any template; one that only repeats the prompt makes no chat model.
    """
    capabilities = {str(c) for c in shown.get("capabilities") or ()}
    template = str(shown.get("template") or "")
    takes_messages = any(word in template for word in (".Messages", ".System", "[INST]"))
    if "completion" in capabilities and (takes_messages or {"tools", "thinking"} & capabilities):
        capabilities.add("chat")
    return frozenset(capabilities)


def template_fim(template: str) -> tuple[FimTokens, FimOrder] | None:
    """Returns the tokens around ``.Prompt`` and ``.Suffix`` in a template that has both, and which
    comes first; None where no text marks them.
    """
    match = _PSM.search(template)
    if match:
        tokens = FimTokens(match["first"].lstrip("\n"), match["second"], match["middle"])
        return (tokens, "psm") if tokens.prefix and tokens.suffix else None
    match = _SPM.search(template)
    if match:
        tokens = FimTokens(match["second"], match["first"].lstrip("\n"), match["middle"])
        return (tokens, "spm") if tokens.prefix and tokens.suffix else None
    return None


def placement(entry: Json) -> str:
    """Returns where a loaded model of ``/api/ps`` runs: "CPU", "GPU" or "GPU 60 %"."""
    size, on_gpu = int(entry.get("size") or 0), int(entry.get("size_vram") or 0)
    if on_gpu <= 0:
        return "CPU"
    return "GPU" if on_gpu >= size else f"GPU {round(100 * on_gpu / size)} %"
