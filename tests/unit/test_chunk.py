"""Chunks cover the file, exactly and once; what they are named after."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.index.chunk import MAX_WEIGHT, Block, Chunk, chunks, embedded_text, headings
from assistant.index.parse import language_for, outline

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "polyglot"
REPO = Path(__file__).resolve().parents[2]


def check(data: bytes, found: list[Chunk]) -> None:
    """Holds for every file: whole lines, in order, no gap, no overlap, nothing left out."""
    assert b"".join(data[c.start_byte : c.end_byte] for c in found) == data
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert [c.start_line for c in found] == [0, *(c.end_line for c in found)][: len(found)]
    assert not found or found[-1].end_line == len(lines)
    for chunk in found:
        text = data[chunk.start_byte : chunk.end_byte]
        assert chunk.start_line < chunk.end_line
        assert text.rstrip(b"\n").split(b"\n") or text
        assert chunk.start_byte == sum(len(line) + 1 for line in lines[: chunk.start_line])


LINE = st.one_of(
    st.just(""),
    st.sampled_from(["def f():", "    return x + 1", "\tif a:", "}", "# é 😀 中文", "x = 1\r"]),
    st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=60),
    st.integers(1, 400).map(lambda n: "word " * n),
)
TEXT = st.builds(
    lambda lines, end: ("\n".join(lines) + end).encode(),
    st.lists(LINE, max_size=60),
    st.sampled_from(["", "\n"]),
)


def block_in(start: int, end: int, depth: int = 0) -> st.SearchStrategy[tuple[Block, ...]]:
    """Makes blocks in order inside a range, some of them on shared lines, as parsers give them."""
    if end <= start or depth > 3:
        return st.just(())

    def build(cuts: list[int]) -> st.SearchStrategy[tuple[Block, ...]]:
        borders = sorted(cuts)
        ranges = [(a, max(a + 1, b)) for a, b in pairwise(borders)]
        one = [
            st.builds(
                lambda kind, children, a=a, b=b: Block(
                    a, b, kind, f"n{a}" if kind else None, f"sig {a}", children
                ),
                st.sampled_from([None, "function", "class", "variable"]),
                block_in(a, b, depth + 1),
            )
            for a, b in ranges
        ]
        return st.tuples(*one)

    return st.lists(st.integers(start, end - 1), max_size=5).flatmap(build)


@settings(max_examples=150, deadline=None)
@given(TEXT)
def test_plain_text_is_covered_exactly_once(data: bytes) -> None:
    check(data, chunks(data, ()))


@settings(max_examples=150, deadline=None)
@given(TEXT.flatmap(lambda data: st.tuples(st.just(data), block_in(0, data.count(b"\n") + 1))))
def test_any_blocks_leave_the_file_covered_exactly_once(
    case: tuple[bytes, tuple[Block, ...]],
) -> None:
    data, blocks = case
    check(data, chunks(data, blocks))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["python", "lua", "typescript", "c", "sh"]))
def test_garbage_in_any_grammar_is_covered(data: bytes, language: str) -> None:
    check(data, chunks(data, outline(language, data) or ()))


@pytest.mark.parametrize("path", sorted(CORPUS.rglob("*.*")), ids=lambda p: p.name)
def test_the_corpus_is_covered(path: Path) -> None:
    data = path.read_bytes()
    check(data, chunks(data, outline(language_for(path) or "", data) or ()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n\n",
        b"x",
        b"a = 1\r\nb = 2\r\n",
        b"\xef\xbb\xbfimport os\n\n\ndef f():\n\treturn '\xf0\x9f\x98\x80'\n",
        b"x = 1;" * 2000,
        b"\x0c\n\x85\n\xe2\x80\xa8\n",
    ],
)
def test_awkward_files_are_covered(data: bytes) -> None:
    check(data, chunks(data, outline("python", data) or ()))


def test_real_files_give_chunks_that_fit_the_embedder() -> None:
    from assistant.index.chunk import _TOKENS

    for path in sorted((REPO / "assistant").rglob("*.py")):
        data = path.read_bytes()
        found = chunks(data, outline("python", data) or ())
        check(data, found)
        for chunk in found:
            weight = len(_TOKENS.findall(data[chunk.start_byte : chunk.end_byte]))
            assert weight <= MAX_WEIGHT or chunk.end_line - chunk.start_line == 1, path


def test_a_small_file_is_one_chunk_named_after_its_largest_definition() -> None:
    data = b"import os\n\nX = 1\n\ndef f():\n    return X\n"
    (chunk,) = chunks(data, outline("python", data) or ())
    assert (chunk.symbol, chunk.kind, chunk.signature) == ("f", "function", "def f():")


def body(lines: int) -> bytes:
    return b"".join(b"        value_%d = self.compute(%d)\n" % (n, n) for n in range(lines))


def test_large_definitions_stand_alone_with_their_scope() -> None:
    data = (
        b"class A(Base):\n    def first(self):\n"
        + body(14)
        + b"\n    def second(self):\n"
        + body(14)
    )
    found = chunks(data, outline("python", data) or ())
    assert [(c.symbol, c.scope) for c in found][-2:] == [("first", "A"), ("second", "A")]
    assert found[-1].header == "class A(Base):"
    assert embedded_text(found[-1], data).startswith("class A(Base):\n    def second(self):\n")


def test_a_definition_that_is_too_large_is_cut_and_keeps_its_name() -> None:
    data = b"def long_one(a):\n" + b"".join(b"    step_%d(a, %d)\n" % (n, n) for n in range(120))
    found = chunks(data, outline("python", data) or ())
    assert len(found) > 2
    assert {c.symbol for c in found} == {"long_one"}
    assert found[0].header == "" and found[1].header == "def long_one(a):"


def test_a_comment_stays_with_the_definition_below_it() -> None:
    data = b"def f():\n    return 1\n\n# About g,\n# in two lines.\ndef g():\n" + body(16)
    texts = [data[c.start_byte : c.end_byte] for c in chunks(data, outline("python", data) or ())]
    assert any(b"# About g" in text and b"def g()" in text for text in texts)


def test_markdown_is_cut_at_headings_outside_fences() -> None:
    data = (CORPUS / "README.md").read_bytes()
    assert [block.name for block in headings(data)] == ["Polyglot", "Install", "Licence"]
    check(data, chunks(data, headings(data)))
