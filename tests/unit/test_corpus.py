"""A small project of many languages and hard files, from bytes to search results."""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

import pytest

from assistant.index import languages, material, parse
from assistant.index.chunk import definitions
from assistant.index.indexer import IndexCounts, Indexer, IndexOptions
from assistant.index.languages import language_for
from assistant.index.parse import outline
from assistant.retrieve.query import Retriever

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "mixed"
FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())
OPTIONS = IndexOptions((), (), "auto", None, lexical_only=True, force=False)

DEFINITIONS = {
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


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, IndexCounts]:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    shutil.copytree(CORPUS, root)
    return root, Indexer().run(root, OPTIONS, lambda *_: None, lambda: False)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions_are_found_with_kind_and_scope(name: str) -> None:
    path = CORPUS / name
    blocks = outline(language_for(path) or "text", path.read_bytes()) or ()
    found = {f"{d.kind} {d.scope}{'.' * bool(d.scope)}{d.name}" for d in definitions(blocks)}
    assert DEFINITIONS[name] <= found
    # The grammars of the two packages differ in what else they show.
    assert len(found - DEFINITIONS[name]) <= 4, found - DEFINITIONS[name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_chunks_are_the_bytes_of_the_file(path: Path) -> None:
    data = path.read_bytes()
    chunks, symbols = material.of(path.name, language_for(path) or "text", data)
    assert b"".join(chunk.text for chunk in chunks) == data
    lines = data.splitlines(keepends=True) if b"\r" not in data else None
    for chunk in chunks:
        if lines is not None and "separator" not in path.read_text("utf-8", "replace"):
            assert chunk.text == b"".join(lines[chunk.start_line : chunk.end_line])
    assert all(0 <= symbol.chunk_index < len(chunks) for symbol in symbols)
    for symbol in symbols:
        holder = chunks[symbol.chunk_index]
        assert holder.start_line <= symbol.start_line < holder.end_line


def test_only_latin_1_is_left_out(indexed: tuple[Path, IndexCounts]) -> None:
    _, counts = indexed
    assert counts.skipped == {"encoding": 1}
    assert counts.files == len(FILES) - 1
    assert counts.languages["text"] == 3 and counts.languages["python"] == 1


@pytest.mark.parametrize(
    ("query", "path", "symbol"),
    [
        ("ShoppingCart.addProduct", "web/cart.ts", "addProduct"),
        ("format a price with two digits", "web/cart.ts", "formatPrice"),
        ("most common word counter", "native/lib.rs", "most_common"),
        ("Euclidean distance of two points", "python/geometry.py", "distance_between"),
        ("emoji family flags", "text/emoji.md", None),
        ("漢字", "text/emoji.md", None),
        ("increment", "web/page.vue", None),
        ("too many requests handler", "native/server.go", None),
        ("list_push", "native/list.c", "list_push"),
        ("alsoFine", "web/broken.js", None),
    ],
)
def test_the_right_place_comes_first(
    indexed: tuple[Path, IndexCounts], query: str, path: str, symbol: str | None
) -> None:
    root, _ = indexed
    retriever = Retriever()
    hits = retriever.search(root, query, 3, None)
    retriever.close()
    assert hits and hits[0].path == path
    if symbol is not None:
        assert hits[0].symbol == symbol
    raw = (root / path).read_bytes().split(b"\n")
    shown = b"\n".join(raw[hits[0].start_line - 1 : hits[0].end_line]).decode()
    assert hits[0].text.rstrip("\n") == shown.rstrip("\n")


def test_every_grammar_that_a_table_names_loads() -> None:
    absent = set()
    for language in {*languages._BY_SUFFIX.values(), *languages._BY_NAME.values()}:
        grammar = languages.grammar_for(language)
        if grammar is not None and parse._load(grammar) is None:
            absent.add(language)
    # What the older package lacks is cut as plain text there; the newer one has it.
    older = {"swift", "dart", "zig", "vue", "svelte", "vim", "fish", "ps1", "nix", "clojure"}
    known = older | {"cmake", "graphql"} if sys.version_info < (3, 13) else {"lisp", "elisp"}
    assert absent <= known | {"fsharp"}


def test_loading_a_grammar_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse._load("python") is not None
