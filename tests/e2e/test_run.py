"""`make run` puts the plugin on the runtime path, whatever the person's own configuration does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.neovim import NeovimBuild, every_neovim, running_neovim
from tools.run import plugin_arguments

CONFIGS = {
    "ordinary": "let g:seen = 1",
    # What lazy.nvim does to be fast.
    "resets the path": "let g:seen = 1 | set runtimepath=$VIMRUNTIME",
    "sets the plugin up": "let g:seen = 1 | lua require('assistant').setup({ command_prefix = 'My' })",
}


@every_neovim
@pytest.mark.parametrize("config", CONFIGS)
def test_plugin_is_on(neovim_build: NeovimBuild, config: str, tmp_path: Path) -> None:
    init = tmp_path / "init.vim"
    init.write_text(CONFIGS[config] + "\n", "utf-8")
    prefix = "My" if "command_prefix" in CONFIGS[config] else "AI"

    with running_neovim(neovim_build, *plugin_arguments(), "-u", str(init)) as nvim:
        assert nvim.exec_lua("return vim.g.seen") == 1
        assert nvim.exec_lua("return vim.fn.exists(':' .. ...)", f"{prefix}Chat") == 2
        assert nvim.exec_lua("return pcall(require, 'assistant')") is True
