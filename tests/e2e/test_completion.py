"""Ghost text as a person sees it: keys go in, the screen is read, the daemon is scripted."""

from __future__ import annotations

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.support.editor import Editor, MakeEditor

pytestmark = pytest.mark.timeout(40)

GHOSTS = """
local ns = vim.api.nvim_get_namespaces()['assistant.ghost']
return ns and #vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, {}) or 0
"""
# Notes, before each redraw of the screen that a person would see, what the cursor's line shows.
RECORD_FRAMES = """
frames = {}
local ns = vim.api.nvim_create_namespace('test.frames')
vim.api.nvim_set_decoration_provider(ns, {
  on_win = function(_, _, bufnr)
    local ghost = vim.api.nvim_get_namespaces()['assistant.ghost']
    local mark = ghost and vim.api.nvim_buf_get_extmarks(bufnr, ghost, 0, -1, { details = true })[1]
    local line = vim.api.nvim_get_current_line()
    table.insert(frames, line .. '|' .. (mark and mark[4].virt_text[1][1] or ''))
  end,
})
"""


def show(editor: Editor, daemon: FakeDaemon, typed: str, *texts: str) -> None:
    """Types into an empty file and lets the daemon suggest ``texts`` behind it."""
    editor.edit("a.txt")
    editor.input("i" + typed.replace("<", "<lt>"))
    daemon.completion(0, len(typed.encode())).answer(*texts)
    editor.wait(lambda: editor.suggestion == texts[0], f"{texts[0]!r} is suggested")


def test_ghost_text_is_on_the_screen_and_not_in_the_buffer(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    show(editor, fake_daemon, "def add(a, b):", "\n    return a + b\n\n\tx")

    editor.wait_shown("    return a + b")
    assert editor.screen()[:4] == ["def add(a, b):", "    return a + b", "", "        x"]
    assert editor.lines == ["def add(a, b):"]


def test_text_streams_in(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a.txt")
    editor.input("ia = ")
    call = fake_daemon.completion(0, 4)
    call.partial("so")
    editor.wait_shown("a = so")
    call.partial("some(")
    editor.wait_shown("a = some(")
    call.answer("some()")
    editor.wait_shown("a = some()")

    assert editor.lines == ["a = "]
    assert [note["itemId"] for note in fake_daemon.wait_sent("assistant/didShow")] == [
        f"{call.id}.1"
    ]


def test_accepting_is_one_undo_step(editor: Editor, fake_daemon: FakeDaemon) -> None:
    show(editor, fake_daemon, "def f():", "\n    return 1")
    editor.input("<Tab>")
    editor.wait(lambda: editor.lines == ["def f():", "    return 1"], "the text is accepted")
    assert editor.cursor == (2, 12)
    assert editor.lua(GHOSTS) == 0
    editor.input("0<Esc>")
    editor.wait(lambda: editor.lines[-1] == "    return 10", "typing goes on behind it")

    editor.input("u")
    editor.wait(lambda: editor.lines == ["def f():", "    return 1"], "the last key is undone")
    editor.input("u")
    editor.wait(lambda: editor.lines == ["def f():"], "the accepted text is undone")
    editor.input("u")
    editor.wait(lambda: editor.lines == [""], "what was typed is undone")
    accepted = fake_daemon.wait_sent("assistant/didAccept")
    assert [note["acceptedLength"] for note in accepted] == [len("\n    return 1")]


def test_word_and_line_keep_the_rest_without_asking_again(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    show(editor, fake_daemon, "x", " = foo(1)\ny = 2\nz")
    requests = len(fake_daemon.sent("textDocument/inlineCompletion"))

    editor.input("<M-w>")
    editor.wait(lambda: editor.lines == ["x ="], "one word")
    editor.wait_shown("x = foo(1)")
    editor.input("<M-l>")
    editor.wait(lambda: editor.lines == ["x = foo(1)"], "the line")
    editor.wait_shown("y = 2")
    editor.input("<M-l>")
    editor.wait(lambda: editor.lines == ["x = foo(1)", "y = 2"], "the next line")
    assert editor.suggestion == "\nz"
    assert len(fake_daemon.sent("textDocument/inlineCompletion")) == requests


def test_typing_what_is_suggested_never_flickers(editor: Editor, fake_daemon: FakeDaemon) -> None:
    show(editor, fake_daemon, "a = ", "value")
    editor.lua(RECORD_FRAMES)
    for key in "val":
        typed = editor.lines[0] + key
        editor.input(key)
        editor.wait(lambda typed=typed: editor.lines == [typed], "the key is there")
    editor.wait_shown("a = value")

    frames = set(editor.lua("return frames"))
    whole = {frame.replace("|", "") for frame in frames}
    assert whole == {"a = value"}
    assert editor.suggestion == "ue"


def test_typing_something_else_clears_in_the_same_tick(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    show(editor, fake_daemon, "a = ", "value")
    editor.lua(RECORD_FRAMES)
    editor.input("x")
    editor.wait(lambda: editor.lines == ["a = x"], "the key is there")
    editor.wait_gone("value")

    assert "a = x|value" not in editor.lua("return frames")
    assert editor.suggestion is None


def test_a_stale_answer_is_dropped(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a.txt")
    editor.input("ia = ")
    stale = fake_daemon.completion(0, 4)
    editor.input("x")
    newer = fake_daemon.completion(0, 5)
    stale.answer("stale text")
    newer.answer("yz")

    editor.wait_shown("a = xyz")
    assert editor.suggestion == "yz"
    cancelled = [note["id"] for note in fake_daemon.wait_sent("$/cancelRequest")]
    assert stale.id in cancelled
    assert newer.id not in cancelled


def test_the_daemon_has_the_text_of_the_request(editor: Editor, fake_daemon: FakeDaemon) -> None:
    path = editor.edit("ü.txt", "one\ntwo\nthree\n")
    editor.input("ggdGix<CR><CR>日本語 = '")
    call = fake_daemon.completion(2, len("日本語 = '".encode()))
    (uri,) = fake_daemon.documents

    assert uri == path.as_uri()
    assert call.params["textDocument"] == {"uri": uri, "version": fake_daemon.documents[uri][0]}
    assert fake_daemon.documents[uri][1] == "x\n\n日本語 = '\n"


def test_dismiss_takes_it_away_until_the_next_key(editor: Editor, fake_daemon: FakeDaemon) -> None:
    show(editor, fake_daemon, "a = ", "value")
    editor.wait_shown("a = value")
    editor.input("<C-]>")
    editor.wait_gone("value")

    assert editor.lines == ["a = "]
    assert len(fake_daemon.wait_sent("assistant/didDismiss")) == 1
    assert editor.mode == "i"


@pytest.mark.parametrize("key", ["<Esc>", "<C-c>", "<C-o>", "<Left>", "<Up>"])
def test_leaving_the_place_takes_it_away(editor: Editor, fake_daemon: FakeDaemon, key: str) -> None:
    show(editor, fake_daemon, "a = ", "value")
    editor.wait_shown("a = value")
    editor.input(key)
    if key == "<Up>":  # has nowhere to go: the cursor stays, and so does the suggestion
        assert editor.suggestion == "value"
        return
    editor.wait_gone("value")
    assert editor.lines == ["a = "]


def test_next_asks_for_more_and_cycles(editor: Editor, fake_daemon: FakeDaemon) -> None:
    show(editor, fake_daemon, "a = ", "one")
    editor.input("<M-]>")
    more = fake_daemon.completion(0, 4)
    assert more.params["context"] == {"triggerKind": 1}
    more.answer("one", "two", "three")
    editor.wait_shown("a = two")
    editor.input("<M-]>")
    editor.wait_shown("a = three")
    editor.input("<M-[><M-[>")
    editor.wait_shown("a = one")


def test_mid_line_text_is_never_hidden(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a.txt")
    editor.input("if('日')<Left>")
    editor.input(",")
    fake_daemon.completion(0, 8).answer(" 'x', key=len")
    editor.wait_shown("key=len")

    assert editor.screen()[0] == "f('日', 'x', key=len)"
    editor.input("<Tab>")
    editor.wait(lambda: editor.lines == ["f('日', 'x', key=len)"], "accepted in the middle")


def test_a_long_suggestion_in_the_middle_keeps_the_rest_of_the_line(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.input("if(XYZ)<Left><Left><Left><Left>a")
    fake_daemon.completion(0, 3).answer("b" * 200)
    editor.wait(lambda: editor.suggestion is not None, "there is a suggestion")

    shown = "".join(editor.screen()[:5])
    assert "XYZ)" in shown
    # Before 0.10 it can't be drawn without hiding the rest, so it is not, and no key is taken.
    if not editor.lua("return vim.fn.has('nvim-0.10') == 1"):
        assert editor.lua(GHOSTS) == 0
        assert editor.lua("return vim.fn.maparg('<Tab>', 'i')") == ""


def test_keys_are_the_persons_own_when_nothing_shows(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.lua(
        "vim.keymap.set('i', '<Tab>', function() return 'OWN' end, { expr = true, buffer = true })"
    )
    editor.input("i<Tab>")
    editor.wait(lambda: editor.lines == ["OWN"], "the own mapping works before")
    fake_daemon.completion(0, 3).answer("-value")
    editor.wait_shown("OWN-value")
    editor.input("<Tab>")
    editor.wait(lambda: editor.lines == ["OWN-value"], "the key accepts")
    editor.input("<Tab>")
    editor.wait(lambda: editor.lines == ["OWN-valueOWN"], "the own mapping is back")


def test_events_tell_what_happens(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.lua(
        """
        events = {}
        vim.api.nvim_create_autocmd('User', { pattern = 'Assistant*', callback = function(args)
          local data = args.data or vim.g.assistant_event
          table.insert(events, { args.match, data.text or data.version or '' })
        end })
        """
    )
    show(editor, fake_daemon, "a = ", "value")
    editor.input("<M-w>")
    editor.wait(lambda: editor.lines == ["a = value"], "accepted")

    assert editor.lua("return events") == [
        ["AssistantReady", "0.1.0"],
        ["AssistantShown", "value"],
        ["AssistantAccepted", "value"],
    ]


def test_nothing_is_asked_while_a_macro_is_recorded(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    show(editor, fake_daemon, "a = ", "value")
    editor.input("<Esc>")
    editor.wait(lambda: editor.mode == "n", "normal mode")
    before = fake_daemon.waiting_completions()
    editor.input("qqoz<Esc>q@q")
    editor.wait(lambda: editor.lines[-2:] == ["z", "z"], "the macro ran")

    assert fake_daemon.waiting_completions() == before


def test_toggle_stops_and_starts_asking(editor: Editor, fake_daemon: FakeDaemon) -> None:
    show(editor, fake_daemon, "a = ", "value")
    editor.input("<Esc>:AIToggle<CR>")
    editor.wait(lambda: "completion is off" in editor.messages(), "it says so")
    editor.input("ox")
    editor.wait(lambda: editor.lines[-1] == "x", "a key is typed")
    asked = len(fake_daemon.sent("textDocument/inlineCompletion"))
    editor.input("<M-\\>")
    fake_daemon.completion(1, 1).answer("yz")
    editor.wait_shown("xyz")
    assert len(fake_daemon.sent("textDocument/inlineCompletion")) == asked + 1


def test_disabled_by_option_starts_nothing(
    make_editor: MakeEditor, fake_daemon: FakeDaemon
) -> None:
    editor = make_editor({"completion": {"enabled": False}})
    editor.edit("a.txt")
    editor.input("ia = <Esc>")
    editor.wait(lambda: editor.lines == ["a = "] and editor.mode == "n", "typed")

    assert editor.state() == "off"
    assert fake_daemon.received == []


def test_moving_the_cursor_asks_for_nothing_and_ends_what_was_asked(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.input("ia = ")
    call = fake_daemon.completion(0, 4)
    before = fake_daemon.waiting_completions()
    editor.input("<Left><Left>")
    assert {"id": call.id} in fake_daemon.wait_sent("$/cancelRequest")
    assert fake_daemon.waiting_completions() == before
    call.answer("late")
    editor.input("x")
    editor.wait(lambda: editor.lines == ["a x= "], "typed")
    assert editor.suggestion is None


def test_what_the_window_is_too_short_for_is_counted(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt", "\n" * 40)
    editor.input("Gi" + "x")
    fake_daemon.completion(39, 1).answer(" = [\n    1,\n]")
    editor.wait_shown("x = [ [+2]")
    editor.input("<Tab>")
    editor.wait(lambda: editor.lines[-3:] == ["x = [", "    1,", "]"], "all of it is accepted")


def test_a_document_that_the_daemon_has_otherwise_is_sent_again(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.input("ix")
    fake_daemon.completion(0, 1).error(-32801, "not at this version")
    again = fake_daemon.completion(0, 1)
    assert [o["textDocument"]["text"] for o in fake_daemon.sent("textDocument/didOpen")][
        -1
    ] == "x\n"
    again.answer("yz")
    editor.wait_shown("xyz")
    assert "version" not in editor.messages()


def test_an_error_is_said_once_and_typing_goes_on(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a.txt")
    for column, key in enumerate("abc", 1):
        editor.input(("i" if column == 1 else "") + key)
        fake_daemon.completion(0, column).error(1002, "no model.", "Fetch one.")
    editor.wait(lambda: "assistant: no model. Fetch one." in editor.messages(), "it says so")
    editor.input("d")
    fake_daemon.completion(0, 4).answer("efg")
    editor.wait_shown("abcdefg")
    assert editor.messages().count("no model") == 1


def test_the_completion_menu_hides_it(editor: Editor, fake_daemon: FakeDaemon) -> None:
    show(editor, fake_daemon, "value vat va", "SHOWN")
    editor.wait_shown("vaSHOWN")
    editor.input("<C-n>")
    editor.wait(lambda: editor.nvim.funcs.pumvisible(), "the menu is open")
    editor.wait_gone("SHOWN")
    assert editor.lua("return require('assistant').is_visible()") is False
