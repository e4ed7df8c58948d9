"""What a person attached, as text: what is taken, what is refused, and in which words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from assistant import protocol
from assistant.base import Position, Range
from assistant.chat.attachments import Resolution, Surroundings, resolve


def around(**changes: Any) -> Surroundings:
    fields: dict[str, Any] = {
        "read_document": lambda uri: None,
        "read_file": lambda path: path.read_text(),
        "is_secret": lambda path: path.name == ".env",
        "language_for": lambda path: "python",
        "function_at": lambda language, text, line: (1, 3),
        "diff": lambda root: "",
        **changes,
    }
    return Surroundings(**fields)


def attach(kind: str, root: Path, **fields: Any) -> Resolution:
    item = protocol.Attachment(kind=kind, **fields)  # type: ignore[arg-type]
    return resolve([item], root, around())


def lines(first: int, last: int) -> Range:
    return Range(start=Position(line=first, character=0), end=Position(line=last, character=0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("one\ntwo\nthree\nfour\n")
    (tmp_path / ".env").write_text("TOKEN=1\n")
    return tmp_path


def test_a_file_by_name_is_attached_whole(root: Path) -> None:
    (item,) = attach("file", root, name="a.py").attached
    assert (item.label, item.text, item.path) == ("a.py:1-4", "one\ntwo\nthree\nfour", "a.py")


def test_a_selection_is_its_lines_and_a_function_what_stands_around_the_cursor(root: Path) -> None:
    uri = f"file://{root}/a.py"
    (item,) = attach("selection", root, uri=uri, range=lines(1, 3)).attached
    assert (item.label, item.text) == ("a.py:2-3", "two\nthree")
    (item,) = attach("function", root, uri=uri, range=lines(2, 2)).attached
    assert (item.label, item.text) == ("a.py:2-3", "two\nthree")


def test_where_there_is_no_function_the_whole_file_is_meant(root: Path) -> None:
    where = protocol.Attachment(kind="function", uri=f"file://{root}/a.py", range=lines(0, 0))
    found = resolve([where], root, around(function_at=lambda language, text, line: None))
    assert found.attached[0].label == "a.py:1-4"


def test_unsaved_text_wins_over_the_file(root: Path) -> None:
    item = protocol.Attachment(kind="buffer", uri=f"file://{root}/a.py")
    found = resolve([item], root, around(read_document=lambda uri: "unsaved\n"))
    assert found.attached[0].text == "unsaved"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".env", "looks like a secret"),
        ("../outside.py", "outside the project"),
        ("/etc/passwd", "outside the project"),
        ("nowhere.py", "no such file"),
    ],
)
def test_what_may_not_or_can_not_be_read_is_refused_in_words(
    root: Path, name: str, said: str
) -> None:
    (root.parent / "outside.py").write_text("x")
    found = attach("file", root, name=name)
    assert not found.attached and said in found.refused[0]


def test_a_link_out_of_the_project_is_refused(root: Path) -> None:
    (root / "link.py").symlink_to("/etc/hostname")
    assert "outside" in attach("file", root, name="link.py").refused[0]


def test_a_link_to_a_secret_is_a_secret(root: Path) -> None:
    (root / "notes.txt").symlink_to(".env")
    assert "looks like a secret" in attach("file", root, name="notes.txt").refused[0]
    found = attach("buffer", root, uri=f"file://{root}/notes.txt")
    assert not found.attached and "looks like a secret" in found.refused[0]


def test_lines_of_a_file_by_name_do_not_reach_out_of_the_project_either(root: Path) -> None:
    where = {"uri": "file:///etc/hostname", "range": lines(0, 1)}
    found = attach("selection", root, name="/etc/hostname", **where)
    assert not found.attached and "outside the project" in found.refused[0]
    # The person's own selection in an open file has no name: it may lie anywhere.
    assert attach("selection", root, **where).attached


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert "no ordinary file" in attach("file", root, name="pipe").refused[0]


@pytest.mark.parametrize("name", ["loop", "a\0b", "x" * 5000])
def test_what_can_be_no_path_is_refused(root: Path, name: str) -> None:
    (root / "loop").symlink_to("loop")
    found = attach("file", root, name=name)
    assert not found.attached and len(found.refused) == 1
    assert attach("buffer", root, uri="file://[bad").refused


def test_lines_that_are_not_there_are_said(root: Path) -> None:
    uri = f"file://{root}/a.py"
    found = attach("selection", root, uri=uri, range=lines(100, 110))
    assert found.refused == ("a.py:101: it has 4 lines",) and not found.attached
    assert attach("selection", root, uri=uri, range=lines(3, 110)).attached[0].label == "a.py:4-4"


def test_the_rest(root: Path) -> None:
    assert attach("codebase", root).wants_codebase
    assert attach("symbol", root, name="Circle").symbols == ("Circle",)
    assert "nothing is changed" in attach("diff", root).refused[0]
    changed = resolve(
        [protocol.Attachment(kind="diff")], root, around(diff=lambda root: "-a\n+b\n")
    )
    assert changed.attached[0].text == "-a\n+b\n"
    assert attach("diagnostics", root, text="E1").attached[0].text == "E1"
    assert attach("diagnostics", root).refused
