"""Runs a headless Neovim for the tests, the demo and the benchmarks, and reads its screen."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pynvim

from tools.neovim import NeovimBuild

START_TIMEOUT_S = 30
_READ_SCREEN = """
vim.cmd('redraw')
local rows = {}
for row = 1, vim.o.lines do
  local cells = {}
  for column = 1, vim.o.columns do
    cells[column] = vim.fn.screenstring(row, column)
  end
  rows[row] = (table.concat(cells):gsub('%s+$', ''))
end
return rows
"""


@contextmanager
def running_neovim(
    build: NeovimBuild, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[pynvim.Nvim]:
    """Runs a headless Neovim and yields a session with it; both are gone afterwards.

    ``env`` replaces the whole environment. Attach a UI (``nvim.ui_attach``) to have a screen. It
    listens on a socket of its own, because pynvim leaves a child's pipes open when it closes; it
    keeps no swap files.
    """
    with tempfile.TemporaryDirectory(prefix="nvim-", dir="/tmp") as folder:
        address = str(Path(folder) / "s")
        process = subprocess.Popen(
            [*build.argv, "-n", "--headless", "--listen", address, *arguments],
            env={**(os.environ if env is None else env), **build.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            nvim = _attach(address, process)
            try:
                yield nvim
            finally:
                _close(nvim)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def screen(nvim: pynvim.Nvim) -> list[str]:
    """Returns the lines of the screen as a person sees them, without trailing blanks."""
    lines: list[str] = nvim.exec_lua(_READ_SCREEN)
    return lines


def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> object:
    """Returns the first truthy value of ``condition``, or its last one when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.01)


def _attach(address: str, process: subprocess.Popen[bytes]) -> pynvim.Nvim:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _listens(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Neovim does not listen (exit status {process.returncode})")
        time.sleep(0.005)
    return pynvim.attach("socket", path=address)


def _listens(address: str) -> bool:
    """Whether connecting works: the file is there a moment before anyone listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(address) == 0


def _close(nvim: pynvim.Nvim) -> None:
    # pynvim closes its loop in the same breath as the transport, which then never closes its
    # socket; one turn of the loop between the two lets it.
    nvim._session.loop._transport.close()
    nvim.loop.stop()
    nvim.loop.run_forever()
    nvim.close()
