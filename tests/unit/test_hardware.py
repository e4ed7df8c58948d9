"""The probe on this machine and on made-up ones, and the tiers that follow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from assistant import settings
from assistant.errors import RequestFailed
from assistant.hardware.facts import Gpu, Hardware
from assistant.hardware.probe import nvidia_gpus, probe
from assistant.hardware.tiers import TIERS, tier_for

GB = 10**9


def machine(
    *, cores: int = 8, memory: float = 16, gpus: tuple[float, ...] = (), apple: bool = False
) -> Hardware:
    return Hardware(
        system="Darwin" if apple else "Linux",
        machine="arm64" if apple else "x86_64",
        cores=cores,
        memory_bytes=int(memory * GB),
        available_bytes=int(memory * GB),
        gpus=tuple(
            Gpu(name="GPU", memory_bytes=int(size * GB), free_bytes=int(size * GB)) for size in gpus
        ),
    )


@pytest.mark.parametrize(
    ("hardware", "tier"),
    [
        (machine(cores=4, memory=8), "minimum"),
        (machine(cores=2, memory=25), "minimum"),
        (machine(cores=8, memory=16.5), "cpu"),
        (machine(cores=16, memory=128), "cpu"),
        (machine(gpus=(4.2,)), "gpu4"),
        (machine(gpus=(6.4,)), "gpu4"),
        (machine(gpus=(8.5,)), "recommended"),
        (machine(gpus=(12.8,)), "gpu12"),
        (machine(gpus=(17.1,)), "optimal"),
        (machine(gpus=(25.7,)), "gpu24"),
        (machine(gpus=(2.1,)), "cpu"),
        (machine(gpus=(2.1, 25.7)), "gpu24"),
        (machine(memory=17, apple=True), "apple"),
        (machine(memory=8.5, apple=True), "minimum"),
    ],
)
def test_each_machine_has_its_tier(hardware: Hardware, tier: str) -> None:
    assert tier_for(hardware).name == tier


def test_every_tier_that_can_be_set_exists_and_grows() -> None:
    assert set(TIERS) | {"auto"} == set(get_args(settings.Tier))
    for tier in TIERS.values():
        assert tier.answer_tokens + tier.context_tokens < tier.num_ctx
        assert tier.completion.size_bytes <= tier.chat.size_bytes


def test_the_probe_tells_of_this_machine_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from assistant.hardware.probe import probe; found = probe();"
        "assert not {'torch', 'numpy'} & set(sys.modules); print(found.model_dump_json())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = Hardware.model_validate_json(done.stdout)
    assert found.cores >= 1 and found.memory_bytes > GB / 2
    assert 0 < found.available_bytes <= found.memory_bytes


def test_without_a_driver_there_are_no_gpus_and_no_error() -> None:
    assert isinstance(nvidia_gpus(), tuple)


def test_the_limits_of_a_container_count(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{GB}\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    found = probe(gpus=tuple, cgroup=tmp_path)
    assert (found.cores, found.memory_bytes) == (1, GB)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert probe(gpus=tuple, cgroup=tmp_path).memory_bytes > GB


def test_a_file_replaces_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hardware.json"
    path.write_text(machine(gpus=(25.7,)).model_dump_json())
    monkeypatch.setenv("ASSISTANT_HARDWARE", str(path))
    assert tier_for(probe()).name == "gpu24"
    path.write_text(json.dumps({"cores": "many"}))
    with pytest.raises(RequestFailed, match="ASSISTANT_HARDWARE"):
        probe()
