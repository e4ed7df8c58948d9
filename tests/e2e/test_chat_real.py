"""The whole way: keys, host, a real daemon, a real index, and a real Ollama where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_chat import EVENTS, chat_lines
from tests.e2e.test_completion_real import lock_of
from tests.support.editor import Editor, MakeEditor
from tests.support.neovim import neovim_params
from tests.support.ollama import OllamaServer

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.parametrize("neovim_build", neovim_params("0.7", "0.12"), indirect=True),
]

STORE = '''"""Keeps things."""


class Store:
    def put(self, name, value):
        """Stores a value under a name."""
        self.values[name] = value


def open_store(path):
    """Opens the store at path."""
    return Store()
'''


@pytest.fixture
def after(editor_home: Path) -> Iterator[None]:
    """Ends the daemon that the editor of the test started."""
    yield
    pid = lock_of(editor_home).get("pid")
    if pid and psutil.pid_exists(pid):
        daemon = psutil.Process(pid)
        daemon.terminate()
        psutil.wait_procs([daemon], timeout=20)


def project(editor: Editor) -> None:
    editor.edit(".git/HEAD", "ref: refs/heads/main\n")
    editor.edit("pkg/store.py", STORE)
    editor.lua(EVENTS)


def done(editor: Editor, name: str, count: int = 1) -> dict[str, object]:
    def found() -> list[list[object]]:
        return [event for event in editor.lua("return events") if event[0] == name]

    editor.wait(lambda: len(found()) >= count, name, timeout=90)
    data = found()[count - 1][1]
    assert isinstance(data, dict)
    return data


def test_without_a_chat_model_index_search_and_chat_find_the_places(
    make_editor: MakeEditor, after: None
) -> None:
    editor = make_editor(ASSISTANT_ENGINE="llamacpp")
    project(editor)
    editor.command("AIIndex")
    assert done(editor, "AssistantIndexDone")["files"] == 1
    editor.command("AISearch where is the store opened")
    editor.wait(lambda: editor.lua("return #vim.fn.getqflist()") > 0, "hits")
    editor.command("cclose | AIChat where is the store opened?")
    answer = done(editor, "AssistantChatDone")
    assert answer["ok"] is True
    assert "model" not in answer
    text = chat_lines(editor)
    assert any(line.startswith("pkg/store.py:") for line in text)
    assert any("ollama pull" in line for line in text)
    row = next(n for n, line in enumerate(text, 1) if line.startswith("pkg/store.py:"))
    editor.nvim.api.win_set_cursor(0, [row, 0])
    editor.input("gf")
    editor.wait(lambda: editor.nvim.current.buffer.name.endswith("store.py"), "the source")


@pytest.mark.ollama
def test_a_real_model_streams_explains_and_stops(
    make_editor: MakeEditor, after: None, ollama_server: OllamaServer
) -> None:
    options = {"engine": "ollama", "chat": {"model": "tiny-chat", "retrieve": False}}
    editor = make_editor(options, OLLAMA_HOST=ollama_server.host)
    project(editor)
    editor.input("5G")
    editor.command("AIExplain")
    explained = done(editor, "AssistantChatDone")
    text = "\n".join(chat_lines(editor))
    assert explained["ok"] is True, text
    assert explained["model"] == "tiny-chat:latest"
    assert explained["sources"][0]["path"] == "pkg/store.py"
    assert "tokens · tiny-chat:latest" in text
    assert editor.cursor[0] == 5

    editor.command("AIChat and now?")
    editor.wait(lambda: editor.lua("return not vim.bo.modifiable"), "it is asked")
    editor.input("<C-c>")
    assert done(editor, "AssistantChatDone", 2)["stopped"] is True
    assert "Stopped." in chat_lines(editor)
