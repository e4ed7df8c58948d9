"""Outlines of files in every language that the corpus has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.index.chunk import Block, definitions
from assistant.index.parse import MAX_PARSE_BYTES, enclosing_definition, language_for, outline

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "polyglot"


def found(path: Path, data: bytes | None = None) -> set[tuple[str, str, str]]:
    language = language_for(path)
    assert language is not None
    blocks = outline(language, path.read_bytes() if data is None else data)
    assert blocks is not None
    return {(d.kind, d.scope, d.name) for d in definitions(blocks)}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "src/geometry.py",
            {
                ("class", "", "Circle"),
                ("method", "Circle", "__init__"),
                ("method", "Circle", "area"),
                ("function", "", "total_area"),
            },
        ),
        (
            "src/queue.go",
            {("type", "", "Item"), ("type", "", "Queue"), ("method", "", "Push")}
            | {("function", "", "New")},
        ),
        (
            "src/parser.rs",
            {
                ("struct", "", "Parser"),
                ("impl", "", "Parser"),
                ("method", "Parser", "new"),
                ("method", "Parser", "first_word"),
                ("interface", "", "Visitor"),
                ("method", "Visitor", "visit"),
            },
        ),
        (
            "src/Account.java",
            {("class", "", "Account"), ("method", "Account", "deposit")}
            | {("method", "Account", "balance")},
        ),
        ("src/list.c", {("struct", "", "node"), ("function", "", "push_front")}),
        (
            "web/cart.ts",
            {
                ("interface", "", "LineItem"),
                ("class", "", "Cart"),
                ("method", "Cart", "add"),
                ("method", "Cart", "total"),
                ("function", "", "formatCents"),
            },
        ),
        (
            "web/menu.js",
            {("function", "", "openMenu"), ("function", "", "module.exports.closeMenu")},
        ),
        (
            "scripts/greeter.rb",
            {("module", "", "Greeter"), ("class", "Greeter", "Polite")}
            | {("method", "Greeter.Polite", "greet")},
        ),
        ("scripts/backup.sh", {("function", "", "make_backup")}),
        (
            "scripts/statusline.lua",
            {("function", "", "M.render"), ("function", "", "trim"), ("function", "", "M.short")},
        ),
    ],
)
def test_definitions_are_found(path: str, expected: set[tuple[str, str, str]]) -> None:
    assert expected <= found(CORPUS / path)


def all_blocks(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from all_blocks(block.children)


@pytest.mark.parametrize(
    "path", [p for p in sorted(CORPUS.rglob("*.*")) if p.suffix != ".md"], ids=lambda p: p.name
)
def test_blocks_lie_inside_their_parents_and_the_file(path: Path) -> None:
    data = path.read_bytes()
    blocks = outline(language_for(path) or "", data)
    assert blocks
    for block in all_blocks(blocks):
        assert 0 <= block.start < block.end <= data.count(b"\n") + 1
        for child in block.children:
            assert block.start <= child.start


def test_signatures_are_one_line_without_the_body() -> None:
    blocks = outline(
        "python", b"class A(B):\n    def f(\n        self, x: int\n    ) -> str:\n        pass\n"
    )
    assert blocks is not None
    signatures = {d.name: d.signature for d in definitions(blocks)}
    assert signatures == {"A": "class A(B):", "f": "def f( self, x: int ) -> str:"}


def test_lua_that_starts_with_code_is_read_right() -> None:
    # The grammar's scanner misreads it unless a comment comes first; lines must not shift.
    blocks = outline("lua", b"local M = {}\nfunction M.setup()\nend\nreturn M\n")
    assert blocks is not None
    assert [(b.start, b.end, b.name) for b in blocks if b.kind == "function"] == [(1, 3, "M.setup")]


def test_syntax_errors_leave_the_rest_readable() -> None:
    data = b"def before():\n    return 1\n\n\ndef broken(a):\n    x = = 2 )\n\n\ndef after():\n    return 3\n"
    assert {("function", "", "before"), ("function", "", "after")} <= found(Path("x.py"), data)


def test_very_deep_nesting_is_no_problem() -> None:
    data = b"x = " + b"[\n" * 3000 + b"]\n" * 3000
    assert outline("python", data) is not None


def test_what_can_not_be_parsed_has_no_outline() -> None:
    assert outline("swift-like-nothing", b"x") is None
    assert outline("markdown", b"# x\n") is None
    assert outline("python", b"x = 1\n" * (MAX_PARSE_BYTES // 6 + 1)) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (0, None),
        (6, (5, 14, "Circle")),
        (9, (8, 10, "__init__")),
        (13, (11, 14, "area")),
        (17, (16, 18, "total_area")),
        (500, None),
    ],
)
def test_the_definition_around_a_line(line: int, expected: tuple[int, int, str] | None) -> None:
    source = (CORPUS / "src/geometry.py").read_bytes()
    assert enclosing_definition("python", source, line) == expected


def test_a_decorated_function_begins_at_its_decorator() -> None:
    source = b"import x\n\n@x.cached\ndef f():\n    return 1\n"
    assert enclosing_definition("python", source, 4) == (2, 5, "f")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("b.TSX", "typescriptreact"),
        ("Makefile", "make"),
        ("Dockerfile.dev", "dockerfile"),
        ("c.unknown", None),
        ("noext", None),
    ],
)
def test_languages_by_name(name: str, language: str | None) -> None:
    assert language_for(Path("/somewhere") / name) == language


@pytest.mark.parametrize(
    "path", [p for p in sorted(CORPUS.rglob("*.*")) if p.suffix != ".md"], ids=lambda p: p.name
)
def test_no_file_changes_how_the_next_one_is_read(path: Path) -> None:
    data = path.read_bytes()
    language = language_for(path) or ""
    alone = outline(language, data)
    for end in range(0, len(data), max(1, len(data) // 25)):
        outline(language, data[:end] + b"\"'[[")
        assert outline(language, data) == alone
