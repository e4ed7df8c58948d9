"""Drives a real Neovim through the whole assistant, on this repository, without a person.

    make demo [NVIM=program or release]

Keys are typed and the screen is read; the daemon, the engine and the index are the real ones, with
data of their own that the next run finds again. Every step says what happened. The exit status is 1
if one did not work, with the screen and the end of the log.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvim

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from tools.neovim import NeovimBuild, cache_dir, chosen  # noqa: E402
from tools.neovim_session import eventually, running_neovim, screen  # noqa: E402

INDEX_TIMEOUT_S = 600
ANSWER_TIMEOUT_S = 300
GHOST_TIMEOUT_S = 30
TYPED = (
    "try:\n    import json\nexcept Import",
    "import json\n\n\ndef load(path):\n    with open(path) as f:\n        return json.lo",
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = ",
)
"""Programs that stop where the rest is plain; the bundled model is seldom sure of itself."""

LISTEN = """
_G.demo_events = {}
vim.api.nvim_create_autocmd('User', {
  pattern = 'Assistant*',
  callback = function(event)
    local data = event.data or vim.g.assistant_event or vim.empty_dict()
    table.insert(_G.demo_events, { name = event.match, data = data })
  end,
})
"""


class StepFailed(Exception):
    """Says what was expected and did not happen."""


class Demo:
    """Holds one running Neovim and the steps; each returns what happened, in a line."""

    def __init__(self, nvim: pynvim.Nvim) -> None:
        self.nvim = nvim
        self.suggestion = ""

    def events(self, name: str) -> list[dict[str, Any]]:
        found = self.nvim.exec_lua("return _G.demo_events")
        return [event["data"] for event in found if event["name"] == name]

    def eventually(self, condition: Callable[[], Any], timeout_s: float) -> Any:
        def checked() -> Any:
            # The editor must never wait for a person to read a message.
            if self.nvim.api.get_mode()["blocking"]:
                self.nvim.input("<CR>")
                raise StepFailed("Neovim waits for a key, because a message was too long")
            return condition()

        return eventually(checked, timeout_s)

    def wait_for(self, what: str, condition: Callable[[], Any], timeout_s: float) -> Any:
        value = self.eventually(condition, timeout_s)
        if not value:
            errors = [str(data.get("message", data)) for data in self.events("AssistantError")]
            raise StepFailed("; ".join([f"{what}: not within {timeout_s:.0f} s", *errors[-1:]]))
        return value

    def buffer_text(self) -> str:
        return "\n".join(self.nvim.current.buffer[:])

    def on_screen(self, text: str) -> bool:
        return any(text in row for row in screen(self.nvim))

    def index(self) -> str:
        self.nvim.command("AIIndex")
        done = self.wait_for(
            "the index", lambda: self.events("AssistantIndexDone"), INDEX_TIMEOUT_S
        )[-1]
        return f"{done.get('files')} files, {done.get('chunks')} chunks"

    def search(self) -> str:
        self.nvim.command("AISearch where is the path of the socket chosen")
        hits = self.wait_for(
            "hits in the quickfix list",
            lambda: self.nvim.exec_lua(
                "return vim.tbl_map(function(item)"
                " return vim.fn.bufname(item.bufnr) .. ':' .. item.lnum end, vim.fn.getqflist())"
            ),
            ANSWER_TIMEOUT_S,
        )
        if not any("paths.py" in hit for hit in hits):
            raise StepFailed(f"paths.py is not among the hits: {hits}")
        self.nvim.command("cclose")
        return f"{len(hits)} hits, first {hits[0]}"

    def complete(self) -> str:
        for number, text in enumerate(TYPED):
            self._type(f"demo_{number}.py", text)
            self.suggestion = self._suggestion(4) or self._asked_suggestion()
            if self.suggestion:
                return self._see(text)
            self.nvim.input("<Esc>")
        raise StepFailed("no ghost text for any of the programs typed")

    def _type(self, name: str, text: str) -> None:
        self.nvim.command(f"edit! {REPO}/{name}")
        self.nvim.command("setlocal noautoindent nocindent indentexpr=")
        self.nvim.input("i" + text.replace("<", "<lt>"))
        self.eventually(lambda: len(self.buffer_text()) >= len(text), 10)
        if self.buffer_text() != text:
            raise StepFailed(f"typed {text!r}, got {self.buffer_text()!r}")

    def _suggestion(self, timeout_s: float) -> str:
        code = "return require('assistant').suggestion()"
        return str(self.eventually(lambda: self.nvim.exec_lua(code), timeout_s) or "")

    def _asked_suggestion(self) -> str:
        self.nvim.input("<M-Bslash>")
        return self._suggestion(GHOST_TIMEOUT_S)

    def _see(self, text: str) -> str:
        typed, first = text.rsplit("\n", 1)[-1], self.suggestion.split("\n")[0]
        self.wait_for("ghost text on the screen", lambda: self.on_screen(typed + first), 10)
        if self.buffer_text() != text:
            raise StepFailed("ghost text is in the buffer")
        return f"typed {typed.strip()!r}, saw {first!r}"

    def accept(self) -> str:
        before = self.buffer_text()
        self.nvim.input("<Tab>")
        wanted = before + self.suggestion
        self.wait_for("the accepted text", lambda: self.buffer_text() == wanted, 10)
        self.nvim.input("<Esc>u")
        self.wait_for("one undo", lambda: self.buffer_text() == before, 10)
        self.nvim.input("<C-r>")
        self.wait_for("redo", lambda: self.buffer_text() == wanted, 10)
        return f"the buffer ends in {self.buffer_text().splitlines()[-1].strip()!r}; one undo"

    def chat(self) -> str:
        return self._answer("AIChat Where is the path of the daemon's socket decided?")

    def explain(self) -> str:
        self.nvim.command(f"edit! {REPO}/assistant/paths.py")
        self.nvim.command("call search('^def socket_path')")
        return self._answer("AIExplain")

    def _answer(self, command: str) -> str:
        seen = len(self.events("AssistantChatDone"))
        before = len(self._chat_lines())
        self.nvim.command(command)
        self.wait_for(
            "the answer", lambda: len(self.events("AssistantChatDone")) > seen, ANSWER_TIMEOUT_S
        )
        new = self._chat_lines()[before:]
        sources = re.findall(r"[\w./-]+\.\w+:\d+", "\n".join(new))
        if not sources:
            raise StepFailed("the answer names no source")
        self.nvim.command("wincmd p")
        return f"{len(new)} lines, sources {', '.join(dict.fromkeys(sources[:3]))}, …"

    def _chat_lines(self) -> list[str]:
        chats = [b for b in self.nvim.buffers if b.name.startswith("assistant://chat/")]
        return list(chats[-1][:]) if chats else []


def environment(scratch: Path) -> dict[str, str]:
    """Returns the surroundings of the demo: the person's own settings and data stay out."""
    kept = cache_dir().parent / "demo"
    kept.mkdir(parents=True, exist_ok=True)
    moved = {
        f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("CONFIG", "DATA", "STATE")
    }
    return {**os.environ, **moved, "ASSISTANT_HOME": str(kept)}


def assistant(command: str, env: dict[str, str], **options: Any) -> None:
    program = Path(sys.executable).with_name("assistant")
    subprocess.run([program, command], cwd=REPO, env=env, check=False, **options)


def run_steps(demo: Demo, steps: list[tuple[str, Callable[[], str]]]) -> bool:
    for number, (name, step) in enumerate(steps, 1):
        started = time.monotonic()
        print(f"{number}/{len(steps)} {name:9}", end=" ", flush=True)
        try:
            happened = step()
        except (StepFailed, pynvim.NvimError) as error:
            print(f"FAILED: {str(error).splitlines()[0]}")
            print("\n".join(f"  | {row}" for row in screen(demo.nvim)))
            return False
        print(f"{happened} ({time.monotonic() - started:.1f} s)", flush=True)
    return True


def drive(build: NeovimBuild, env: dict[str, str]) -> bool:
    arguments = ["--clean", "--cmd", f"set rtp^={REPO}", "--cmd", f"cd {REPO}"]
    with running_neovim(build, *arguments, env=env) as nvim:
        nvim.ui_attach(120, 40, rgb=True)
        nvim.exec_lua(LISTEN)
        demo = Demo(nvim)
        steps = [
            ("complete", demo.complete),
            ("accept", demo.accept),
            ("index", demo.index),
            ("search", demo.search),
            ("chat", demo.chat),
            ("explain", demo.explain),
        ]
        worked = run_steps(demo, steps)
    log = Path(env["ASSISTANT_HOME"]) / "cache" / "daemon.log"
    if not worked and log.exists():
        print("\n".join(f"  log {row}" for row in log.read_text("utf-8").splitlines()[-20:]))
    return worked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nvim", default="nvim")
    build = chosen(parser.parse_args().nvim)
    if build.missing_reason:
        print(f"Neovim {build.name}: {build.missing_reason}", file=sys.stderr)
        return 1
    print(f"Neovim {build.name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as scratch:
        env = environment(Path(scratch))
        assistant("status", env)
        try:
            worked = drive(build, env)
        finally:
            assistant("stop", env, stdout=subprocess.DEVNULL)
    print("Everything worked." if worked else "The demo failed.")
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
