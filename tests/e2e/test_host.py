"""The way to the daemon when things go wrong: killed, mute, talking nonsense, not there at all."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.daemon import GREETING, Call, FakeDaemon
from tests.support.editor import Editor, MakeEditor

pytestmark = pytest.mark.timeout(60)

ASK = """
answers = answers or {}
local method, params, options = ...
require('assistant.daemon').request(method, params or vim.empty_dict(), function(err, result)
  table.insert(answers, err and { err.code, err.message, (err.data or {}).hint } or { result })
end, options)
"""


def answers(editor: Editor) -> list[Any]:
    return list(editor.lua("return answers or {}"))


def host_pid(editor: Editor) -> int:
    return int(editor.lua("return require('assistant.rpc.transport').pid()"))


def complete(editor: Editor, daemon: FakeDaemon, key: str) -> None:
    """Types one key at the end of the line and sees a suggestion there."""
    column = len(editor.lines[0]) + 1
    editor.input(key)
    daemon.completion(0, column).answer("SHOWN")
    editor.wait_shown(key + "SHOWN")
    editor.input("<C-]>")
    editor.wait_gone("SHOWN")


def test_a_killed_host_comes_back(editor: Editor, fake_daemon: FakeDaemon) -> None:
    editor.edit("a.txt")
    editor.input("i")
    complete(editor, fake_daemon, "x")
    editor.lua(ASK, "test/never")
    editor.wait(lambda: fake_daemon.sent("test/never"), "the request is sent")

    os.kill(host_pid(editor), signal.SIGKILL)
    editor.wait(lambda: answers(editor), "the pending request fails")
    ((code, message, _),) = answers(editor)
    assert code == -32803
    assert "the plugin host ended" in message
    editor.wait(lambda: editor.state() == "ready", "connected again")
    complete(editor, fake_daemon, "y")
    ((_, text),) = fake_daemon.documents.values()
    assert text == "xy\n"


def test_a_restarted_daemon_gets_the_documents_again(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.input("i")
    complete(editor, fake_daemon, "x")
    host = host_pid(editor)
    editor.lua(ASK, "test/never")
    editor.wait(lambda: fake_daemon.sent("test/never"), "the request is sent")

    fake_daemon.stop()
    fake_daemon.documents.clear()
    fake_daemon.start()
    editor.wait(lambda: answers(editor), "the pending request fails")
    editor.wait(lambda: editor.state() == "ready", "connected again")
    complete(editor, fake_daemon, "y")

    assert host_pid(editor) == host
    assert [text for _, text in fake_daemon.documents.values()] == ["xy\n"]
    assert len(fake_daemon.sent("initialize")) == 2
    assert "Error" not in editor.messages()


def test_a_stopped_daemon_stays_stopped_until_it_is_needed(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.input("i")
    complete(editor, fake_daemon, "x")
    fake_daemon.lock_path.write_text("")  # as a daemon does that ends in good order
    fake_daemon.stop()
    editor.wait(lambda: editor.state() == "off", "it is let alone")

    fake_daemon.documents.clear()
    fake_daemon.start()
    complete(editor, fake_daemon, "y")
    assert [text for _, text in fake_daemon.documents.values()] == ["xy\n"]


def test_garbage_from_the_daemon_is_logged_and_harmless(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    editor.edit("a.txt")
    editor.input("i")
    complete(editor, fake_daemon, "x")
    fake_daemon.send_raw(b"garbage\n\xff\xfe\n[]\n42\n{}\n\n" + b'{"method":5}\n')
    fake_daemon.notify("unknown/method", {"x": 1})
    fake_daemon.notify("$/progress", {"token": "p1", "value": {"kind": "partial", "text": "late"}})
    complete(editor, fake_daemon, "y")

    log = editor.lua("return require('assistant.log').path()")
    assert "not JSON: garbage" in Path(log).read_text(errors="replace")


def test_requests_wait_for_the_greeting_and_never_block(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    greetings: list[Call] = []
    fake_daemon.answers["initialize"] = greetings.append
    fake_daemon.answers["test/echo"] = lambda call: call.result(call.params)
    before = time.monotonic()
    editor.lua(ASK, "test/echo", {"n": 1})
    editor.lua(ASK, "test/echo", {"n": 2})
    assert time.monotonic() - before < 1.0
    editor.wait(lambda: greetings, "the editor greets")
    assert answers(editor) == []
    assert fake_daemon.sent("test/echo") == []

    greetings[0].result(GREETING)
    editor.wait(lambda: len(answers(editor)) == 2, "both are answered")
    assert answers(editor) == [[{"n": 1}], [{"n": 2}]]


def test_the_greeting_carries_what_the_person_set(
    make_editor: MakeEditor, fake_daemon: FakeDaemon
) -> None:
    editor = make_editor({"engine": "llamacpp", "keymaps": {"accept": "<C-y>"}})
    editor.lua("require('assistant.daemon').start()")
    editor.wait(lambda: editor.state() == "ready", "connected")
    (greeting,) = fake_daemon.sent("initialize")
    options = {"engine": "llamacpp", "completion": {"debounce_ms": 0}}
    assert greeting["initializationOptions"] == options
    assert greeting["protocolVersion"] == 1
    assert greeting["processId"] == editor.lua("return vim.fn.getpid()")

    editor.lua("require('assistant').setup({ tier = 'cpu' })")
    editor.wait(lambda: fake_daemon.sent("workspace/didChangeConfiguration"), "it is told")
    (change,) = fake_daemon.sent("workspace/didChangeConfiguration")
    assert change["settings"] == {**options, "tier": "cpu"}


def test_another_protocol_version_is_one_plain_line(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    hint = "Run 'assistant stop'."
    fake_daemon.answers["initialize"] = lambda call: call.error(1006, "too old.", hint)
    editor.edit("a.txt")
    editor.input("ix")
    editor.wait(lambda: editor.state() == "failed", "it gives up")
    editor.wait(lambda: "assistant: too old. " + hint in editor.messages(), "it says why")

    editor.input("yz")
    editor.wait(lambda: editor.lines == ["xyz"], "typing goes on")
    assert editor.messages().count("too old") == 1
    assert len(fake_daemon.sent("initialize")) == 1


def test_a_python_without_pynvim_names_the_way_out(
    make_editor: MakeEditor, editor_home: Path
) -> None:
    bare = editor_home / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    editor = make_editor({"python": str(bare)})
    editor.edit("a.txt")
    editor.input("ix")
    editor.wait(
        lambda: "Python has no package 'pynvim'. Run :AIInstall." in editor.messages(), "it says so"
    )
    editor.input("y")
    editor.wait(lambda: editor.lines == ["xy"], "typing goes on")
    assert editor.state() == "failed"


def test_a_python_that_is_not_there_is_named(make_editor: MakeEditor) -> None:
    editor = make_editor({"python": "/nowhere/python"})
    editor.edit("a.txt")
    editor.input("ix")
    editor.wait(lambda: "Remove it and run :AIInstall." in editor.messages(), "it says so")
    assert editor.lines == ["x"]


@pytest.mark.parametrize("is_mute", [False, True])
def test_leaving_never_waits(editor: Editor, fake_daemon: FakeDaemon, is_mute: bool) -> None:
    if is_mute:
        fake_daemon.answers["initialize"] = lambda call: None
    editor.edit("a.txt")
    editor.input("ix")
    editor.wait(lambda: fake_daemon.sent("initialize"), "connected")
    neovim = psutil.Process(editor.lua("return vim.fn.getpid()"))
    host = psutil.Process(host_pid(editor))
    before = time.monotonic()
    editor.input("<Esc>:qa!<CR>")

    psutil.wait_procs([neovim, host], timeout=10)
    assert time.monotonic() - before < 2.0
    assert not neovim.is_running() and not host.is_running()


def test_a_fresh_connection_after_stop(editor: Editor, fake_daemon: FakeDaemon) -> None:
    fake_daemon.answers["test/echo"] = lambda call: call.result(call.params)
    editor.lua(ASK, "test/echo", {"n": 1})
    editor.wait(lambda: len(answers(editor)) == 1, "answered")
    editor.lua(ASK, "test/never", {"n": 2})
    editor.lua("require('assistant.daemon').stop()")
    assert answers(editor)[1][1] == "the connection was closed."
    editor.lua(ASK, "test/echo", {"n": 3})
    editor.wait(lambda: len(answers(editor)) == 3, "answered after a new start")
    assert answers(editor)[2] == [{"n": 3}]


def test_a_plugin_updated_while_it_runs_says_so(editor: Editor, fake_daemon: FakeDaemon) -> None:
    fake_daemon.answers["initialize"] = lambda call: None
    editor.lua(ASK, "test/echo")
    editor.wait(lambda: fake_daemon.sent("initialize"), "connected")
    editor.lua("require('assistant.rpc.transport').on_event('connected', '0')")
    editor.wait(lambda: answers(editor), "what waits fails")
    assert answers(editor) == [[-32803, "the plugin was updated while it ran.", "Restart Neovim."]]


def test_another_version_of_the_daemon_is_told_once(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    fake_daemon.greeting = {**GREETING, "serverInfo": {"name": "assistant", "version": "0.0.9"}}
    editor.lua("require('assistant.daemon').start()")
    editor.wait(lambda: "the daemon is version 0.0.9" in editor.messages(), "it says so")
    assert editor.state() == "ready"


def test_a_stock_host_may_know_the_plugin_too_and_one_host_serves(
    make_editor: MakeEditor, fake_daemon: FakeDaemon, editor_home: Path
) -> None:
    manifest = editor_home / "rplugin.vim"
    options = ["--cmd", f"let g:python3_host_prog = '{sys.executable}'"]
    first = make_editor(None, *options)
    first.nvim.vars["loaded_remote_plugins"] = str(manifest)  # --clean names none
    first.command("silent UpdateRemotePlugins")
    assert "AssistantSend" in manifest.read_text()

    second = make_editor(None, *options)
    second.command(f"source {manifest}")
    second.edit("a.txt")
    second.input("i")
    complete(second, fake_daemon, "x")
    neovim = psutil.Process(second.lua("return vim.fn.getpid()"))
    pythons = [p for p in neovim.children(recursive=True) if "python" in p.name()]
    assert [p.pid for p in pythons] == [host_pid(second)]


def test_a_project_never_runs_its_own_python_files(
    make_editor: MakeEditor, fake_daemon: FakeDaemon, editor_home: Path
) -> None:
    project = editor_home / "work"
    trap = f"open({str(editor_home / 'trapped')!r}, 'w').close()\n"
    for name in ("pynvim.py", "json.py", "assistant/__init__.py", "assistant_host/__init__.py"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(trap)
    editor = make_editor(None, "--cmd", f"cd {project}")
    editor.edit("a.txt")
    editor.input("i")
    complete(editor, fake_daemon, "x")
    assert not (editor_home / "trapped").exists()
