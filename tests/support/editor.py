"""A real Neovim with the plugin, its own home, and a screen: type keys, read what a person sees."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pynvim
import pytest

from tests.fakes.daemon import FakeDaemon
from tests.support.neovim import (
    NeovimBuild,
    eventually,
    neovim_params,
    running_neovim,
    screen,
)

REPO = Path(__file__).resolve().parents[2]
COLUMNS, LINES = 80, 24
TIMEOUT_S = 20.0

DEFAULTS: dict[str, Any] = {"python": sys.executable, "completion": {"debounce_ms": 0}}


def environment(home: Path, **more: str) -> dict[str, str]:
    """Returns an environment in which nothing of the person's own is found."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASSISTANT_", "NVIM", "XDG_"))}
    kept.pop("PYTHONPATH", None)
    return {
        **kept,
        "HOME": str(home),
        "ASSISTANT_HOME": str(home),
        # One that an editor started while it was closing would else wait for half an hour.
        "ASSISTANT_IDLE_MINUTES": "1",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "LANG": "C.UTF-8",
        **more,
    }


class Editor:
    """Drives one Neovim. Buffer, screen and messages are read from it, never assumed."""

    def __init__(self, nvim: pynvim.Nvim, home: Path) -> None:
        self.nvim = nvim
        self.home = home
        nvim.ui_attach(COLUMNS, LINES, rgb=True)

    def input(self, keys: str) -> None:
        """Types keys as a person does; returns when Neovim has taken them, not when it is done."""
        self.nvim.input(keys)

    def lua(self, code: str, *args: Any) -> Any:
        return self.nvim.exec_lua(code, *args)

    def command(self, command: str) -> None:
        self.nvim.command(command)

    def screen(self) -> list[str]:
        return screen(self.nvim)

    @property
    def lines(self) -> list[str]:
        return list(self.nvim.api.buf_get_lines(0, 0, -1, False))

    @property
    def cursor(self) -> tuple[int, int]:
        """1-based line, 0-based byte column, as Neovim counts."""
        row, column = self.nvim.api.win_get_cursor(0)
        return row, column

    @property
    def mode(self) -> str:
        return str(self.nvim.api.get_mode()["mode"])

    @property
    def suggestion(self) -> str | None:
        found: str | None = self.lua("return require('assistant').suggestion()")
        return found

    def messages(self) -> str:
        return str(
            self.nvim.api.exec2("messages", {"output": True})["output"]
            if self.nvim.funcs.exists("*nvim_exec2")
            else self.nvim.api.exec("messages", True)
        )

    def state(self) -> str:
        return str(self.lua("return require('assistant.daemon').state().state"))

    def wait(self, predicate: Callable[[], object], what: str, timeout: float = TIMEOUT_S) -> Any:
        """Returns the first true value; fails the test, showing the screen, when time is up."""
        value = eventually(predicate, timeout)
        if not value:
            shown = "\n".join(self.screen())
            pytest.fail(f"never happened: {what}\nscreen:\n{shown}\n{self.messages()}")
        return value

    def wait_shown(self, text: str) -> None:
        """Waits until the screen shows ``text``."""
        self.wait(lambda: any(text in line for line in self.screen()), f"{text!r} on the screen")

    def wait_gone(self, text: str) -> None:
        self.wait(lambda: all(text not in line for line in self.screen()), f"{text!r} is gone")

    def edit(self, name: str, text: str = "") -> Path:
        """Opens a file below the home with this text."""
        path = self.home / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.command(f"edit {path}")
        return path


MakeEditor = Callable[..., Editor]


@pytest.fixture
def editor_home() -> Iterator[Path]:
    """A home of its own; a daemon that still runs there ends with the test."""
    path = Path(tempfile.mkdtemp(prefix="ed-", dir="/tmp"))
    yield path
    with suppress(OSError, ValueError, psutil.Error):
        pid = json.loads((path / "data" / "daemon.lock").read_text())["pid"]
        if pid != os.getpid():
            daemon = psutil.Process(pid)
            daemon.terminate()
            daemon.wait(20)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(params=neovim_params())
def neovim_build(request: pytest.FixtureRequest) -> NeovimBuild:
    build: NeovimBuild = request.param
    return build


@pytest.fixture
def make_editor(neovim_build: NeovimBuild, editor_home: Path) -> Iterator[MakeEditor]:
    """Starts editors on one release with options of their own; they end with the test."""
    with ExitStack() as stack:

        def make(options: dict[str, Any] | None = None, *arguments: str, **env: str) -> Editor:
            merged = {**DEFAULTS, **(options or {})}
            nvim = stack.enter_context(
                running_neovim(
                    neovim_build,
                    "--clean",
                    "--cmd",
                    f"set rtp^={REPO} shortmess+=I",
                    *arguments,
                    env=environment(editor_home, **env),
                )
            )
            nvim.vars["assistant"] = merged
            return Editor(nvim, editor_home)

        yield make


@pytest.fixture
def fake_daemon(editor_home: Path) -> Iterator[FakeDaemon]:
    """A scripted daemon that the editor of the same test finds."""
    daemon = FakeDaemon(editor_home).start()
    yield daemon
    # In good order, or an editor that lives a moment longer would start a real one.
    daemon.lock_path.write_text("")
    daemon.stop()


@pytest.fixture
def editor(make_editor: MakeEditor, fake_daemon: FakeDaemon) -> Editor:
    """An editor beside the scripted daemon, in every release of Neovim; debounce 0."""
    return make_editor()
