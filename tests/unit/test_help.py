"""The help: generated parts are up to date, tags are unique, links lead somewhere, nothing is missing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pynvim
import pytest

from tests.support.neovim import NeovimBuild, every_neovim, neovim_params, running_neovim
from tools import gen_help

REPO = Path(__file__).resolve().parents[2]
TEXT = gen_help.HELP.read_text("utf-8")
LUA = "\n".join(path.read_text("utf-8") for path in sorted((REPO / "lua").rglob("*.lua")))
TAGS = set(re.findall(r"(?:^|\s)\*([^*\s]+)\*(?=\s)", TEXT))
EXISTS = """
return vim.tbl_filter(function(tag)
  return not vim.tbl_contains(vim.fn.getcompletion(tag, 'help'), tag)
end, ...)
"""


@pytest.fixture(params=neovim_params("0.7"))
def nvim(request: pytest.FixtureRequest) -> Iterator[pynvim.Nvim]:
    with running_neovim(request.param, "--clean", "--cmd", f"set rtp^={REPO}") as nvim:
        yield nvim


def test_generated_sections_are_what_the_code_says() -> None:
    assert gen_help.generated(TEXT, gen_help.read()) == TEXT, "run 'make doc'"


def test_a_section_without_its_heading_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\*assistant-commands\*"):
        gen_help.generated("nothing", {"commands": {}})


@every_neovim
def test_helptags_has_nothing_to_say(neovim_build: NeovimBuild, tmp_path: Path) -> None:
    shutil.copy(gen_help.HELP, tmp_path)
    with running_neovim(neovim_build, "--clean") as nvim:
        nvim.command(f"helptags {tmp_path}")
        assert nvim.vvars["errmsg"] == ""

    written = {line.split("\t")[0] for line in (tmp_path / "tags").read_text("utf-8").splitlines()}
    assert written == TAGS


def test_links_lead_somewhere(nvim: pynvim.Nvim) -> None:
    links = set(re.findall(r"\|([^|\s]+)\|", TEXT))
    assert len(links) > 20
    assert nvim.exec_lua(EXISTS, sorted(links - TAGS)) == []


def test_functions_of_the_public_api_are_described_and_no_other(nvim: pynvim.Nvim) -> None:
    functions = nvim.exec_lua("return vim.tbl_keys(require('assistant'))")
    assert {f"assistant.{name}()" for name in functions} == {
        tag for tag in TAGS if tag.endswith("()")
    }


def test_events_that_are_emitted_are_described() -> None:
    emitted = set(re.findall(r"emit\(\s*'(\w+)'", LUA))
    assert "AssistantReady" in emitted
    section = TEXT.split("*assistant-events*")[1].split("\n====")[0]
    assert set(re.findall(r"^(Assistant\w+)", section, re.MULTILINE)) == emitted


def test_highlights_that_are_set_are_described() -> None:
    quoted = set(re.findall(r"\b(Assistant(?:Ghost|Chat[A-Z]\w+))\b", LUA)) - {"AssistantChatDone"}
    assert "AssistantGhost" in quoted
    assert {f"hl-{name}" for name in quoted} == {tag for tag in TAGS if tag.startswith("hl-")}


def test_mentions_that_are_understood_are_described(nvim: pynvim.Nvim) -> None:
    words = nvim.exec_lua(
        "return vim.tbl_map(function(w) return w.word end, require('assistant.chat.mentions').words)"
    )
    section = TEXT.split("*assistant-mentions*")[1].split("\n====")[0]
    assert re.findall(r"^(@\w+:?)", section, re.MULTILINE) == words


def test_lines_fit_a_help_window() -> None:
    assert [line for line in TEXT.splitlines() if len(line) > gen_help.WIDTH] == []
