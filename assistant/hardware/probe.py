"""Asks the machine what it has. Never imports torch; ASSISTANT_HARDWARE replaces it all."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from pydantic import ValidationError

from assistant.errors import RequestFailed
from assistant.hardware.facts import Gpu, Hardware

log = logging.getLogger(__name__)

_CGROUP = Path("/sys/fs/cgroup")
_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def probe(gpus: Callable[[], tuple[Gpu, ...]] | None = None, cgroup: Path = _CGROUP) -> Hardware:
    """Returns the hardware of this machine, or that of the file that ASSISTANT_HARDWARE names.

    Raises RequestFailed where that file can't be used.
    """
    replacement = os.environ.get("ASSISTANT_HARDWARE")
    if replacement:
        return _read(Path(replacement))
    memory = psutil.virtual_memory()
    total = _memory_limit(cgroup) or memory.total
    return Hardware(
        system=platform.system(),
        machine=platform.machine(),
        cores=_cores(cgroup),
        memory_bytes=min(total, memory.total),
        available_bytes=min(total, memory.available),
        cpu_flags=_cpu_flags(),
        gpus=(gpus or nvidia_gpus)(),
        is_wsl="microsoft" in platform.release().lower(),
    )


def _read(path: Path) -> Hardware:
    try:
        return Hardware.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise RequestFailed(f"ASSISTANT_HARDWARE={path} can't be used: {reason}") from error


def nvidia_gpus() -> tuple[Gpu, ...]:
    """Returns the NVIDIA GPUs as their driver tells of them, none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        log.debug("no NVIDIA driver: %s", error)
        return ()
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        return tuple(_gpu(index, driver) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        log.warning("the NVIDIA driver does not answer: %s", error)
        return ()
    finally:
        pynvml.nvmlShutdown()


def _gpu(index: int, driver: str) -> Gpu:
    import pynvml as nvml

    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        name=str(nvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(memory.total),
        free_bytes=int(memory.free),
        driver=driver,
        compute_capability=f"{major}.{minor}",
    )


def _cores(cgroup: Path) -> int:
    """Returns the cores that this process may use: its affinity, and the quota of its container."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = psutil.cpu_count(logical=True) or 1
    quota = _first_line(cgroup / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]) > 0:
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def _memory_limit(cgroup: Path) -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        value = _first_line(cgroup / name)
        if value.isdigit():
            return int(value)
    return None


def _cpu_flags() -> tuple[str, ...]:
    if sys.platform == "linux":
        for line in _lines(Path("/proc/cpuinfo")):
            if line.startswith("flags"):
                present = set(line.split())
                return tuple(flag for flag in _CPU_FLAGS if flag in present)
    return ("neon",) if platform.machine() in ("arm64", "aarch64") else ()


def _first_line(path: Path) -> str:
    return next(iter(_lines(path)), "")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
