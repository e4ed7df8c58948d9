"""Any keys against any answers: nothing breaks, nothing is left behind, the copies stay equal."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from tests.fakes.daemon import Call, FakeDaemon
from tests.support.editor import Editor

pytestmark = pytest.mark.timeout(90)

KEYS = [*"abc()[]{} .,'\"", "日", "<CR>", "<BS>", "<C-w>", "<Left>", "<Right>", "<Up>", "<Down>"]
ACTS = [
    "<Tab>",
    "<M-w>",
    "<M-l>",
    "<M-]>",
    "<C-]>",
    "<M-\\>",
    "<Esc>u",
    "<Esc>A",
    "<C-n>",
    "<Esc>o",
]
LEFT_BEHIND = """
local ns = vim.api.nvim_get_namespaces()['assistant.ghost']
return {
  #vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, {}),
  #vim.tbl_filter(function(map)
    return (map.desc or ''):match('^assistant') ~= nil
  end, vim.api.nvim_buf_get_keymap(0, 'i')),
}
"""


class Moody:
    """Answers completions late, in parts, twice as many as asked, with nothing, or not at all."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)

    def __call__(self, call: Call) -> None:
        texts = ["".join(self.choose.choices([*KEYS[:14], "\n", "\t", "日"], k=9)) for _ in "12"]
        steps = [lambda end=end: call.partial(texts[0][:end]) for end in (1, 4, 9)]
        end = self.choose.choice(
            [
                lambda: call.answer(*texts),
                lambda: call.answer(texts[0]),
                lambda: call.answer(),
                lambda: call.error(-32803, "failed.", "Never mind."),
                lambda: None,
            ]
        )
        for number, step in enumerate([*steps[: self.choose.randint(0, 3)], end]):
            threading.Timer(number * self.choose.random() * 0.02, quietly, (step,)).start()


def quietly(step: Callable[[], None]) -> None:
    try:
        step()
    except OSError:  # the editor has gone, as it may
        return
    except KeyError:  # a request for alternatives has no token to stream to
        return


@pytest.mark.parametrize("seed", [1, 2])
def test_any_keys_against_any_answers(editor: Editor, fake_daemon: FakeDaemon, seed: int) -> None:
    fake_daemon.answers["textDocument/inlineCompletion"] = Moody(seed)
    choose = random.Random(seed)
    editor.edit("a.txt", "one\ntwo (three)\n\tfour\n")
    editor.command("set nomore")
    editor.input("i")
    for _ in range(250):
        editor.input(choose.choice(KEYS if choose.random() < 0.7 else ACTS).replace("<lt>", "<"))
        if choose.random() < 0.5:
            assert editor.mode[0] in "in"  # a round trip, so that the editor draws in between
        if editor.mode == "n":
            editor.input("i")
    editor.input("<Esc>")
    editor.wait(lambda: editor.mode == "n", "normal mode")

    assert editor.lua(LEFT_BEHIND) == [0, 0]
    assert editor.suggestion is None
    editor.lua("require('assistant.document').flush(0)")
    text = "".join(line + "\n" for line in editor.lines)
    editor.wait(lambda: [t for _, t in fake_daemon.documents.values()] == [text], "equal copies")
    broken = [word for word in ("traceback", "E5108", "assistant/") if word in editor.messages()]
    assert broken == []
    log = editor.lua("return require('assistant.log').path()")
    with open(log, errors="replace") as lines:
        assert [line for line in lines if "broke" in line or " error " in line] == []
