"""Open documents: whole-line changes, byte columns, roots."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import protocol
from assistant.base import Position, Range
from assistant.daemon.documents import (
    Document,
    DocumentStore,
    is_excluded,
    may_index_unasked,
    root_of,
)
from assistant.errors import ContentModified, RequestFailed

TEXT = st.text(alphabet=st.sampled_from("aé漢😀\t\r\x0b\x85\u2028 \n"), max_size=40)


def opened(text: str, version: int = 1) -> tuple[DocumentStore, Document]:
    store = DocumentStore()
    item = protocol.TextDocumentItem(uri="file:///a.py", version=version, text=text)
    return store, store.open(item)


def lines(first: int, last: int) -> Range:
    return Range(start=Position(line=first, character=0), end=Position(line=last, character=0))


@given(TEXT)
def test_the_text_is_kept_to_the_byte(text: str) -> None:
    assert opened(text)[1].text == text


@given(st.lists(TEXT, min_size=1, max_size=6), st.data())
def test_whole_line_changes_equal_the_same_change_on_a_list(
    texts: list[str], data: st.DataObject
) -> None:
    content = [text.replace("\n", "") + "\n" for text in texts]
    _, document = opened("".join(content))
    first = data.draw(st.integers(0, len(content)))
    last = data.draw(st.integers(first, len(content)))
    new = [text.replace("\n", "") + "\n" for text in data.draw(st.lists(TEXT, max_size=3))]
    document.change(lines(first, last), "".join(new))
    assert document.text == "".join(content[:first] + new + content[last:])


@given(TEXT, st.integers(0, 6), st.integers(0, 60))
def test_splitting_loses_nothing(text: str, line: int, character: int) -> None:
    before, after = opened(text)[1].split(line, character)
    assert before + after == text


@pytest.mark.parametrize(
    ("character", "before"),
    [(0, ""), (1, "a"), (3, "aé"), (2, "a"), (6, "aé漢"), (10, "aé漢😀"), (99, "aé漢😀")],
)
def test_columns_are_bytes_and_never_cut_a_character(character: int, before: str) -> None:
    assert opened("aé漢😀\n")[1].split(0, character)[0] == before


def test_a_change_inside_a_line_is_taken_too() -> None:
    _, document = opened("one two\nthree\n")
    where = Range(start=Position(line=0, character=4), end=Position(line=1, character=2))
    document.change(where, "2\nth")
    assert document.text == "one 2\nthree\n"


def test_a_change_outside_the_document_forgets_it() -> None:
    store, _ = opened("one\n")
    changes = [protocol.ContentChange(range=lines(5, 6), text="x\n")]
    reference = protocol.VersionedTextDocument(uri="file:///a.py", version=2)
    with pytest.raises(ContentModified):
        store.change(protocol.DidChangeParams(text_document=reference, content_changes=changes))
    assert store.get("file:///a.py") is None


def test_another_version_is_refused() -> None:
    store, _ = opened("one\n", version=3)
    with pytest.raises(ContentModified, match="at version 3"):
        store.at(protocol.VersionedTextDocument(uri="file:///a.py", version=4))
    with pytest.raises(ContentModified, match="not open"):
        store.at(protocol.VersionedTextDocument(uri="file:///b.py", version=1))


def test_a_document_over_the_limit_is_refused() -> None:
    with pytest.raises(RequestFailed, match="1 MiB"):
        opened("x" * (protocol.MAX_DOCUMENT_BYTES + 1))


def test_the_root_is_the_nearest_ancestor_with_a_marker(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    (inner / "src").mkdir(parents=True)
    (tmp_path / "outer" / ".git").mkdir()
    assert root_of(inner / "src" / "a.py", None) == tmp_path / "outer"
    (inner / ".assistant.toml").touch()
    assert root_of(inner / "src" / "a.py", None) == inner


def test_without_a_marker_the_initialize_root_counts_where_it_contains_the_file(
    tmp_path: Path,
) -> None:
    assert root_of(tmp_path / "a" / "b.py", tmp_path) == tmp_path
    assert root_of(Path("/elsewhere/b.py"), tmp_path) is None
    assert root_of(None, tmp_path) == tmp_path


def test_home_and_unmarked_folders_are_not_indexed_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    assert may_index_unasked(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not may_index_unasked(tmp_path)
    assert not may_index_unasked(Path("/"))
    (tmp_path / "plain").mkdir()
    assert not may_index_unasked(tmp_path / "plain")


@pytest.mark.parametrize(
    ("glob", "expected"),
    [("*.md", True), ("docs/*", True), ("README.md", True), ("*.py", False), ("src/*", False)],
)
def test_globs_match_names_and_paths_under_the_root(glob: str, expected: bool) -> None:
    root = Path("/p")
    assert is_excluded(root / "docs" / "README.md", root, [glob]) is expected
