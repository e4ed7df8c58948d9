"""Every release of Neovim that the suite uses really runs, with its own runtime, and lets its
children be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pynvim
import pytest

from tests.support import neovim as support
from tests.support.neovim import NEOVIM_BUILDS, NeovimBuild, every_neovim, running_neovim
from tools import neovim as tool

CHILD = "import os, ssl; print([k for k in os.environ if k.startswith('LD_')])"


@pytest.fixture
def nvim(neovim_build: NeovimBuild) -> Iterator[pynvim.Nvim]:
    with running_neovim(neovim_build, "--clean") as session:
        yield session


def test_the_system_is_listed_first_and_no_release_twice() -> None:
    releases = [".".join(build.name.split(".")[:2]) for build in NEOVIM_BUILDS]

    assert len(set(releases)) == len(releases)
    assert "0.11" in releases


def test_a_release_that_cant_be_had_is_skipped_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tool, "_wheel", lambda: NeovimBuild("0.11.4", ("nvim",)))

    tool.fetch()
    monkeypatch.setattr(support, "NEOVIM_BUILDS", tool.builds())
    skipped = {
        param.id: param.marks[-1].kwargs["reason"]
        for param in support.neovim_params()
        if param.marks[-1].name == "skip"
    }

    assert "Neovim 0.10.4: needs apt-get, which is not on this machine" in capsys.readouterr().out
    assert skipped == {
        "nvim-system": "Neovim system: there is no nvim on the PATH",
        "nvim-0.7.2": "Neovim 0.7.2: needs apt-get, which is not on this machine",
        "nvim-0.10.4": "Neovim 0.10.4: needs apt-get, which is not on this machine",
        "nvim-0.12": "Neovim 0.12: needs apt-get, which is not on this machine",
    }


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
