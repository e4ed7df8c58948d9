"""The searcher on a real index: rebuilds what is broken, searches exactly where Chroma can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import IndexNotReady, RemoteForbidden
from assistant.index.indexer import Indexer, IndexOptions, clear
from assistant.index.searcher import Searcher, VectorOptions
from assistant.retrieve.query import Retriever

OPTIONS = VectorOptions()
FILES = {
    "shapes.py": "class Circle:\n    def area(self):\n        return 3.14 * self.radius ** 2\n",
    "words.py": "def count_words(text):\n    return len(text.split())\n",
}


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home and a project in it, indexed once."""
    base = tmp_path_factory.mktemp("searcher")
    root = base / "project"
    root.mkdir()
    for name, text in FILES.items():
        (root / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSISTANT_HOME", str(base / "home"))
        run_index(root)
    return base / "home", root


@pytest.fixture
def root(indexed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSISTANT_HOME", str(indexed[0]))
    return indexed[1]


def run_index(root: Path, *, lexical_only: bool = False) -> None:
    options = IndexOptions(
        exclude=(),
        include_secrets=(),
        embedder="auto",
        ollama_host=None,
        lexical_only=lexical_only,
        force=False,
    )
    Indexer().run(root, options, lambda *_: None, lambda: False)


def best_path(root: Path, found: list[tuple[int, float]]) -> str:
    retriever = Retriever()
    try:
        return retriever.search(root, "", 1, found)[0].path
    finally:
        retriever.close()


def test_a_query_finds_the_chunk_by_its_meaning(root: Path) -> None:
    searcher = Searcher()
    try:
        assert searcher.sync(root, OPTIONS) >= 0
        found = searcher.query(root, "surface of a disc", 2, OPTIONS)
        assert best_path(root, found) == "shapes.py"
        assert searcher.sync(root, OPTIONS) == 0, "nothing has changed"
    finally:
        searcher.close()


def test_while_another_process_owns_chroma_the_search_is_exact(root: Path) -> None:
    owner, other = Searcher(), Searcher()
    try:
        found = owner.query(root, "how many words", 2, OPTIONS)
        exact = other.query(root, "how many words", 2, OPTIONS)
        assert [chunk for chunk, _ in exact] == [chunk for chunk, _ in found]
        assert best_path(root, exact) == "words.py"
    finally:
        owner.close()
        other.close()


def test_a_store_that_is_broken_on_disk_is_rebuilt_from_the_ledger(
    root: Path, indexed: tuple[Path, Path]
) -> None:
    first = Searcher()
    first.sync(root, OPTIONS)
    first.close()
    (database,) = indexed[0].glob("data/index/*/vectors/*/chroma/chroma.sqlite3")
    database.write_bytes(b"no database at all" * 1000)
    (database.parents[1] / "dirty").touch()
    second = Searcher()
    try:
        assert best_path(root, second.query(root, "circle", 1, OPTIONS)) == "shapes.py"
        assert not database.exists(), "the broken generation is gone"
    finally:
        second.close()


def test_without_vectors_the_index_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    run_index(root, lexical_only=True)
    searcher = Searcher()
    try:
        with pytest.raises(IndexNotReady):
            searcher.query(root, "x", 1, OPTIONS)
    finally:
        searcher.close()
    clear(root)


def test_a_chroma_server_off_this_machine_is_refused(root: Path) -> None:
    searcher = Searcher()
    try:
        with pytest.raises(RemoteForbidden):
            searcher.query(root, "x", 1, VectorOptions(chroma_url="http://192.0.2.1:8000"))
    finally:
        searcher.close()
