"""Index, search, context, models, status, log and health, beside the scripted daemon."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.test_chat import EVENTS
from tests.fakes.daemon import Call, FakeDaemon
from tests.support.editor import Editor

pytestmark = pytest.mark.timeout(40)

INDEX_RESULT = {
    "root": "/x",
    "files": 3,
    "chunks": 7,
    "embedded": 5,
    "reused": 2,
    "removed": 1,
    "skipped": {"binary": 2, "huge": 1},
    "seconds": 1.5,
    "languages": {"python": 3},
}
STATUS = {
    "version": "0.1.0",
    "pid": 4711,
    "uptimeSeconds": 90.0,
    "clients": 1,
    "socket": "/run/x.sock",
    "engine": {"name": "ollama", "reachable": True, "version": "0.24", "models": [], "detail": ""},
    "roles": {"completion": "coder:1.5b", "chat": None},
    "hardwareTier": "cpu",
    "latencyMs": {"p50": 120.0, "p95": 300.0},
    "index": [
        {"root": "/x", "state": "ready", "files": 3, "chunks": 7, "vectors": 7, "lastRun": 1.0}
    ],
    "warnings": [],
}
MODELS = {
    "engine": "ollama",
    "roles": {"completion": "coder:1.5b", "chat": "talker"},
    "installed": ["coder:1.5b", "coder:7b", "talker"],
}


def project(editor: Editor) -> None:
    editor.edit(".git/HEAD")
    editor.edit("src/a.py", "one\ntwo\nthree\n")


def test_indexing_tells_how_far_it_is_and_what_came_of_it(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    calls: list[Call] = []
    fake_daemon.answers["assistant/index"] = calls.append
    project(editor)
    editor.lua(EVENTS)
    editor.command("AIIndex!")
    call = editor.wait(lambda: calls and calls[0], "the request")
    assert call.params["force"] is True
    assert call.params["rootUri"] == (editor.home / "work").as_uri()
    for value in (
        {"kind": "begin", "title": "Indexing work", "percentage": 0},
        {"kind": "report", "message": "reading files 1/3", "percentage": 16},
    ):
        token = call.params["workDoneToken"]
        message = {"method": "$/progress", "params": {"token": token, "value": value}}
        fake_daemon.send(call.connection, message)
    editor.wait_shown("reading files 1/3 · 16%")
    editor.command("AIIndex")
    editor.wait_shown("already")
    call.result(INDEX_RESULT)
    editor.wait_shown("indexed 3 files, 7 chunks")

    assert len(calls) == 1
    events = dict(map(tuple, editor.lua("return events")))
    assert events["AssistantIndexProgress"]["percentage"] == 16
    assert events["AssistantIndexDone"]["chunks"] == 7
    assert events["AssistantIndexDone"]["ok"] is True


def test_an_index_that_fails_says_why_and_can_be_asked_for_again(
    editor: Editor, fake_daemon: FakeDaemon
) -> None:
    fake_daemon.answers["assistant/index"] = lambda call: call.error(-32803, "disk full.", "Tidy.")
    project(editor)
    for _ in (1, 2):
        editor.command("AIIndex")
        editor.wait_shown("disk full. Tidy.")
        editor.command("redraw! | echo ''")
    editor.wait(lambda: len(fake_daemon.sent("assistant/index")) == 2, "it is asked for again")


def test_search_fills_the_quickfix_list(editor: Editor, fake_daemon: FakeDaemon) -> None:
    hit = {
        **{"path": "src/a.py", "startLine": 2, "endLine": 3, "symbol": "two", "kind": "function"},
        **{"score": 1.0, "text": "\n  two\nthree", "why": ""},
    }
    result = {"query": "q", "hits": [hit], "milliseconds": 1.0, "vectors": False}
    fake_daemon.answers["assistant/search"] = lambda call: call.result(result)
    project(editor)
    editor.command("AISearch where is it")
    editor.wait_shown("src/a.py|2")
    assert fake_daemon.sent("assistant/search")[0]["query"] == "where is it"
    title = editor.lua("return vim.fn.getqflist({ title = 0 }).title")
    assert title == "AISearch where is it (lexical only)"
    assert editor.lua("return vim.fn.getqflist()[1].text") == "function two: two"
    editor.command("cfirst")
    assert editor.cursor[0] == 2
    assert editor.nvim.current.buffer.name.endswith("src/a.py")


def test_a_file_in_no_project_is_said(editor: Editor) -> None:
    editor.edit("a.py")
    editor.command("AIIndex")
    editor.wait_shown("there is no project here")


def test_context_shows_the_prompt_word_for_word(editor: Editor, fake_daemon: FakeDaemon) -> None:
    snippet = {
        **{"path": "b.py", "startLine": 1, "endLine": 9, "text": "b"},
        **{"source": "bm25", "score": 2.5},
    }
    fake_daemon.answers["assistant/context"] = lambda call: call.result(
        {
            **{"path": "src/a.py", "prefix": "on", "suffix": "e\n", "snippets": [snippet]},
            **{"prompt": "<PRE>on<SUF>e\n<MID>", "tokens": {"prompt": 7, "limit": 2048}},
            **{"milliseconds": {"retrieve": 0.4, "total": 3}, "model": "m", "engine": "ollama"},
        }
    )
    project(editor)
    editor.input("l")
    editor.command("AIContext")
    editor.wait_shown("<PRE>on<SUF>e")
    assert fake_daemon.sent("assistant/context")[0]["position"] == {"line": 0, "character": 1}
    text = "\n".join(editor.lines)
    assert "Tokens   7 of 2048" in text
    assert "b.py:1-9 (bm25, 2.50)" in text
    editor.input("q")
    editor.wait(lambda: editor.nvim.current.buffer.name.endswith("a.py"), "it closes")


def test_status_is_one_screen(editor: Editor, fake_daemon: FakeDaemon) -> None:
    fake_daemon.answers["assistant/status"] = lambda call: call.result(STATUS)
    editor.command("AIStatus")
    editor.wait_shown("ollama 0.24, answers")
    text = "\n".join(editor.lines)
    for part in ("pid 4711", "up 90 s", "coder:1.5b", "120 ms p50", "3 files, 7 chunks"):
        assert part in text
    assert len(editor.lines) <= 22
    editor.command("AIStatus")
    editor.wait(lambda: len(fake_daemon.sent("assistant/status")) == 2, "it asks again")
    assert len(editor.nvim.windows) == 2


def test_models_are_shown_completed_and_switched(editor: Editor, fake_daemon: FakeDaemon) -> None:
    asked: list[dict[str, Any]] = []

    def set_model(call: Call) -> None:
        asked.append(call.params)
        if call.params["name"] == "nothing":
            call.error(1002, "There is no model nothing.", "Fetch it.")
        else:
            roles = {**MODELS["roles"], call.params["role"]: call.params["name"]}
            call.result({**MODELS, "roles": roles})

    fake_daemon.answers["assistant/models"] = lambda call: call.result(MODELS)
    fake_daemon.answers["assistant/setModel"] = set_model
    project(editor)
    editor.command("AIModel")
    editor.wait_shown("completion: coder:1.5b, chat: talker")
    assert editor.lua("return vim.fn.getcompletion('AIModel cod', 'cmdline')") == [
        "coder:1.5b",
        "coder:7b",
    ]
    editor.command("AIModel coder:7b")
    editor.wait_shown("completion is by coder:7b now")
    editor.command("AIChat")
    editor.command("AIModel nothing")
    editor.wait_shown("There is no model nothing. Fetch it.")
    assert asked == [
        {"role": "completion", "name": "coder:7b"},
        {"role": "chat", "name": "nothing"},
    ]


def test_both_logs_open(editor: Editor, fake_daemon: FakeDaemon) -> None:
    log = editor.home / "cache" / "daemon.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("first\nof the daemon\n")
    fake_daemon.answers["assistant/models"] = lambda call: call.result(MODELS)
    editor.command("AIModel")
    editor.wait_shown("talker")
    editor.command("AILog")
    names = [window.buffer.name for window in editor.nvim.current.tabpage.windows]
    assert [name.rsplit("/", 1)[-1] for name in names] == ["assistant.log", "daemon.log"]
    assert editor.lines == ["first", "of the daemon"]


def test_the_health_check_reports_each_part(editor: Editor, fake_daemon: FakeDaemon) -> None:
    fake_daemon.answers["assistant/status"] = lambda call: call.result(STATUS)
    fake_daemon.answers["assistant/indexStatus"] = lambda call: call.result(STATUS["index"][0])
    project(editor)
    editor.command("command! AIChat echo 'of another plugin'")
    editor.command("checkhealth assistant")
    text = "\n".join(editor.lines)
    for part in (
        "Neovim 0.",
        "Python 3.",
        "Defined by something else: :AIChat.",
        "pid 4711, status within",
        "ollama 0.24 answers",
        "completion: coder:1.5b",
        "There is no model for chat.",
        "hardware tier: cpu",
        "/x: ready, 3 files, 7 chunks, 7 vectors",
    ):
        assert part in text, text
