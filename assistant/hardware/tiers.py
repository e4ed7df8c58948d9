"""Hardware tiers: which models fit a machine and how they are run. A pure table and a look-up.

The tiers minimum, recommended and optimal are those of the guide that this project implements
(4 cores and 8 GB; 8 cores, 16 GB and a GPU of 8 GB; 12 cores, 32 GB and a GPU of 16 GB); the ones
between are for the machines between.
"""

from __future__ import annotations

from dataclasses import dataclass

from assistant.hardware.facts import Hardware

_GB = 10**9


@dataclass(frozen=True)
class ModelChoice:
    """Names a model by its Ollama tag, with the size of its download in bytes."""

    name: str
    size_bytes: int


@dataclass(frozen=True)
class Tier:
    """Says what a machine of this size runs. ``num_ctx`` is in tokens, ``keep_alive`` Ollama's."""

    name: str
    completion: ModelChoice
    chat: ModelChoice
    num_ctx: int
    answer_tokens: int
    context_tokens: int
    keep_alive: str = "30m"


_QWEN_HALF = ModelChoice("qwen2.5-coder:0.5b-base", 531_000_000)
_QWEN_1B_BASE = ModelChoice("qwen2.5-coder:1.5b-base", 986_000_000)
_QWEN_1B = ModelChoice("qwen2.5-coder:1.5b", 986_000_000)
_QWEN_3B_BASE = ModelChoice("qwen2.5-coder:3b-base", 1_900_000_000)
_QWEN_3B = ModelChoice("qwen2.5-coder:3b", 1_900_000_000)
_QWEN_7B_BASE = ModelChoice("qwen2.5-coder:7b-base", 4_700_000_000)
_QWEN_7B = ModelChoice("qwen2.5-coder:7b", 4_700_000_000)
_QWEN_14B = ModelChoice("qwen2.5-coder:14b", 9_000_000_000)

TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier("minimum", _QWEN_HALF, _QWEN_1B, 4096, 768, 768),
        Tier("cpu", _QWEN_1B_BASE, _QWEN_3B, 4096, 1024, 1024),
        Tier("gpu4", _QWEN_1B_BASE, _QWEN_3B, 4096, 1024, 1536),
        Tier("recommended", _QWEN_1B_BASE, _QWEN_7B, 8192, 1536, 2048),
        Tier("gpu12", _QWEN_3B_BASE, _QWEN_7B, 8192, 2048, 2048),
        Tier("optimal", _QWEN_3B_BASE, _QWEN_14B, 16384, 2048, 3072),
        Tier("gpu24", _QWEN_7B_BASE, _QWEN_14B, 16384, 3072, 4096),
        Tier("apple", _QWEN_1B_BASE, _QWEN_7B, 8192, 2048, 2048),
    )
}

_GPU_TIERS = ((23, "gpu24"), (15, "optimal"), (11, "gpu12"), (7, "recommended"), (3.5, "gpu4"))
"""Least memory of the largest GPU, in GB: what drivers report is a little under the nominal size."""

_CPU_MEMORY_BYTES = 15 * _GB
_CPU_CORES = 4
_APPLE_MEMORY_BYTES = 15 * _GB


def tier_for(hardware: Hardware) -> Tier:
    """Returns the tier of a machine: by its largest GPU, else by its memory and cores."""
    largest = max((gpu.memory_bytes for gpu in hardware.gpus), default=0)
    for least, name in _GPU_TIERS:
        if largest >= least * _GB:
            return TIERS[name]
    if hardware.is_apple_silicon and hardware.memory_bytes >= _APPLE_MEMORY_BYTES:
        return TIERS["apple"]
    if hardware.memory_bytes >= _CPU_MEMORY_BYTES and hardware.cores >= _CPU_CORES:
        return TIERS["cpu"]
    return TIERS["minimum"]


def tier_named(name: str) -> Tier:
    return TIERS[name]
