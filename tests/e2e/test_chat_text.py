"""How an answer stands in the chat's text: its gaps, its blocks, and a chat without a code window."""

from __future__ import annotations

import pytest

from tests.e2e.test_chat import ask, chat_lines, chats, wait_idle, wait_line
from tests.fakes.chat import ChatCalls
from tests.fakes.daemon import FakeDaemon
from tests.support.editor import Editor

__all__ = ["chats"]

pytestmark = pytest.mark.timeout(40)


def go_to(editor: Editor, text: str) -> None:
    row = next(n for n, line in enumerate(editor.lines, 1) if text in line)
    editor.nvim.api.win_set_cursor(0, [row, 0])


def below(editor: Editor, text: str) -> list[str]:
    """Returns the three lines from ``text`` on."""
    lines = chat_lines(editor)
    return lines[lines.index(text) :][:3]


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
def test_one_empty_line_stands_below_an_answer_however_it_ends(
    editor: Editor, chats: ChatCalls, end: str
) -> None:
    call = ask(editor, chats)
    call.write(f"It is so.{end}")
    wait_line(editor, "It is so.")
    call.answer("It is so.", ("a.py", 1, 1))
    wait_idle(editor)
    assert below(editor, "It is so.") == ["It is so.", "", "Sources:"]


def test_one_empty_line_stands_below_what_was_stopped(editor: Editor, chats: ChatCalls) -> None:
    ask(editor, chats).write("It is\n\n")
    wait_line(editor, "It is")
    editor.input("<C-c>")
    wait_idle(editor)
    assert below(editor, "It is") == ["It is", "", "Stopped."]


def test_an_answer_of_nothing_leaves_one_line(editor: Editor, chats: ChatCalls) -> None:
    ask(editor, chats).error(-32803, "It failed.")
    wait_idle(editor)
    assert chat_lines(editor) == [
        *("# You", "", "What is it?", ""),
        *("# Assistant", "", "Error: It failed.", ""),
        *("# You", "", ""),
    ]


def test_the_final_text_replaces_what_was_streamed_wrong(editor: Editor, chats: ChatCalls) -> None:
    call = ask(editor, chats)
    call.write("It si\nwrong")
    wait_line(editor, "wrong")
    call.answer("It is right.")
    wait_idle(editor)
    assert chat_lines(editor)[4:8] == ["# Assistant", "", "It is right.", ""]
    editor.input("u")
    editor.wait(lambda: len(chat_lines(editor)) == 3, "one undo takes the answer back")


def test_a_block_left_open_ends_with_its_answer(editor: Editor, chats: ChatCalls) -> None:
    ask(editor, chats, "one").write("So:\n```python\nx = 1")
    wait_line(editor, "x = 1")
    editor.input("<C-c>")
    wait_idle(editor)
    ask(editor, chats, "two").answer("Or:\n```python\ny = 2\n```")
    wait_idle(editor, 2)
    for code in ("x = 1", "y = 2"):
        go_to(editor, code)
        editor.input("gy")
        editor.wait(lambda c=code: editor.nvim.funcs.getreg('"') == f"{c}\n", f"{code} is yanked")


def test_questions_go_on_where_only_the_chat_is_left(editor: Editor, chats: ChatCalls) -> None:
    editor.edit(".git/HEAD")
    path = editor.edit("src/a.py", "x = 1\n")
    editor.command("AIChat")
    editor.command("only")
    editor.input("Gi@buffer?<C-s>")
    call = chats.next()
    assert call.params["rootUri"] == (editor.home / "work").as_uri()
    assert [item["uri"] for item in call.params["attachments"]] == [path.as_uri()]


def test_opening_the_chat_shows_the_daemon_the_file(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit(".git/HEAD")
    path = editor.edit("a.py", "x = 1\n")
    editor.command("AIChat")
    opened = fake_daemon.wait_sent("textDocument/didOpen")
    assert opened[0]["textDocument"]["uri"] == path.as_uri()


def test_an_unnamed_buffer_is_explained_whole(editor: Editor, chats: ChatCalls) -> None:
    editor.input("idef f():<CR>return 1<Esc>")
    editor.wait(lambda: editor.mode == "n" and len(editor.lines) == 2, "it is typed")
    editor.command("AIExplain")
    (attached,) = chats.next().params["attachments"]
    assert attached["text"].split() == ["def", "f():", "return", "1"]
    assert "Explain this buffer" in chat_lines(editor)


def test_only_what_is_to_be_explained_is_attached(editor: Editor, chats: ChatCalls) -> None:
    editor.edit(".git/HEAD")
    editor.edit("a.py", "x = 1\ny = 2\n")
    for turn, row in enumerate((1, 2), 1):
        editor.command(f"{row},{row}AIExplain")
        call = chats.next()
        (attached,) = call.params["attachments"]
        assert attached["range"]["start"]["line"] == row - 1
        call.answer("A line.")
        wait_idle(editor, turn)
    assert len(ask(editor, chats, "and both?").params["attachments"]) == 2


@pytest.mark.parametrize("key", ["i", "a", "A", "o"])
def test_what_is_typed_does_not_touch_the_lines_attached(
    editor: Editor, chats: ChatCalls, key: str
) -> None:
    editor.edit(".git/HEAD")
    editor.edit("a.py", "x = 1\ny = 2\n")
    editor.command("1,2AIChat")
    editor.input(f"{key}why?<C-s>")
    call = chats.next()
    assert call.question.split() == ["@file:a.py:1-2", "why?"]
    assert [item["kind"] for item in call.params["attachments"]] == ["selection"]
