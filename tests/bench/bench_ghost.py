"""Measures the time from the last key to ghost text, with an engine that answers in no time.

    make bench-ghost

Everything is real but the model: keys, Neovim, host, daemon, HTTP to a server that has its answer
ready. The clock is Neovim's own, from the key to the drawing of ghost text. The budget is 20 ms at
the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pynvim

from tests.bench.instant_ollama import MODEL, instant_ollama
from tools.neovim import NeovimBuild, builds, chosen
from tools.neovim_session import eventually, running_neovim

REPO = Path(__file__).resolve().parents[2]
SAMPLES = 200
WARM_UP = 10
KEYS_A_LINE = 20
BUDGET_MS = 20.0
OPTIONS = "let g:assistant = {'engine': 'ollama', 'completion': {'debounce_ms': 0}, 'index': {'auto': v:false}}"

MEASURE = """
_G.key_at, _G.shown_ms = nil, nil
vim.on_key(function() _G.key_at = vim.loop.hrtime() end)
vim.api.nvim_create_autocmd('User', {
  pattern = 'AssistantShown',
  callback = function()
    if _G.key_at then
      _G.shown_ms, _G.key_at = (vim.loop.hrtime() - _G.key_at) / 1e6, nil
    end
  end,
})
"""


def sample(nvim: pynvim.Nvim, key: str) -> float | None:
    """Types a key that no suggestion begins with; returns the milliseconds until the next one."""
    nvim.exec_lua("_G.shown_ms = nil")
    nvim.input(key)
    found = eventually(lambda: nvim.exec_lua("return _G.shown_ms"), 5)
    return float(found) if isinstance(found, float) else None


def start_line(nvim: pynvim.Nvim) -> None:
    """Types the beginning of another line, so that lines stay as long as people's."""
    nvim.input("<CR>total = ")
    visible = "return vim.fn.getline('.'):match('= $') and require('assistant').is_visible()"
    eventually(lambda: nvim.exec_lua(visible), 10)


def measure(build: NeovimBuild, env: dict[str, str], folder: Path) -> list[float]:
    arguments = ["--clean", "--cmd", f"set rtp^={REPO}", "--cmd", OPTIONS]
    with running_neovim(build, *arguments, env=env) as nvim:
        nvim.ui_attach(100, 30, rgb=True)
        nvim.exec_lua(MEASURE)
        nvim.command(f"edit {folder}/bench.py")
        nvim.input("ivalues = [1, 2, 3]<CR>total = ")
        if not eventually(lambda: nvim.exec_lua("return _G.shown_ms"), 60):
            raise SystemExit(f"{build.name}: no ghost text at all")
        times = []
        for number in range(WARM_UP + SAMPLES):
            if number % KEYS_A_LINE == KEYS_A_LINE - 1:
                start_line(nvim)
            # Uppercase, of which the suggestion has none: each key asks anew.
            times.append(sample(nvim, "QWERTZU"[number % 7]))
    return [milliseconds for milliseconds in times[WARM_UP:] if milliseconds is not None]


def report(name: str, times: list[float]) -> bool:
    if len(times) < SAMPLES // 2:
        print(f"{name:8} only {len(times)} of {SAMPLES} keys were followed by ghost text")
        return False
    ordered = sorted(times)
    p50, p95 = statistics.median(ordered), ordered[int(0.95 * len(ordered))]
    verdict = "within" if p50 <= BUDGET_MS else "OVER"
    print(
        f"{name:8} key to ghost text p50 {p50:.1f} ms, p95 {p95:.1f} ms "
        f"({len(times)} keys; {verdict} {BUDGET_MS:.0f} ms)",
        flush=True,
    )
    return p50 <= BUDGET_MS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nvim", help="program or release; default: every release there is")
    named = parser.parse_args().nvim
    is_within = True
    for build in [chosen(named)] if named else builds():
        if build.missing_reason:
            print(f"{build.name:8} skipped: {build.missing_reason}")
            continue
        with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as home:
            with instant_ollama() as address:
                env = {**os.environ, "ASSISTANT_HOME": home, "OLLAMA_HOST": address}
                is_within &= report(build.name, measure(build, env, Path(home)))
            subprocess.run(
                [Path(sys.executable).with_name("assistant"), "stop"],
                env={**os.environ, "ASSISTANT_HOME": home},
                stdout=subprocess.DEVNULL,
                check=False,
            )
    print(f"model {MODEL} in no time, debounce 0")
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
