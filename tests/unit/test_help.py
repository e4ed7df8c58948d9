"""The help is what the code says, and Neovim can read it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.neovim import NeovimBuild, neovim_params, running_neovim
from tools import gen_help


@pytest.mark.parametrize("neovim_build", neovim_params())
def test_generated_sections_are_up_to_date(neovim_build: NeovimBuild) -> None:
    found = gen_help.load(neovim_build)
    text = gen_help.HELP.read_text("utf-8")
    assert gen_help.generate(text, found) == text, "run 'make doc'"


@pytest.mark.parametrize("neovim_build", neovim_params())
def test_tags_are_unique_and_links_lead_somewhere(
    neovim_build: NeovimBuild, tmp_path: Path
) -> None:
    (tmp_path / "doc").mkdir()
    shutil.copy(gen_help.HELP, tmp_path / "doc")
    text = gen_help.HELP.read_text("utf-8")
    with running_neovim(neovim_build, "--clean") as nvim:
        nvim.command(f"set rtp^={tmp_path}")
        nvim.command(f"helptags {tmp_path}/doc")
        links = set(re.findall(r"(?<!\S)\|([^\s|]+)\||\(see\s\|([^\s|]+)\|", text))
        dead = [
            link
            for pair in links
            for link in pair
            if link and link not in nvim.funcs.getcompletion(link, "help")
        ]
    assert dead == []


def test_lines_fit_the_width() -> None:
    lines = gen_help.HELP.read_text("utf-8").splitlines()
    assert [line for line in lines if len(line) > gen_help.WIDTH] == []


def test_every_highlight_and_event_is_documented() -> None:
    text = gen_help.HELP.read_text("utf-8")
    files = [path for path in (gen_help.REPO / "lua").rglob("*.lua") if path.parent.name != "rpc"]
    lua = [path.read_text("utf-8") for path in files]
    named = set(re.findall(r"'(Assistant[A-Z]\w+)'", "\n".join(lua)))
    assert {name for name in named if name not in text} == set()
