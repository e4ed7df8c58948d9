"""What the written documents say is there is there, and what is there is in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assistant import errors
from assistant.cli import app
from assistant.protocol import Method
from assistant.settings import Section, Settings

REPO = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/contract.md")
CONTRACT = (REPO / "docs/contract.md").read_text("utf-8")
README = (REPO / "README.md").read_text("utf-8")
HEADING_OF_COMMANDS = {CONTRACT: "## 1. The editor", README: "## Commands"}
NAMED_FILE = r"`((?:assistant|lua|plugin|rplugin|tests|tools|docs|doc)/[\w./]*(?:/|\.\w+))`"


def first_column(text: str) -> set[str]:
    """Returns what stands in backquotes first in every table row."""
    return set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))


def section(text: str, heading: str) -> str:
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    return text[start:].split("\n## ")[0]


def option_names(model: type[Section], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            names |= option_names(kind, f"{prefix}{name}.")
        else:
            names.add(f"{prefix}{name}")
    return names


def test_contract_names_every_method_and_no_other() -> None:
    methods = {value for key, value in vars(Method).items() if key.isupper()}

    assert first_column(section(CONTRACT, "## 3. JSON-RPC 2.0 on the unix socket")) == methods


def test_contract_names_every_error_with_its_code() -> None:
    classes = {
        (str(kind.code), kind.__name__)
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.AssistantError)
        and kind is not errors.AssistantError
    }

    assert set(re.findall(r"^\| (-?\d+) \| `(\w+)` \|", CONTRACT, re.MULTILINE)) == classes


def test_contract_names_every_command_of_the_command_line() -> None:
    commands = {
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    }
    rows = first_column(section(CONTRACT, "## 2. The command line"))

    assert {row.split()[1] for row in rows} == commands


@pytest.mark.parametrize("text", [CONTRACT, README], ids=["contract", "README"])
def test_documents_name_every_command_of_the_editor_and_no_other(text: str) -> None:
    plugin = (REPO / "plugin/assistant.lua").read_text("utf-8")
    defined = set(re.findall(r"^  (\w+) = \{$", plugin, re.MULTILINE))

    assert defined
    assert set(re.findall(r"`:AI(\w+)", section(text, HEADING_OF_COMMANDS[text]))) == defined


def test_readme_names_only_options_that_exist() -> None:
    rows = first_column(section(README, "## Configuration"))

    assert rows
    assert rows <= option_names(Settings) | {"keymaps", "command_prefix", "python"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = REPO / document
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_make_targets_exist(document: str) -> None:
    makefile = (REPO / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))
    named = re.findall(r"`make (?:-C \S+ )?([a-z][a-z0-9-]*)", (REPO / document).read_text("utf-8"))

    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_files_exist(document: str) -> None:
    named = re.findall(NAMED_FILE, (REPO / document).read_text("utf-8"))

    assert [name for name in named if not (REPO / name).exists()] == []
