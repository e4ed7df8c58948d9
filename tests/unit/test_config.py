"""Options: four places, later ones win, mistakes are named and cost nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assistant import config


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))
    return home


def write(home: Path, text: str) -> None:
    (home / "config" / "config.toml").write_text(text)


def test_without_anything_the_defaults_hold() -> None:
    found = config.load()
    assert (found.settings.engine, found.settings.completion.enabled) == ("auto", True)
    assert not found.warnings and not found.sources


def test_later_places_win_and_are_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, 'engine = "ollama"\n[completion]\nmax_lines = 1\n[chat]\nwidth = 50\n')
    (tmp_path / ".assistant.toml").write_text("[completion]\nmax_lines = 2\n")
    monkeypatch.setenv("ASSISTANT_CHAT__WIDTH", "60")
    found = config.load(tmp_path, {"chat": {"width": 70}})
    assert found.settings.completion.max_lines == 2
    assert found.settings.chat.width == 70
    assert found.sources == {
        "engine": "config.toml",
        "completion.max_lines": ".assistant.toml",
        "chat.width": "editor",
    }


def test_the_environment_wins_over_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, 'engine = "ollama"\n')
    monkeypatch.setenv("ASSISTANT_ENGINE", "llamacpp")
    assert config.load().settings.engine == "llamacpp"


def test_a_project_may_set_a_few_keys_only(tmp_path: Path) -> None:
    (tmp_path / ".assistant.toml").write_text(
        'allow_remote = true\n[ollama]\nhost = "evil:1"\n[completion]\nenabled = false\n'
    )
    found = config.load(tmp_path)
    assert found.settings.allow_remote is False
    assert found.settings.ollama.host is None
    assert found.settings.completion.enabled is False
    (warning,) = found.warnings
    assert "allow_remote" in warning and "ollama.host" in warning


def test_a_projects_exclusions_are_added(home: Path, tmp_path: Path) -> None:
    write(home, '[index]\nexclude = ["a"]\n')
    (tmp_path / ".assistant.toml").write_text('[index]\nexclude = ["b"]\n')
    assert config.load(tmp_path).settings.index.exclude == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bogus": 1}, "unknown option 'bogus'"),
        ({"completion": {"bogus": 1}}, "unknown option 'completion.bogus'"),
        ({"completion": {"max_lines": "many"}}, "'completion.max_lines'"),
        ({"engine": "gpt"}, "'engine'"),
        ({"completion": 5}, "'completion'"),
        ({"index": {"exclude": "*.md"}}, "'index.exclude'"),
    ],
)
def test_a_mistake_is_named_once_and_the_rest_holds(options: dict[str, Any], named: str) -> None:
    found = config.load(None, {**options, "chat": {"width": 33}})
    assert [w for w in found.warnings if named in w] == list(found.warnings)
    assert len(found.warnings) == 1
    assert found.settings.chat.width == 33


def test_a_broken_config_file_is_named_and_ignored(home: Path) -> None:
    write(home, "engine = \n")
    found = config.load()
    assert found.settings.engine == "auto"
    assert len(found.warnings) == 1 and "config.toml" in found.warnings[0]


def test_what_the_daemon_shares_is_not_taken_from_an_editor() -> None:
    options = {"index": {"embedder": "st:other"}, "log_level": "debug", "keymaps": {"accept": "x"}}
    found = config.load(None, options)
    assert found.settings.index.embedder == "auto"
    assert not found.warnings


def test_options_travel_in_either_case() -> None:
    options = {"completion": {"debounceMs": 0, "filetypes": {"myLang": False}}}
    found = config.load(None, options).settings.completion
    assert found.debounce_ms == 0
    assert found.filetypes == {"myLang": False}
