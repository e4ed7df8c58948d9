"""The daemon's copy of a buffer stays the buffer's text, whatever is done to it."""

from __future__ import annotations

import random

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.support.editor import Editor

pytestmark = pytest.mark.timeout(60)

ATTACH = "return require('assistant.document').attach(0)"
START = "require('assistant.daemon').start()"


def attached(editor: Editor) -> None:
    editor.lua(START)
    editor.wait(lambda: editor.state() == "ready", "connected")
    assert editor.lua(ATTACH) is True


def same(editor: Editor, daemon: FakeDaemon) -> bool:
    """Whether version and text at the daemon are what the editor says."""
    known = editor.lua(
        "require('assistant.document').flush(0) return require('assistant.document').identify(0)"
    )
    there = daemon.documents.get(known["uri"])
    text = "".join(line + "\n" for line in editor.lines)
    return there == (known["version"], text)


def test_it_follows_every_kind_of_change(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a.txt", "".join(f"line {n}\n" for n in range(30)))
    attached(editor)
    editor.wait(lambda: same(editor, fake_daemon), "opened")
    for keys in (
        "3Gdd",
        "5GOnew<CR>text<Esc>",
        "gg10yyGp",
        "u",
        "<C-r>",
        ":%s/e/E/g<CR>",
        ":g/1/d<CR>",
        ":sort!<CR>",
        "ggVGd",
        "ione<CR>two<Esc>",
        ":m0<CR>",
        "u",
        "uuuuuu",
        ":e!<CR>",
        "ggJ",
        ":%!sort -r<CR>",
        "ggdGi日本<Esc>",
        ":undo 0<CR>",
    ):
        editor.input(keys)
        editor.wait(lambda: editor.mode == "n", f"{keys} is done")
        editor.wait(lambda keys=keys: same(editor, fake_daemon), f"the same after {keys}")


def test_it_follows_random_edits(editor: Editor, fake_daemon: FakeDaemon) -> None:
    choose = random.Random(3)
    editor.edit("a.txt", "".join(f"{n}\n" for n in range(10)))
    attached(editor)
    for _ in range(60):
        count = len(editor.lines)
        first = choose.randint(0, count)
        last = choose.randint(first, count)
        new = [str(choose.random()) for _ in range(choose.randint(0, 4))]
        editor.nvim.api.buf_set_lines(0, first, last, False, new)
        if choose.random() < 0.2:
            editor.command(choose.choice(["undo", "redo", "earlier 3", "later 2", "edit!"]))
    editor.wait(lambda: same(editor, fake_daemon), "the same after all")


def test_nul_and_bad_bytes_keep_their_columns(editor: Editor, fake_daemon: FakeDaemon) -> None:
    path = editor.edit("a.txt")
    path.write_bytes(b"a\x00b\nc\xff\xfed\n")
    editor.command("edit! ++enc=utf-8")
    attached(editor)
    editor.wait(lambda: fake_daemon.documents, "opened")
    ((_, text),) = fake_daemon.documents.values()
    lines = text.split("\n")
    assert lines[0] == "a\0b"
    assert len(lines) == 3


def test_rename_save_and_close_are_told(editor: Editor, fake_daemon: FakeDaemon) -> None:
    path = editor.edit("a.txt", "x\n")
    attached(editor)
    editor.input("ay<Esc>:w<CR>")
    editor.wait(lambda: fake_daemon.sent("textDocument/didSave"), "saved")
    assert fake_daemon.documents[path.as_uri()][1] == "xy\n"

    editor.command(f"file {path.parent}/b.txt")
    renamed = (path.parent / "b.txt").as_uri()
    editor.wait(lambda: list(fake_daemon.documents) == [renamed], "renamed")
    assert fake_daemon.documents[renamed][1] == "xy\n"

    editor.command("bwipeout!")
    editor.wait(lambda: not fake_daemon.documents, "closed")


def test_an_unnamed_buffer_has_a_uri_of_its_own(editor: Editor, fake_daemon: FakeDaemon) -> None:
    attached(editor)
    editor.wait(lambda: fake_daemon.documents, "opened")
    (uri,) = fake_daemon.documents
    assert uri.startswith("untitled:")
    editor.input("ihello<Esc>")
    editor.wait(lambda: same(editor, fake_daemon), "the same")


def test_a_buffer_that_grows_over_the_limit_is_closed(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt", "x\n")
    attached(editor)
    editor.wait(lambda: fake_daemon.documents, "opened")
    editor.nvim.api.buf_set_lines(0, 0, -1, False, ["x" * 1023] * 1025)
    editor.wait(lambda: not fake_daemon.documents, "closed")
    assert editor.lua(ATTACH) is False

    editor.nvim.api.buf_set_lines(0, 0, -1, False, ["small"])
    assert editor.lua(ATTACH) is True
    editor.wait(lambda: same(editor, fake_daemon), "opened again")


def test_a_filetype_that_changes_is_told(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a", "x\n")
    attached(editor)
    editor.command("setfiletype python")
    editor.wait(lambda: len(fake_daemon.sent("textDocument/didOpen")) == 2, "opened again")
    languages = [o["textDocument"]["languageId"] for o in fake_daemon.sent("textDocument/didOpen")]
    assert languages == ["", "python"]
    editor.wait(lambda: same(editor, fake_daemon), "the same")
