"""Starting Neovim with the plugin costs nothing but the definition of its commands and keys."""

from __future__ import annotations

from pathlib import Path

import psutil
import pynvim

from tests.support.neovim import NeovimBuild, every_neovim, running_neovim

REPO = Path(__file__).resolve().parents[2]
WITH_PLUGIN = ("--clean", "--cmd", f"set rtp^={REPO}")
LOADED = """
local found = {}
for name in pairs(package.loaded) do
  if name:match('^assistant%f[%W]') then found[#found + 1] = name end
end
table.sort(found)
return found
"""


def children(nvim: pynvim.Nvim) -> list[str]:
    process = psutil.Process(nvim.exec_lua("return vim.fn.getpid()"))
    return [child.name() for child in process.children(recursive=True)]


@every_neovim
def test_start_loads_no_module_and_starts_no_process(neovim_build: NeovimBuild) -> None:
    with running_neovim(neovim_build, *WITH_PLUGIN) as nvim:
        assert nvim.exec_lua("return vim.fn.exists(':AIChat')") == 2
        assert nvim.exec_lua(LOADED) == []
        assert children(nvim) == []


@every_neovim
def test_opening_and_reading_files_loads_no_module(neovim_build: NeovimBuild) -> None:
    with running_neovim(neovim_build, *WITH_PLUGIN, str(REPO / "pyproject.toml")) as nvim:
        nvim.command(f"edit {REPO}/LICENSE")
        nvim.input("Gggdd")

        assert nvim.exec_lua("return vim.fn.line('$')") > 0
        assert nvim.exec_lua(LOADED) == []
        assert children(nvim) == []
