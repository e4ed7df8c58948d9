"""The whole way: keys, host, a real daemon that the editor starts itself, the bundled model."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.editor import Editor, MakeEditor
from tests.support.neovim import eventually

pytestmark = pytest.mark.timeout(120)

# A program that stops where the rest is plain: the bundled model is seldom sure of itself.
BEFORE = "try:\n    import json\n"


def lock_of(home: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home / "data" / "daemon.lock").read_text())
    except (OSError, ValueError):
        return {}
    return found


@pytest.fixture
def real(make_editor: MakeEditor, editor_home: Path) -> Iterator[Editor]:
    """An editor that finds no daemon; what it starts ends with the test."""
    yield make_editor(ASSISTANT_ENGINE="llamacpp", ASSISTANT_INDEX__AUTO="false")
    pid = lock_of(editor_home).get("pid")
    if pid and psutil.pid_exists(pid):
        daemon = psutil.Process(pid)
        daemon.terminate()
        gone, alive = psutil.wait_procs([daemon], timeout=20)
        assert gone and not alive, "a daemon that was told to end is there, or a zombie"


def wait_suggestion(editor: Editor, ends_with: str) -> None:
    """Waits for ghost text right behind what is typed, on the screen."""
    editor.wait(lambda: editor.suggestion, "a suggestion", timeout=60)
    editor.wait_shown(ends_with + (editor.suggestion or "").split("\n")[0])


def test_the_bundled_model_completes_and_a_killed_daemon_comes_back(
    real: Editor, editor_home: Path
) -> None:
    real.edit("first.py", BEFORE)
    real.input("Go<C-u>except Import")
    wait_suggestion(real, "except Import")
    assert real.lines[-1] == "except Import"
    suggestion = real.suggestion
    assert suggestion
    real.input("<Tab>")
    real.wait(lambda: real.suggestion is None, "it is accepted")
    assert "\n".join(real.lines).endswith("except Import" + suggestion)

    daemon = lock_of(editor_home)["pid"]
    os.kill(daemon, signal.SIGKILL)
    assert eventually(lambda: lock_of(editor_home).get("pid", daemon) != daemon, 60)
    real.wait(lambda: real.state() == "ready", "connected again", timeout=60)
    real.input("<Esc>")
    real.edit("second.py", BEFORE.replace("json", "tomllib"))
    real.input("Go<C-u>except Import")
    wait_suggestion(real, "except Import")
    assert "Error" not in real.messages()
