"""The chat as a person sees it: keys go in, buffer and screen are read, the daemon is scripted."""

from __future__ import annotations

import pytest

from tests.fakes.chat import ChatCall, ChatCalls
from tests.fakes.daemon import FakeDaemon
from tests.support.editor import Editor, MakeEditor

pytestmark = pytest.mark.timeout(40)

CHAT_LINES = """
local bufnr = vim.fn.bufnr('^assistant://chat/')
return bufnr ~= -1 and vim.api.nvim_buf_get_lines(bufnr, 0, -1, false) or {}
"""
EVENTS = """
events = {}
vim.api.nvim_create_autocmd('User', { callback = function(args)
  table.insert(events, { args.match, args.data or vim.g.assistant_event })
end })
"""


@pytest.fixture
def chats(fake_daemon: FakeDaemon) -> ChatCalls:
    return ChatCalls(fake_daemon)


def chat_lines(editor: Editor) -> list[str]:
    return list(editor.lua(CHAT_LINES))


def wait_line(editor: Editor, line: str) -> None:
    editor.wait(lambda: line in chat_lines(editor), f"{line!r} in the chat")


def ask(editor: Editor, chats: ChatCalls, question: str = "What is it?") -> ChatCall:
    editor.command(f"AIChat {question}")
    return chats.next()


def wait_idle(editor: Editor, turns: int = 1) -> None:
    """Waits until as many answers are whole: a heading to write below follows each."""
    editor.wait(
        lambda: chat_lines(editor).count("# You") == turns + 1, f"{turns} answers are written"
    )


def test_a_question_is_typed_sent_and_answered_with_sources(
    editor: Editor, chats: ChatCalls
) -> None:
    editor.edit(".git/HEAD")
    editor.edit("a.py", "x = 1\n")
    editor.command("AIChat")
    editor.input("iWhere is it?<C-s>")
    call = chats.next()
    assert call.params["messages"] == [{"role": "user", "content": "Where is it?"}]
    assert call.params["action"] == "chat"
    assert call.params["rootUri"] == (editor.home / "work").as_uri()
    call.write("It is ")
    call.write("in `a.py`.")
    editor.wait_shown("It is in `a.py`.")
    call.answer("It is in `a.py`.", ("a.py", 1, 1), ("b/c.py", 10, 20))
    wait_idle(editor)

    assert chat_lines(editor) == [
        *("# You", "", "Where is it?", ""),
        *("# Assistant", "", "It is in `a.py`.", ""),
        *("Sources:", "a.py:1", "b/c.py:10-20", ""),
        *("612 / 4096 tokens · fake-chat", ""),
        *("# You", "", ""),
    ]
    assert editor.mode == "n"
    assert editor.cursor == (17, 0)
    options = ["filetype", "buftype", "modifiable", "swapfile"]
    values = [editor.nvim.api.buf_get_option(0, name) for name in options]
    assert values == ["assistant-chat", "nofile", True, False]


def test_the_conversation_is_sent_whole(editor: Editor, chats: ChatCalls) -> None:
    ask(editor, chats, "one").answer("first")
    wait_idle(editor)
    editor.input("Gitwo<Esc><CR>")
    call = chats.next()
    assert [m["content"] for m in call.params["messages"]] == ["one", "first", "two"]
    assert [m["role"] for m in call.params["messages"]] == ["user", "assistant", "user"]


def test_what_it_waits_for_is_said_with_the_seconds(editor: Editor, chats: ChatCalls) -> None:
    call = ask(editor, chats)
    editor.wait_shown("retrieving")
    call.state("loading")
    editor.wait_shown("loading model… 1 s")
    call.state("reading")
    editor.wait_shown("reading prompt")
    call.state("thinking")
    editor.wait_shown("thinking")
    call.write("text")
    editor.wait_shown("writing")
    call.answer("text")
    editor.wait_gone("writing")


def test_an_answer_is_one_undo_step(editor: Editor, chats: ChatCalls) -> None:
    editor.command("AIChat")
    editor.input("iquestion<C-s>")
    call = chats.next()
    for number in range(10):
        call.write(f"line {number}\n")
        wait_line(editor, f"line {number}")
    editor.input("u")
    editor.wait_shown("E21")
    call.answer("\n".join(f"line {number}" for number in range(10)))
    wait_idle(editor)

    editor.input("u")
    editor.wait(lambda: editor.lines == ["# You", "", "question"], "the answer is undone")
    editor.input("u")
    editor.wait(lambda: editor.lines == ["# You", "", ""], "the question is undone")
    editor.input("<C-r><C-r>")
    wait_line(editor, "line 9")


def test_answers_written_behind_ones_back_are_undo_steps_of_their_own(
    editor: Editor, chats: ChatCalls
) -> None:
    editor.edit("a.py", "def f():\n    return 1\n")
    for turn in (1, 2):
        editor.command("AIExplain")
        call = chats.next()
        call.write("It ")
        wait_line(editor, "It ")
        call.answer("It returns.")
        wait_idle(editor, turn)
    before = chat_lines(editor)
    editor.command("AIChat")
    editor.input("u")
    editor.wait(lambda: len(chat_lines(editor)) < len(before), "something is undone")

    assert chat_lines(editor).count("It returns.") == 1


@pytest.mark.parametrize("at_end", [True, False])
def test_windows_follow_only_where_the_cursor_was_at_the_end(
    editor: Editor, chats: ChatCalls, at_end: bool
) -> None:
    call = ask(editor, chats)
    call.write("\n".join(f"line {n}" for n in range(40)))
    wait_line(editor, "line 39")
    if not at_end:
        editor.input("gg")
        editor.wait(lambda: editor.cursor[0] == 1, "the cursor is at the top")
    call.write("\nlast")
    wait_line(editor, "last")
    if at_end:
        editor.wait_shown("last")
    assert editor.cursor[0] == (len(editor.lines) if at_end else 1)
    assert editor.lua("return vim.fn.line('w0')") > 1 if at_end else True


def test_stop_keeps_what_is_there(
    editor: Editor, chats: ChatCalls, fake_daemon: FakeDaemon
) -> None:
    call = ask(editor, chats)
    call.write("half an ans")
    wait_line(editor, "half an ans")
    editor.input("<C-c>")
    wait_line(editor, "Stopped.")
    wait_idle(editor)
    editor.wait(lambda: fake_daemon.sent("$/cancelRequest"), "the daemon is told")
    call.write("late")
    editor.input("Goagain<Esc>")
    editor.input("<CR>")
    again = chats.next()
    assert [m["content"] for m in again.params["messages"]][1] == "half an ans"
    assert "late" not in "\n".join(chat_lines(editor))


def test_regenerate_replaces_the_answer_and_keeps_the_draft(
    editor: Editor, chats: ChatCalls
) -> None:
    ask(editor, chats, "one").answer("bad")
    wait_idle(editor)
    editor.input("Gidraft<Esc>gr")
    call = chats.next()
    assert [m["content"] for m in call.params["messages"]] == ["one"]
    call.answer("good")
    wait_line(editor, "good")
    wait_idle(editor)
    assert "bad" not in chat_lines(editor)
    assert chat_lines(editor)[-2:] == ["", "draft"]


def test_errors_are_one_plain_line(editor: Editor, chats: ChatCalls) -> None:
    editor.lua(EVENTS)
    ask(editor, chats).error(1001, "Ollama does not answer.", "Start it with 'ollama serve'.")
    wait_line(editor, "Error: Ollama does not answer. Start it with 'ollama serve'.")
    wait_idle(editor)
    names = editor.lua("return vim.tbl_map(function(e) return e[1] end, events)")
    assert "AssistantError" in names
    editor.input("Gretry<Esc>")
    assert editor.lua("return vim.bo.modifiable")


def test_without_a_model_the_places_found_are_shown(editor: Editor, chats: ChatCalls) -> None:
    call = ask(editor, chats)
    text = "No chat model is installed.\n\nrun `ollama pull x`"
    call.answer(text, ("a.py", 3, 9), model=None, tokens={"prompt": 0, "answer": 0, "limit": 0})
    wait_line(editor, "a.py:3-9")
    assert "run `ollama pull x`" in chat_lines(editor)
    assert not any("tokens" in line for line in chat_lines(editor))


def test_what_was_left_out_is_said(editor: Editor, chats: ChatCalls) -> None:
    ask(editor, chats).answer("short", dropped=["secret.env: it looks like a secret"])
    wait_line(editor, "Left out: secret.env: it looks like a secret")


def test_a_range_attaches_its_lines(editor: Editor, chats: ChatCalls) -> None:
    path = editor.edit("src/a b.py", "one\ntwo\nthree\n")
    editor.command("2,3AIChat why?")
    call = chats.next()
    (attached,) = call.params["attachments"]
    assert attached["kind"] == "selection"
    assert attached["uri"] == path.as_uri()
    assert attached["range"]["start"] == {"line": 1, "character": 0}
    assert attached["range"]["end"] == {"line": 3, "character": 0}


def test_a_range_waits_for_the_question(editor: Editor, chats: ChatCalls) -> None:
    editor.nvim.current.buffer[:] = ["one", "two"]
    editor.command("1,1AIChat")
    editor.input("iwhy?<C-s>")
    (attached,) = chats.next().params["attachments"]
    assert attached["text"] == "one"


def test_closing_the_buffer_while_it_is_written_is_safe(
    editor: Editor, chats: ChatCalls, fake_daemon: FakeDaemon
) -> None:
    call = ask(editor, chats)
    call.write("begun")
    wait_line(editor, "begun")
    editor.command("bwipeout")
    editor.wait(lambda: fake_daemon.sent("$/cancelRequest"), "the answer is cancelled")
    call.write("more")
    ask(editor, chats, "again").answer("fresh")
    wait_line(editor, "fresh")
    assert editor.lua("return vim.v.errmsg") == ""


def test_closing_the_window_lets_it_go_on(editor: Editor, chats: ChatCalls) -> None:
    call = ask(editor, chats)
    call.write("begun")
    wait_line(editor, "begun")
    editor.command("close")
    call.answer("begun and ended")
    wait_line(editor, "begun and ended")
    editor.command("AIChat")
    editor.wait_shown("begun and ended")


def test_the_editor_quits_while_an_answer_is_written(
    make_editor: MakeEditor, fake_daemon: FakeDaemon, chats: ChatCalls
) -> None:
    editor = make_editor()
    call = ask(editor, chats)
    call.write("begun")
    wait_line(editor, "begun")
    editor.input("idraft<Esc>")
    with pytest.raises((OSError, EOFError)):
        editor.command("qall")
        editor.command("echo 'still here'")
