"""Every release of Neovim that the suite uses really runs, with its own runtime, and lets its
children be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pynvim
import pytest

from tests.support.neovim import NEOVIM_BUILDS, NeovimBuild, every_neovim, running_neovim

CHILD = "import os, ssl; print([k for k in os.environ if k.startswith('LD_')])"


@pytest.fixture
def nvim(neovim_build: NeovimBuild) -> Iterator[pynvim.Nvim]:
    with running_neovim(neovim_build, "--clean") as session:
        yield session


def test_the_system_is_listed_first_and_no_release_twice() -> None:
    releases = [".".join(build.name.split(".")[:2]) for build in NEOVIM_BUILDS]

    assert len(set(releases)) == len(releases)
    assert "0.11" in releases


@every_neovim
def test_release_is_the_named_one_with_a_whole_runtime(
    neovim_build: NeovimBuild, nvim: pynvim.Nvim
) -> None:
    version = nvim.exec_lua("local v = vim.version() return v.major .. '.' .. v.minor")

    assert neovim_build.name.startswith(f"{version}.")
    assert nvim.exec_lua("return vim.fn.filereadable(vim.env.VIMRUNTIME .. '/syntax/python.vim')")
    assert nvim.exec_lua("vim.cmd('help') return vim.bo.filetype") == "help"


@every_neovim
def test_children_run_with_the_systems_own_libraries(
    neovim_build: NeovimBuild, nvim: pynvim.Nvim
) -> None:
    lines = nvim.exec_lua(
        """
        local lines, argv = {}, ...
        local job = vim.fn.jobstart(argv, {
          stdout_buffered = true,
          on_stdout = function(_, data) lines = data end,
        })
        return { vim.fn.jobwait({ job }, 20000)[1], lines[1] }
        """,
        [sys.executable, "-c", CHILD],
    )

    assert lines == [0, str([key for key in os.environ if key.startswith("LD_")])]
