"""What a syntax tree is turned into, on every language of the corpus."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from assistant.index import languages, parse
from assistant.index.chunk import Definition, definitions
from assistant.index.languages import language_for
from assistant.index.parse import enclosing_definition, outline

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "mixed"

EXPECTED = {
    "python/geometry.py": {
        *("variable EPSILON", "class Circle", "method Circle.area", "method Circle.scaled"),
        *("class Circle.Builder", "method Circle.Builder.with_radius"),
        *("function distance_between", "function distance_between.square"),
        *("function fetch_polygon", "function is_round"),
    },
    "lua/setup.lua": {
        *("variable M", "variable defaults", "function M.setup", "function M:open_window"),
        *("function M:open_window.center", "function M.close", "function is_open"),
    },
    "web/cart.ts": {
        *("interface CartLine", "type Total", "enum Currency", "class ShoppingCart"),
        *("method ShoppingCart.constructor", "method ShoppingCart.addProduct"),
        *("method ShoppingCart.total", "function formatPrice", "function checkout"),
    },
    "web/view.tsx": {"function CartBadge", "function EmptyCart"},
    "native/list.c": {"struct node", "function list_push", "function list_length"},
    "native/server.go": {
        *("type Handler", "type Greeter", "variable maxRequests", "function NewHandler"),
        "method ServeHTTP",
    },
    "native/matrix.hpp": {
        *("module algebra", "class algebra.Matrix", "method algebra.Matrix.Matrix"),
        *("method algebra.Matrix.at", "enum algebra.Order"),
    },
    "native/lib.rs": {
        *("struct Counter", "interface Count", "method Count.count", "impl Counter"),
        *("method Counter.count", "function most_common", "function square", "module inner"),
    },
    "native/Account.java": {
        *("class Account", "method Account.Account", "method Account.toString"),
        *("interface Account.Listener", "method Account.Listener.onChange", "enum Account.Kind"),
    },
    "text/bom.cs": {"class Basket", "method Basket.Clear"},
    "text/tool.rb": {
        *("module Tools", "class Tools.Hammer", "method Tools.Hammer.heavy"),
        "method Tools.Hammer.hit",
    },
    "text/no_newline.sh": {"function greet"},
}


def named(path: Path) -> list[Definition]:
    return list(definitions(outline(language_for(path) or "text", path.read_bytes()) or ()))


@pytest.mark.parametrize("name", EXPECTED)
def test_definitions_are_found_with_kind_and_scope(name: str) -> None:
    found = {f"{d.kind} {d.scope}{'.' * bool(d.scope)}{d.name}" for d in named(CORPUS / name)}
    # The grammars of the two packages differ in what else they show.
    assert EXPECTED[name] <= found
    assert len(found - EXPECTED[name]) <= 4, found - EXPECTED[name]


def test_a_definition_begins_at_its_decorator_and_ends_with_its_body() -> None:
    path = CORPUS / "python" / "geometry.py"
    lines = path.read_text().splitlines()
    area = next(d for d in named(path) if d.name == "area")
    assert lines[area.start_line].strip() == "@property"
    assert lines[area.end_line - 1].strip() == "return math.pi * self.radius**2"
    assert area.signature == "def area(self) -> float:"


def test_the_second_of_two_packages_grammars_is_not_needed_to_skip_a_file() -> None:
    assert outline("text", b"hello") is None
    assert outline("vue", (CORPUS / "web" / "page.vue").read_bytes()) is None
    assert outline("no such language", b"x") is None


def test_a_file_that_does_not_parse_still_gives_what_it_has() -> None:
    path = CORPUS / "web" / "broken.js"
    blocks = outline("javascript", path.read_bytes())
    assert blocks
    assert all(0 <= block.start < block.end for block in blocks)


def test_a_file_over_the_limit_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_PARSE_BYTES", 10)
    assert outline("python", b"def function():\n    pass\n") is None


def test_deep_nesting_ends() -> None:
    for source in (b"(" * 20_000, b"[\n" * 20_000, b"if a:\n" * 5_000):
        assert outline("python", source) is not None


def test_a_byte_order_mark_hides_nothing() -> None:
    blocks = outline("python", b"\xef\xbb\xbfdef first():\n    return 1\n")
    assert blocks is not None
    assert (blocks[0].name, blocks[0].signature) == ("first", "def first():")


def test_lines_of_a_lua_file_are_counted_from_its_own_first_line() -> None:
    blocks = outline("lua", b"local function f()\nend\nlocal function g()\nend\n")
    assert [(b.start, b.end, b.name) for b in blocks or ()] == [(0, 2, "f"), (2, 4, "g")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (28, "with_radius"),
        (20, "area"),
        (14, "Circle"),
        (36, "square"),
        (0, None),
        (10_000, None),
    ],
)
def test_what_encloses_a_line(line: int, expected: str | None) -> None:
    path = CORPUS / "python" / "geometry.py"
    found = enclosing_definition("python", path.read_bytes(), line)
    assert (found[2] if found else None) == expected


def test_every_grammar_that_a_table_names_loads() -> None:
    absent = []
    for language in {*languages._BY_SUFFIX.values(), *languages._BY_NAME.values()}:
        grammar = languages.grammar_for(language)
        if grammar is not None and parse._load(grammar) is None:
            absent.append(language)
    # The older package lacks these, they are cut as plain text there; the newer one has them.
    older = {"swift", "dart", "zig", "vue", "svelte", "vim", "fish", "ps1", "nix", "clojure"}
    if sys.version_info < (3, 13):
        assert set(absent) <= older | {"cmake", "graphql", "fsharp", "terraform"}, absent
    else:
        assert set(absent) <= {"lisp", "fsharp", "elisp"}, absent
    assert len(absent) < 15


def test_no_warning_reaches_the_person() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse._load("python") is not None


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("Makefile", "make"),
        ("Dockerfile.dev", "dockerfile"),
        ("CMakeLists.txt", "cmake"),
        ("x.TSX", "typescriptreact"),
        ("README", None),
        (".bashrc", "sh"),
        ("noext.", None),
    ],
)
def test_languages_by_name(name: str, language: str | None) -> None:
    assert language_for(Path("dir") / name) == language
