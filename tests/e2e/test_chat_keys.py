"""What the keys of a chat do, what a question attaches, and explanations."""

from __future__ import annotations

import pytest

from tests.e2e.test_chat import EVENTS, ask, chat_lines, chats, wait_idle, wait_line
from tests.fakes.chat import ChatCalls
from tests.support.editor import Editor, MakeEditor

__all__ = ["chats"]

pytestmark = pytest.mark.timeout(40)

BLOCK = "Do this:\n\n```python\nx = 1\ny = 2\n```\n\nor that."


def project(editor: Editor) -> None:
    editor.edit(".git/HEAD")
    editor.edit("src/b c.py", "1\n2\n3\n")
    editor.edit("src/a.py", "def f():\n    return 1\n\n\nx = f()\n")


def go_to(editor: Editor, text: str) -> None:
    row = next(n for n, line in enumerate(editor.lines, 1) if text in line)
    editor.nvim.api.win_set_cursor(0, [row, 0])


def words(editor: Editor) -> list[str]:
    """Returns what the completion menu offers, which the screen's own cells don't hold."""
    items = editor.lua("return vim.fn.pumvisible() == 1 and vim.fn.complete_info().items or {}")
    return [item["word"] for item in items]


@pytest.mark.parametrize("key", ["<CR>", "gf"])
@pytest.mark.parametrize(("source", "row"), [("src/a.py:5", 5), ("src/b c.py:2", 2)])
def test_a_source_opens_in_a_window_that_is_not_the_chats(
    editor: Editor, chats: ChatCalls, key: str, source: str, row: int
) -> None:
    project(editor)
    ask(editor, chats).answer("There.", ("src/a.py", 5, 9), ("src/b c.py", 2, 2))
    wait_idle(editor)
    go_to(editor, source)
    editor.input(key)
    path = source.split(":")[0]
    editor.wait(lambda: editor.nvim.current.buffer.name.endswith(path), "the file is shown")
    assert editor.cursor[0] == row
    assert len(editor.nvim.windows) == 2
    assert chats.waiting == 0


def test_a_place_named_in_the_answer_opens_where_the_cursor_is_on_it(
    editor: Editor, chats: ChatCalls
) -> None:
    project(editor)
    ask(editor, chats).answer("Look at `src/nothing.py:3` and `src/a.py:2`.")
    wait_idle(editor)
    go_to(editor, "Look at")
    editor.input("gf")
    editor.wait_shown("no source under the cursor")
    editor.input("f/f/gf")
    editor.wait(lambda: editor.nvim.current.buffer.name.endswith("a.py"), "the file is shown")
    assert editor.cursor == (2, 4)


def test_a_source_opens_where_only_the_chat_is_left(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    ask(editor, chats).answer("There.", ("src/a.py", 2, 2))
    wait_idle(editor)
    editor.command("only")
    go_to(editor, "src/a.py:2")
    editor.input("gf")
    editor.wait(lambda: editor.nvim.current.buffer.name.endswith("a.py"), "the file is shown")
    assert len(editor.nvim.windows) == 2


def test_a_code_block_is_yanked_and_inserted(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    editor.input("G")
    ask(editor, chats).answer(BLOCK)
    wait_idle(editor)
    go_to(editor, "or that")
    editor.input("gy")
    editor.wait_shown("no code block under the cursor")
    go_to(editor, "x = 1")
    editor.input("gy")
    editor.wait(lambda: editor.nvim.funcs.getreg('"') == "x = 1\ny = 2\n", "it is yanked")
    editor.input("gi")
    editor.wait(lambda: editor.nvim.current.buffer.name.endswith("a.py"), "the code is current")
    assert editor.lines[-3:] == ["x = f()", "x = 1", "y = 2"]


def test_a_question_is_edited_and_the_chat_goes_on_from_there(
    editor: Editor, chats: ChatCalls
) -> None:
    for turn, question in enumerate(["one", "two", "three"], 1):
        ask(editor, chats, question).answer(f"answer {turn}")
        wait_idle(editor, turn)
    go_to(editor, "answer 2")
    editor.input("ge")
    editor.wait(lambda: editor.lines[-3:] == ["# You", "", "two"], "what was below is gone")
    editor.input("ccTWO<Esc><CR>")
    call = chats.next()
    assert [m["content"] for m in call.params["messages"]] == ["one", "answer 1", "TWO"]


def test_clear_begins_anew(editor: Editor, chats: ChatCalls) -> None:
    ask(editor, chats, "one").write("partial")
    wait_line(editor, "partial")
    editor.input("gX")
    editor.wait(lambda: editor.lines == ["# You", "", ""], "the chat is empty")
    call = ask(editor, chats, "two")
    assert [m["content"] for m in call.params["messages"]] == ["two"]
    editor.wait(lambda: editor.nvim.current.buffer.options["modifiable"] is False, "it is locked")


def test_the_keys_are_listed(editor: Editor) -> None:
    editor.command("AIChat")
    editor.input("g?")
    text = "jump to the source under the cursor"
    editor.wait(lambda: any(text in line for line in editor.lines), "the keys are listed")
    editor.input("q")
    editor.wait(lambda: editor.lines == ["# You", "", ""], "the list is gone")


def test_keys_do_not_wait_for_longer_ones(editor: Editor, chats: ChatCalls) -> None:
    editor.command("nnoremap grn <Nop>")
    ask(editor, chats, "one").answer("first")
    wait_idle(editor)
    editor.command("set timeoutlen=100000")
    editor.input("gr")
    assert chats.next().question == "one"


def test_mentions_attach_what_they_name(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    editor.input("ggVj<Esc>")
    editor.lua(
        "vim.diagnostic.set(vim.api.nvim_create_namespace('t'), 0,"
        " { { lnum = 1, col = 0, message = 'bad\\nreturn', severity = 1 } })"
    )
    question = (
        r"why @buffer, @selection (@file:src/b\ c.py) @file:src/a.py:1-2 @symbol:f "
        "@diagnostics @diff @codebase? me@buffer.org"
    )
    editor.command("AIChat")
    editor.nvim.current.buffer.append(question)
    editor.input("<CR>")
    attached = chats.next().params["attachments"]
    assert [item["kind"] for item in attached] == [
        *("buffer", "selection", "file", "selection", "symbol", "diagnostics", "diff", "codebase")
    ]
    uri = (editor.home / "work/src/a.py").as_uri()
    assert attached[0]["uri"] == attached[1]["uri"] == attached[3]["uri"] == uri
    assert attached[1]["range"]["end"] == {"line": 2, "character": 0}
    assert attached[2]["uri"].endswith("/src/b%20c.py")
    assert attached[4]["name"] == "f"
    assert attached[5]["text"] == "line 2: error: bad return"


def test_what_was_attached_stays_attached(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    for turn in (1, 2):
        call = ask(editor, chats, "@symbol:f")
        assert [item["name"] for item in call.params["attachments"]] == ["f"]
        call.answer("yes")
        wait_idle(editor, turn)


def test_mentions_complete_while_typing(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    editor.command("set completeopt=menu")
    editor.command("AIChat")
    editor.input("i@f")
    editor.wait(lambda: words(editor) == ["@file:"], "the menu")
    editor.input("<C-n>")
    editor.wait(lambda: editor.lines[-1] == "@file:", "the word is chosen")
    editor.wait(lambda: "@file:src/" in words(editor), "the files")
    editor.input("src/")
    editor.wait(lambda: "@file:src/a.py" in words(editor), "the files below it")
    editor.input("b<C-n> x@sel<Esc>")
    editor.wait(lambda: editor.mode == "n", "insert mode is left")
    assert editor.lines[-1] == r"@file:src/b\ c.py x@sel"
    assert editor.lua("return vim.o.completeopt") == "menu"


def test_explaining_attaches_the_function_and_leaves_the_cursor(
    editor: Editor, chats: ChatCalls
) -> None:
    project(editor)
    editor.lua(EVENTS)
    editor.input("2G4l")
    editor.wait(lambda: editor.cursor == (2, 4), "the cursor is in the function")
    editor.command("AIExplain")
    call = chats.next()
    assert call.params["action"] == "explain"
    position = {"line": 1, "character": 4}
    (attached,) = call.params["attachments"]
    assert attached["kind"] == "function"
    assert attached["range"] == {"start": position, "end": position}
    call.write("It returns 1.")
    editor.wait_shown("It returns 1.")
    assert editor.cursor == (2, 4)
    call.answer("It returns 1.", ("src/a.py", 1, 2))
    wait_idle(editor)
    assert "Explain the code at src/a.py:2" in chat_lines(editor)
    assert editor.nvim.current.buffer.name.endswith("a.py")
    done = dict(map(tuple, editor.lua("return events")))["AssistantChatDone"]
    assert done["ok"] is True
    assert done["action"] == "explain"


def test_explaining_while_typing_disturbs_nothing(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    editor.command("1,2AIExplain")
    call = chats.next()
    assert call.params["attachments"][0]["range"]["end"] == {"line": 2, "character": 0}
    editor.input("Gonew")
    for number in range(5):
        call.write(f"line {number}\n")
        wait_line(editor, f"line {number}")
        editor.input(str(number))
    editor.wait(lambda: editor.lines[-1] == "new01234", "what was typed is there")
    editor.input("<Esc>")
    call.answer("\n".join(f"line {n}" for n in range(5)))
    wait_idle(editor)
    editor.input("u")
    editor.wait(lambda: editor.lines[-1] == "x = f()", "one undo takes back what was typed")


def test_selecting_while_an_answer_is_written_is_not_disturbed(
    editor: Editor, chats: ChatCalls
) -> None:
    project(editor)
    editor.command("AIExplain")
    call = chats.next()
    editor.input("ggVj")
    call.write("text")
    wait_line(editor, "text")
    assert editor.mode == "V"
    editor.input("d")
    editor.wait(lambda: editor.lines[0] == "", "two lines are deleted")


def test_stop_stops_from_anywhere(editor: Editor, chats: ChatCalls) -> None:
    project(editor)
    editor.command("AIExplain")
    chats.next().write("half")
    wait_line(editor, "half")
    editor.command("AIStop")
    wait_line(editor, "Stopped.")


@pytest.mark.parametrize("position", ["right", "left", "below", "above", "tab", "float"])
def test_it_opens_where_it_is_set_to(
    make_editor: MakeEditor, chats: ChatCalls, position: str
) -> None:
    editor = make_editor({"chat": {"position": position, "width": 30}})
    editor.edit("a.py", "code\n")
    call = ask(editor, chats)
    call.answer("the answer")
    wait_idle(editor)
    assert not editor.nvim.current.window.options["number"]
    if position == "float":
        assert editor.nvim.api.win_get_config(0)["relative"] == "editor"
        assert editor.nvim.current.window.width == 30
        return
    editor.wait_shown("the answer")
    column = next(line for line in editor.screen() if "the answer" in line).index("the answer")
    if position == "right":
        assert column == 50
    else:
        assert column == 0
    editor.command("close")
    assert not editor.nvim.current.buffer.name.startswith("assistant://")
