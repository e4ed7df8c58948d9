"""Where things live, and that sockets always fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant import paths


def test_one_variable_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    found = [paths.data_dir(), paths.cache_dir(), paths.daemon_lock_path()]
    assert all(path.is_relative_to(tmp_path) for path in found)


def test_the_options_stay_where_they_are_unless_that_home_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert paths.config_dir() == tmp_path / "xdg" / "assistant"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").touch()
    assert paths.config_dir() == tmp_path / "config"


def test_without_it_xdg_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSISTANT_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert paths.data_dir() == tmp_path / "d" / "assistant"
    assert paths.socket_path() == Path("/run/user/1/assistant/daemon.sock")


@pytest.mark.parametrize("variable", ["ASSISTANT_HOME", "XDG_RUNTIME_DIR"])
def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_one(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSISTANT_HOME", raising=False)
    monkeypatch.setenv(variable, "/x" * 80)
    found = paths.socket_path()
    assert len(os.fsencode(found)) < 104
    assert found == paths.socket_path(), "not stable"


def test_two_homes_never_share_a_fallback_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", "/a" * 80)
    first = paths.runtime_dir()
    monkeypatch.setenv("ASSISTANT_HOME", "/b" * 80)
    assert paths.runtime_dir() != first


def test_workspaces_of_the_same_name_do_not_meet(tmp_path: Path) -> None:
    one, two = tmp_path / "1" / "project", tmp_path / "2" / "project"
    one.mkdir(parents=True)
    two.mkdir(parents=True)
    assert paths.workspace_dir(one) != paths.workspace_dir(two)
    assert paths.workspace_dir(one).name.startswith("project-")
