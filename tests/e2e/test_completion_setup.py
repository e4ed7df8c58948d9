"""Options as a person sets them, and what each changes in a running editor."""

from __future__ import annotations

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.support.editor import Editor, MakeEditor

pytestmark = pytest.mark.timeout(40)


def exists(editor: Editor, command: str) -> bool:
    return bool(editor.nvim.funcs.exists(f":{command}") == 2)


def test_commands_take_another_prefix(make_editor: MakeEditor) -> None:
    editor = make_editor(None, "--cmd", "let g:assistant = {'command_prefix': 'Local'}")
    assert exists(editor, "LocalToggle") and not exists(editor, "AIToggle")
    assert editor.lua("return package.loaded['assistant.config'] == nil")

    editor.lua("require('assistant').setup({ command_prefix = 'Helper' })")
    assert exists(editor, "HelperToggle") and not exists(editor, "LocalToggle")


def test_setup_before_the_plugin_is_sourced_counts_too(make_editor: MakeEditor) -> None:
    editor = make_editor(
        None, "--cmd", "lua require('assistant').setup({ command_prefix = 'Early' })"
    )
    assert exists(editor, "EarlyToggle") and not exists(editor, "AIToggle")
    assert editor.state() == "off"


def test_a_mistake_in_the_options_is_one_line_and_the_default_holds(
    make_editor: MakeEditor, fake_daemon: FakeDaemon
) -> None:
    editor = make_editor({"completion": {"debounce_ms": 0, "max_lines": "many"}, "colour": "red"})
    editor.edit("a.txt")
    editor.input("ix")
    fake_daemon.completion(0, 1).answer("yz")
    editor.wait_shown("xyz")

    messages = editor.messages()
    assert messages.count("assistant:") == 1
    assert "'completion.max_lines'" in messages


def test_keys_can_be_others_or_none(make_editor: MakeEditor, fake_daemon: FakeDaemon) -> None:
    keys = {"accept": "<C-y>", "dismiss": False, "complete": "<C-b>"}
    editor = make_editor({"keymaps": keys, "completion": {"enabled": False}})
    editor.edit("a.txt")
    editor.input("ix<C-b>")
    call = fake_daemon.completion(0, 1)
    assert call.params["context"]["triggerKind"] == 1
    call.answer("yz")
    editor.wait_shown("xyz")
    assert editor.lua("return vim.fn.maparg('<C-]>', 'i')") == ""
    editor.input("<C-y>")
    editor.wait(lambda: editor.lines == ["xyz"], "accepted")


def test_plug_maps_and_the_api_do_the_same(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.command("imap <C-g>a <Plug>(assistant-accept-word)")
    editor.edit("a.txt")
    editor.input("ix")
    fake_daemon.completion(0, 1).answer(" one two three")
    editor.wait_shown("x one two three")
    editor.input("<C-g>a")
    editor.wait(lambda: editor.lines == ["x one"], "a word")
    assert editor.lua("return require('assistant').is_visible()") is True
    assert editor.lua("return require('assistant').accept_word()") is True
    assert editor.lines == ["x one two"]
    assert editor.lua("return require('assistant').accept()") is True
    assert editor.lines == ["x one two three"]
    assert editor.lua("return require('assistant').accept()") is False
    assert editor.lua("return require('assistant').suggestion()") is None


def test_a_filetype_can_be_switched_off(make_editor: MakeEditor, fake_daemon: FakeDaemon) -> None:
    editor = make_editor({"completion": {"debounce_ms": 0, "filetypes": {"markdown": False}}})
    editor.edit("a.md")
    editor.input("ix<Esc>")
    editor.wait(lambda: editor.lines == ["x"] and editor.mode == "n", "typed")
    assert editor.state() == "off"
    editor.edit("a.txt")
    editor.input("iy")
    fake_daemon.completion(0, 1).answer("z")
    editor.wait_shown("yz")
    assert [d["textDocument"]["uri"][-5:] for d in fake_daemon.sent("textDocument/didOpen")] == [
        "a.txt"
    ]


def test_status_tells_the_state_without_starting_anything(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    assert editor.lua("return require('assistant').statusline()") == ""
    assert editor.lua("return require('assistant').status()")["state"] == "off"
    assert editor.lua("return require('assistant').is_visible()") is False
    assert fake_daemon.received == []
    editor.edit("a.txt")
    editor.input("ix")
    editor.wait(lambda: editor.lua("return require('assistant').statusline()") == "AI", "ready")
    status = editor.lua("return require('assistant').status()")
    assert (status["state"], status["models"]) == ("ready", {"completion": "fake"})
