"""The doctor's checks: what each sees, and the one thing it says to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from assistant import doctor, protocol
from assistant.engine.base import ModelInfo

PULL = {"completion": "small:base", "chat": "small"}


def status(
    *,
    engine: str = "ollama",
    reachable: bool = True,
    detail: str = "",
    roles: dict[str, str | None] | None = None,
) -> protocol.StatusResult:
    return protocol.StatusResult(
        version="1",
        pid=1,
        uptime_seconds=1,
        clients=1,
        socket="/s",
        engine=protocol.EngineReport(
            name=engine, reachable=reachable, version="0.24.0", models=["a"], detail=detail
        ),
        roles=roles or {"completion": None, "chat": None},
        hardware_tier="cpu",
        latency_ms=protocol.Latency(),
        index=[],
    )


def test_this_python_has_every_package() -> None:
    check = doctor.check_python()
    assert check.ok, check.detail
    assert sys.prefix in check.detail


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "REQUIRED", ("json", "no_such_package"))
    check = doctor.check_python()
    assert not check.ok and "no_such_package" in check.detail and ":AIInstall" in check.hint
    assert "json" not in check.detail


def test_directories_are_made_and_their_absence_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    assert doctor.check_directories().ok
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "file"))
    check = doctor.check_directories()
    assert not check.ok and "ASSISTANT_HOME" in check.hint


def test_the_bundled_embedder_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    check = doctor.check_embedder("auto", None)
    assert check.ok, check.detail
    assert check.detail.startswith("minilm@")


def test_an_embedder_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    check = doctor.check_embedder("ollama:nothing", "127.0.0.1:1")
    assert not check.ok and "'ollama:nothing' does not load" in check.detail
    assert "index.embedder = 'auto'" in check.hint


def test_a_project_never_runs_its_own_python_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = f"open({str(tmp_path / 'trapped')!r}, 'w').close()\n"
    project = tmp_path / "project"
    for name in ("numpy.py", "assistant/__init__.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(trap)
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(project)
    check = doctor.check_embedder("auto", None)
    assert not (tmp_path / "trapped").exists()
    assert check.ok, check.detail


def test_each_engine_has_its_own_way_out() -> None:
    assert doctor.check_engine(status()).ok
    check = doctor.check_engine(status(reachable=False))
    assert not check.ok and check.hint == "Run 'ollama serve'."
    check = doctor.check_engine(status(engine="llamacpp", reachable=False, detail="no such file"))
    assert check.detail == "no such file"
    assert "llamacpp.model_path" in check.hint and "ollama serve" not in check.hint


def test_a_role_without_a_model_names_the_one_to_fetch() -> None:
    completion, chat = doctor.check_roles(status(roles={"completion": "a", "chat": None}), PULL)
    assert completion.ok and completion.detail == "a" and not completion.hint
    assert not chat.ok and chat.hint == "Run 'ollama pull small'."


def test_a_model_that_can_not_fill_in_is_said() -> None:
    check = doctor.check_fim(ModelInfo("qwen2.5-coder:1.5b-base", family="qwen2"))
    assert check.ok and "qwen" in check.detail
    check = doctor.check_fim(ModelInfo("phi3:mini", family="phi3"))
    assert not check.ok and "phi3:mini" in check.detail and "ollama pull" in check.hint


def test_a_project_without_index_is_told_how_to_get_one() -> None:
    made = protocol.IndexStatus(root="/p/a", state="ready", files=3, chunks=9, vectors=9)
    none = protocol.IndexStatus(root="/p/b", state="none")
    well, ill = doctor.check_index([made, none])
    assert well.ok and "3 files" in well.detail and "9 of 9" in well.detail
    assert not ill.ok and ill.hint == "Run 'assistant index /p/b'."
    assert ill.to_json() == {"name": ill.name, "ok": False, "detail": ill.detail, "hint": ill.hint}
