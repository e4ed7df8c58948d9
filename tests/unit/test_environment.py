"""Setting up: nothing twice, no question asked, and one command to type where it can't be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import environment


class Machine:
    """Stands for a machine: which programs it has, who one is, and what was run on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *programs: str, uid: int = 0) -> None:
        self.programs = set(programs)
        self.ran: list[str] = []
        self.has_sudo = False
        monkeypatch.setattr(environment.shutil, "which", self.which)
        monkeypatch.setattr(environment.subprocess, "call", self.call)
        monkeypatch.setattr(environment.os, "getuid", lambda: uid)

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def call(self, argv: list[str], **options: object) -> int:
        if argv[:2] == ["sudo", "-n"] and not self.has_sudo:
            return 1
        self.ran.append(" ".join(argv))
        if argv[-1] == "neovim":
            self.programs.add("nvim")
        return 0


def test_neovim_that_is_there_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, "nvim", "apt-get")

    environment.set_up_neovim()

    assert machine.ran == []


@pytest.mark.parametrize("manager", environment.NEOVIM_INSTALL)
def test_root_gets_neovim_from_the_package_manager(
    monkeypatch: pytest.MonkeyPatch, manager: str
) -> None:
    machine = Machine(monkeypatch, manager)

    environment.set_up_neovim()

    assert machine.ran[-1] == environment.NEOVIM_INSTALL[manager]


def test_package_lists_are_read_first_with_the_same_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, "apt-get", uid=1000)
    machine.has_sudo = True

    environment.set_up_neovim()

    assert machine.ran == [
        "sudo -n true",
        "sudo -n apt-get update -q=2",
        "sudo -n apt-get install -y neovim",
    ]


def test_without_rights_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, "apt-get", uid=1000)

    with pytest.raises(environment.SetupError, match="sudo apt-get install -y neovim"):
        environment.set_up_neovim()


def test_without_a_package_manager_the_site_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch)

    with pytest.raises(environment.SetupError, match=r"neovim\.io"):
        environment.set_up_neovim()


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "uv.lock", "tools/environment.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one", "utf-8")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(environment, "REPO", tmp_path)
    monkeypatch.setattr(environment, "STAMP", tmp_path / ".venv" / ".set-up")
    return tmp_path


def test_the_environment_is_built_again_only_when_the_lock_changes(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    built: list[str] = []
    monkeypatch.setattr(environment, "_find_uv", lambda: "uv")
    monkeypatch.setattr(environment, "_install_with_uv", built.append)

    environment.set_up_python()
    environment.set_up_python()
    assert built == ["uv"]

    (checkout / "uv.lock").write_text("two", "utf-8")
    environment.set_up_python()
    assert built == ["uv", "uv"]


def test_a_build_that_fails_is_not_taken_for_done(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    def fail(uv: str) -> None:
        raise environment.SetupError("no network")

    monkeypatch.setattr(environment, "_find_uv", lambda: "uv")
    monkeypatch.setattr(environment, "_install_with_uv", fail)

    assert environment.main(["python"]) == 1
    assert not (checkout / ".venv/.set-up").exists()


def test_cuda_is_left_out_of_the_constraints(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = "cuda-bindings==1\nnumpy==2\nnvidia-cublas==1\nnvidia-ml-py==13\ntorch==2\ntriton==3\n"

    class Done:
        returncode = 0
        stdout = lock

    monkeypatch.setattr(environment.subprocess, "run", lambda *a, **k: Done())

    assert environment._export("uv") == "numpy==2\nnvidia-ml-py==13\ntorch==2\n"
