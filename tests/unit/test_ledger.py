"""The ledger keeps what it was given, loses nothing to a crash, and repairs itself."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from assistant.index.ledger import FileRow, Ledger, NewChunk, NewSymbol, ledger_path, open_ledger
from tests.support.projects import index_home, tree

__all__ = ["index_home", "tree"]


def chunk(text: str, rank: int = 0) -> NewChunk:
    return NewChunk(
        *(0, 1, "function", "f", "def f()", "", ""),
        text=text.encode(),
        text_hash=text.encode().ljust(16)[:16],
        rank=rank,
        words=("f", "a", text),
    )


def put(ledger: Ledger, path: str, *texts: str, rank: int = 0, mtime_ns: int = 1) -> None:
    row = FileRow(0, path, 1, mtime_ns, 1, b"hash", 1, None)
    symbols = [NewSymbol("M.f", "function", 0, 0, 1, "def f()", "M")] if texts else []
    with ledger.transaction():
        ledger.put_file(row, "python", [chunk(text, rank) for text in texts], symbols)


def rows(ledger: Ledger, sql: str) -> list[tuple[object, ...]]:
    return ledger._db.execute(sql).fetchall()


def test_files_and_folders_are_for_this_user_alone(tree: Path) -> None:
    open_ledger(tree).close()
    path = ledger_path(tree)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_replacing_and_removing_a_file_leaves_nothing_behind(tree: Path) -> None:
    with open_ledger(tree) as ledger:
        put(ledger, "a.py", "one", "two")
        put(ledger, "a.py", "three")
        assert ledger.counts() == (1, 1)
        with ledger.transaction():
            assert ledger.remove_file("a.py")
            assert not ledger.remove_file("a.py")
        for table in ("files", "chunks", "symbols", "words", "words_docsize"):
            assert rows(ledger, f"SELECT count(*) FROM {table}") == [(0,)]


def test_chunk_ids_are_never_used_again(tree: Path) -> None:
    seen: set[object] = set()
    for number in range(3):
        with open_ledger(tree) as ledger:
            put(ledger, "a.py", f"text {number}")
            found = {row[0] for row in rows(ledger, "SELECT id FROM chunks")}
            assert found.isdisjoint(seen)
            seen |= found
            with ledger.transaction():
                ledger.remove_everything()


def test_vectors_are_kept_by_text_and_fingerprint(tree: Path) -> None:
    with open_ledger(tree) as ledger:
        put(ledger, "a.py", "same", "other")
        put(ledger, "b.py", "same")
        assert ledger.missing_count("m") == 2
        missing = dict(ledger.missing_vectors("m"))
        assert sorted(missing.values()) == ["other", "same"]
        ledger.put_vectors("m", [(key, text.encode()) for key, text in missing.items()])
        assert ledger.missing_count("m") == 0 and ledger.missing_count("n") == 2
        vectors = list(ledger.chunk_vectors("m"))
        assert [vector for _, vector in vectors] == [b"same", b"other", b"same"]
        assert {number for number, _ in vectors} == ledger.chunk_ids_with_vectors("m")
        assert list(ledger.chunk_vectors("n")) == []


def test_code_is_embedded_before_text_and_newer_before_older(tree: Path) -> None:
    with open_ledger(tree) as ledger:
        put(ledger, "readme", "prose", rank=3, mtime_ns=9)
        put(ledger, "old.py", "old", mtime_ns=1)
        put(ledger, "new.py", "new", mtime_ns=5)
        assert [text for _, text in ledger.missing_vectors("m")] == ["new", "old", "prose"]


def test_vectors_are_read_in_pages(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.index.ledger._PAGE", 3)
    with open_ledger(tree) as ledger:
        put(ledger, "a.py", *(f"text {number}" for number in range(8)))
        ledger.put_vectors("m", [(key, b"v") for key, _ in ledger.missing_vectors("m")])
        numbers = [number for number, _ in ledger.chunk_vectors("m")]
        assert len(numbers) == 8 and numbers == sorted(numbers)


def test_the_generation_rises_with_every_change(tree: Path) -> None:
    with open_ledger(tree) as ledger:
        first = ledger.vector_generation("m")
        put(ledger, "a.py", "one")
        second = ledger.vector_generation("m")
        ledger.put_vectors("m", [(b"x", b"v")])
        assert first < second < ledger.vector_generation("m")
    with open_ledger(tree) as ledger:
        assert ledger.vector_generation("m") > second


def test_vectors_of_lost_text_stay_a_month_and_come_back_into_use(tree: Path) -> None:
    day = 24 * 3600.0
    with open_ledger(tree) as ledger:
        put(ledger, "a.py", "branch")
        ledger.put_vectors("m", [(key, b"v") for key, _ in ledger.missing_vectors("m")])
        ledger.put_vectors("old model", [(b"y", b"v")])
        put(ledger, "a.py", "main")
        ledger.forget_orphans("m", now=0.0)
        assert rows(ledger, "SELECT fingerprint FROM vectors") == [("m",)]
        put(ledger, "a.py", "branch")
        assert ledger.missing_count("m") == 0
        ledger.forget_orphans("m", now=20 * day)
        put(ledger, "a.py", "main")
        ledger.forget_orphans("m", now=40 * day)
        assert rows(ledger, "SELECT count(*) FROM vectors") == [(1,)]
        ledger.forget_orphans("m", now=71 * day)
        assert rows(ledger, "SELECT count(*) FROM vectors") == [(0,)]


def test_a_failed_transaction_leaves_nothing(tree: Path) -> None:
    with open_ledger(tree) as ledger:
        with pytest.raises(RuntimeError), ledger.transaction():
            ledger.put_file(FileRow(0, "a", 1, 1, 1, b"", 1, None), "python", [chunk("x")], [])
            raise RuntimeError
        assert ledger.counts() == (0, 0)


@pytest.mark.parametrize("damage", ["garbage", "version", "empty"])
def test_a_ledger_that_can_not_be_used_is_made_anew(tree: Path, damage: str) -> None:
    with open_ledger(tree) as ledger:
        put(ledger, "a.py", "one")
    path = ledger_path(tree)
    if damage == "garbage":
        path.write_bytes(os.urandom(4096))
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 999")
        connection.close()
    with open_ledger(tree) as ledger:
        assert ledger.counts() == (0, 0)
        put(ledger, "a.py", "one")
        assert ledger.counts() == (1, 1)


def test_qualified_names_are_found_by_their_last_part(tree: Path) -> None:
    with open_ledger(tree) as ledger:
        put(ledger, "a.lua", "one")
        assert rows(ledger, "SELECT name, lower_name FROM symbols") == [("M.f", "f")]
