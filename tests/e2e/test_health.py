"""What :checkhealth says of a Python that can't serve; the rest of it is in test_index_ui.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.support.editor import MakeEditor

pytestmark = pytest.mark.timeout(60)


def probed(home: Path, answer: str) -> str:
    """Returns a Python that answers the probe of its packages like this and else is the real one."""
    script = home / "python"
    script.write_text(
        f'#!/bin/sh\ncase "$2" in *find_spec*) {answer};; *) exec {sys.executable} "$@";; esac\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo 3.11.2; echo typer chromadb", "lacks packages: typer, chromadb."),
        ("echo 3.9.1; echo; exit 3", "Python 3.9.1 is older than 3.10"),
        ("exit 1", "does not run."),
    ],
)
def test_a_python_that_can_not_serve_is_named_with_what_to_do(
    make_editor: MakeEditor, fake_daemon: FakeDaemon, editor_home: Path, answer: str, said: str
) -> None:
    fake_daemon.answers["assistant/status"] = lambda call: call.error(-32803, "It is busy.")
    editor = make_editor({"python": probed(editor_home, answer)})
    editor.command("checkhealth assistant")
    text = " ".join(" ".join(editor.lines).split())

    assert said in text
    assert "Remove the option 'python', then run :AIInstall." in text
