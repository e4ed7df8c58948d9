"""What is known of a machine. Pure: ``probe`` fills it, ``tiers`` reads it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Gpu(BaseModel):
    """Is one NVIDIA GPU; memory in bytes."""

    model_config = ConfigDict(frozen=True)

    name: str
    memory_bytes: int
    free_bytes: int
    driver: str = ""
    compute_capability: str = ""


class Hardware(BaseModel):
    """Is what models have to run on. Memory in bytes; in a container, what the container may use."""

    model_config = ConfigDict(frozen=True)

    system: str
    machine: str
    cores: int
    memory_bytes: int
    available_bytes: int
    cpu_flags: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    is_wsl: bool = False

    @property
    def is_apple_silicon(self) -> bool:
        return self.system == "Darwin" and self.machine == "arm64"
