"""``:AIInstall`` with programs of its own in PATH: they do what uv and Python do, at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.e2e.test_chat import EVENTS
from tests.support.editor import Editor, MakeEditor

pytestmark = pytest.mark.timeout(40)

# Makes an environment whose Python is this one. GATE holds it back; FAIL names a step that fails.
UV = """#!/bin/sh
echo "uv $*" >> "$HOME/calls"
case "$*" in
  *"$FAIL"*) echo "error: no route to host" >&2; exit 2;;
esac
if [ "$1" = venv ]; then
  for last; do :; done
  mkdir -p "$last/bin"
  printf '#!/bin/sh\\nexec %s "$@"\\n' "$REAL_PYTHON" > "$last/bin/python"
  chmod +x "$last/bin/python"
else
  while [ -n "$GATE" ] && [ ! -e "$GATE" ]; do sleep 0.05; done
fi
"""
# Is a Python that has no ensurepip, as Debian's has not, or makes an environment.
PYTHON = """#!/bin/sh
echo "python3 $*" >> "$HOME/calls"
case "$*" in
  *ensurepip*)
    [ "$FAIL" = old ] && exit 3
    [ "$FAIL" = venv ] && { echo "ModuleNotFoundError: No module named 'ensurepip'" >&2; exit 1; }
    exit 0;;
  "-m venv "*)
    mkdir -p "$3/bin"
    ln -s "$0" "$3/bin/python";;
  "-m pip install uv") exit 1;;
esac
exit 0
"""


class Installer:
    def __init__(self, make_editor: MakeEditor, home: Path) -> None:
        self.make_editor, self.home = make_editor, home
        self.bin = home / "bin"
        self.bin.mkdir()
        for tool in ("sh", "mkdir", "ln", "sleep", "rm", "chmod", "env", "uname", "cat"):
            found = next(p for d in ("/bin", "/usr/bin") if (p := Path(d, tool)).exists())
            (self.bin / tool).symlink_to(found)

    def provide(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script)
        path.chmod(0o755)

    def start(self, fail: str = "nothing", gate: str = "") -> Editor:
        editor = self.make_editor(
            FAIL=fail, GATE=gate, REAL_PYTHON=sys.executable, PYTHONPATH=os.getcwd()
        )
        editor.command(f"let $PATH = '{self.bin}'")
        editor.lua(EVENTS)
        return editor

    @property
    def base(self) -> Path:
        (base,) = (self.home / "data").glob("*/assistant")
        return base

    @property
    def calls(self) -> list[str]:
        path = self.home / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def environments(self) -> list[str]:
        return sorted(path.name for path in self.base.glob("venv-*"))


@pytest.fixture
def installer(make_editor: MakeEditor, editor_home: Path) -> Installer:
    return Installer(make_editor, editor_home)


def found(editor: Editor) -> str:
    return str(editor.lua("return vim.loop.fs_readlink(require('assistant.python').venv_dir())"))


def test_uv_builds_it_and_a_second_run_replaces_it(installer: Installer) -> None:
    installer.provide("uv", UV)
    editor = installer.start()
    for number in (1, 2):
        editor.command("AIInstall")
        editor.wait_shown("environment is ready")
        editor.wait(lambda n=number: found(editor) == f"venv-{n}", "the link")
        editor.wait(
            lambda n=number: installer.environments() == [f"venv-{n}"], "the old one is removed"
        )
        editor.command("redraw! | echo ''")
        editor.wait_gone("environment is ready")
    assert (installer.base / "venv" / ".assistant-ready").read_text()
    assert "--torch-backend=auto" in installer.calls[1]
    assert not (installer.base / "install.lock").exists()


def test_without_its_index_the_configured_one_serves(installer: Installer) -> None:
    installer.provide("uv", UV)
    editor = installer.start(fail="--torch-backend")
    editor.command("AIInstall")
    editor.wait_shown("environment is ready")
    assert "--torch-backend" not in installer.calls[-1]


def test_what_fails_leaves_the_old_one_in_use(installer: Installer) -> None:
    installer.provide("uv", UV)
    editor = installer.start()
    editor.command("AIInstall")
    editor.wait_shown("environment is ready")
    editor.command("let $FAIL = 'pip install'")
    editor.command("AIInstall")
    editor.wait_shown("no route to host. See :AILog")
    assert found(editor) == "venv-1"
    editor.wait(lambda: installer.environments() == ["venv-1"], "the half-built one is removed")
    assert not (installer.base / "install.lock").exists()


def test_while_one_runs_nothing_is_in_use_and_no_second_starts(
    installer: Installer, tmp_path: Path
) -> None:
    installer.provide("uv", UV)
    gate = tmp_path / "gate"
    first = installer.start(gate=str(gate))
    second = installer.start()
    first.command("AIInstall")
    first.wait_shown("installing packages")
    assert not (installer.base / "venv").exists()
    first.command("AIInstall")
    first.wait_shown("running already")
    second.command("AIInstall")
    second.wait_shown("another editor is installing")
    gate.touch()
    first.wait_shown("environment is ready")
    assert len([call for call in installer.calls if call.startswith("uv venv")]) == 1


def test_the_lock_of_an_editor_that_is_gone_is_taken_over(installer: Installer) -> None:
    installer.provide("uv", UV)
    editor = installer.start()
    editor.command("call mkdir(stdpath('data') . '/assistant', 'p')")
    (installer.base / "install.lock").write_text("999999999")
    (installer.base / "venv-7" / "bin").mkdir(parents=True)
    editor.command("AIInstall")
    editor.wait_shown("environment is ready")
    assert found(editor) == "venv-8"


def test_without_uv_python_makes_it(installer: Installer) -> None:
    installer.provide("python3", PYTHON)
    editor = installer.start()
    editor.command("AIInstall")
    editor.wait_shown("environment is ready")
    assert installer.calls[-2].startswith("python3 -m pip install /")


@pytest.mark.parametrize(("fail", "hint"), [("venv", "venv"), ("old", "too old: install 3.10+")])
def test_a_python_that_can_not_is_named_with_the_cure(
    installer: Installer, fail: str, hint: str
) -> None:
    installer.provide("python3", PYTHON)
    editor = installer.start(fail=fail)
    editor.command("AIInstall")
    editor.wait_shown(hint)
    assert not (installer.base / "venv").exists()


def test_without_any_python_it_says_so(installer: Installer) -> None:
    editor = installer.start()
    editor.command("AIInstall")
    editor.wait_shown("no python3: install Python 3.10+ or uv")
