"""Ghost text as a person sees it: keys go in, the screen is read, the daemon is scripted."""

from __future__ import annotations

from tests.fakes.daemon import FakeDaemon
from tests.support.editor import Editor

ALL_GHOSTS = """
local ns = vim.api.nvim_get_namespaces()['assistant.ghost']
return ns and #vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, {}) or 0
"""


def ghosts(editor: Editor) -> int:
    return int(editor.lua(ALL_GHOSTS))


def test_ghost_text_is_on_the_screen_and_not_in_the_buffer(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.py")
    editor.input("idef add(a, b):")
    editor.wait(lambda: fake_daemon.documents, "the document is open")
    call = fake_daemon.completion()
    while call.position != (0, 14):
        call = fake_daemon.completion()
    call.answer(" return a + b")

    editor.wait_shown("def add(a, b): return a + b")
    assert editor.lines == ["def add(a, b):"]
    assert editor.suggestion == " return a + b"
