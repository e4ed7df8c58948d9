"""The index under bad luck: killed, damaged, full disks, two writers, files that change meanwhile."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import Busy, RequestFailed
from assistant.index import indexer
from assistant.index.indexer import IndexCounts, Indexer, IndexOptions
from assistant.index.ledger import FileRow, NewChunk, ledger_path, open_ledger
from assistant.retrieve.query import Retriever

REPO = Path(__file__).resolve().parents[2]
OPTIONS = IndexOptions((), (), "auto", None, lexical_only=False, force=False)
LEXICAL = IndexOptions((), (), "auto", None, lexical_only=True, force=False)

WRITER = """
import sys
from pathlib import Path
from assistant.index.indexer import Indexer, IndexOptions

options = IndexOptions((), (), "auto", None, lexical_only=False, force=False)

def report(phase, done, total):
    print(phase, done, flush=True)

Indexer().run(Path(sys.argv[1]), options, report, lambda: False)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    return root


def write_modules(root: Path, count: int) -> None:
    for number in range(count):
        body = "".join(
            f"def function_{number}_{part}(value):\n    return value * {number} + {part}\n\n\n"
            for part in range(3)
        )
        (root / f"module_{number}.py").write_text(body)


def run(root: Path, options: IndexOptions = LEXICAL) -> IndexCounts:
    runner = Indexer()
    try:
        return runner.run(root, options, lambda *_: None, lambda: False)
    finally:
        runner.close()


def rows(root: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(ledger_path(root))
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def assert_whole(root: Path) -> None:
    """Holds for a ledger that tells the truth about its project: nothing lost, nothing doubled."""
    texts: dict[str, bytes] = {}
    for path, text in rows(
        root, "SELECT f.path, c.text FROM chunks c JOIN files f ON f.id = c.file ORDER BY c.id"
    ):
        texts[path] = texts.get(path, b"") + text
    on_disk = {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*.py")
        if path.stat().st_size
    }
    assert texts == on_disk
    chunks = {row[0] for row in rows(root, "SELECT id FROM chunks")}
    assert {row[0] for row in rows(root, "SELECT rowid FROM words")} == chunks
    assert {row[0] for row in rows(root, "SELECT chunk FROM symbols")} <= chunks
    assert rows(root, "PRAGMA integrity_check") == [("ok",)]


def test_kill_9_at_any_moment_loses_and_doubles_nothing(root: Path) -> None:
    write_modules(root, 60)
    dice = random.Random(4)
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    phases = set()
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert writer.stdout is not None
        for _ in range(dice.randint(1, 5)):
            phases.add(writer.stdout.readline().partition(" ")[0])
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        # A change between two lives must not be missed either.
        (root / f"module_{dice.randrange(60)}.py").write_text(f"CHANGED = {dice.random()}\n")
    assert "vectors" in phases
    counts = run(root, OPTIONS)
    assert_whole(root)
    assert counts.files == 60
    wanted = rows(root, "SELECT DISTINCT text_hash FROM chunks")
    have = rows(root, "SELECT text_hash FROM vectors WHERE orphaned_at IS NULL")
    assert sorted(wanted) == sorted(have)
    again = run(root, OPTIONS)
    assert (again.embedded, again.removed, again.chunks) == (0, 0, counts.chunks)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_a_damaged_ledger_is_made_anew(root: Path, share: float) -> None:
    write_modules(root, 40)
    run(root)
    path = ledger_path(root)
    raw = bytearray(path.read_bytes())
    start = int(len(raw) * share)
    raw[start : start + 8192] = b"\xff" * len(raw[start : start + 8192])
    path.write_bytes(raw)
    counts = run(root, IndexOptions((), (), "auto", None, lexical_only=True, force=True))
    assert counts.files == 40
    assert_whole(root)


def test_a_file_that_is_no_database_is_made_anew(root: Path) -> None:
    write_modules(root, 3)
    run(root)
    ledger_path(root).write_bytes(b"this is no database at all" * 500)
    assert run(root).files == 3
    assert_whole(root)


def test_a_ledger_of_a_newer_version_is_made_anew(root: Path) -> None:
    write_modules(root, 3)
    run(root)
    rows(root, "PRAGMA user_version = 99")
    with closing(Retriever()) as retriever:
        assert retriever.search(root, "function", 5, None) == []
        assert run(root).files == 3
        assert retriever.search(root, "function", 5, None)


def test_a_full_disk_is_one_plain_line_and_the_next_run_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_modules(root, 5)
    run(root)
    write_modules(root, 200)

    def small_disk(path: Path) -> Any:
        ledger = open_ledger(path)
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        return ledger

    with monkeypatch.context() as patch:
        patch.setattr(indexer, "open_ledger", small_disk)
        with pytest.raises(RequestFailed, match="disk is full"):
            run(root)
    assert run(root).files == 200
    assert_whole(root)


def test_a_lock_that_is_not_given_up_is_said_and_removes_nothing(root: Path) -> None:
    write_modules(root, 2)
    run(root)
    before = rows(root, "SELECT count(*) FROM chunks")
    with open_ledger(root) as holder:
        holder._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="in use"), open_ledger(root) as other:
            other._db.execute("PRAGMA busy_timeout = 10")
            with other.transaction():
                pytest.fail("two writers at once")
        holder._db.execute("ROLLBACK")
    assert rows(root, "SELECT count(*) FROM chunks") == before


def test_several_processes_that_make_a_ledger_at_once_agree(root: Path) -> None:
    write_modules(root, 30)
    failures: list[BaseException] = []

    def index() -> None:
        try:
            run(root)
        except BaseException as error:  # a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=index) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_whole(root)


def test_an_edit_within_the_same_clock_tick_is_seen(root: Path) -> None:
    path = root / "a.py"
    path.write_text("value = 111\n")
    run(root)
    entry = path.stat()
    path.write_text("value = 222\n")
    os.utime(path, ns=(entry.st_atime_ns, entry.st_mtime_ns))
    run(root)
    assert_whole(root)


def test_a_stopped_run_keeps_what_it_has_and_removes_nothing(root: Path) -> None:
    write_modules(root, 10)
    run(root)
    write_modules(root, 300)
    answers = iter([False] * 400)
    Indexer().run(root, LEXICAL, lambda *_: None, lambda: next(answers, True))
    kept = rows(root, "SELECT count(*) FROM files")[0][0]
    assert 10 <= kept < 300
    assert run(root).files == 300
    assert_whole(root)


def test_a_file_that_can_not_be_read_is_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_modules(root, 2)
    real = indexer.read

    def refuse(where: Path, file: Any) -> Any:
        if file.path == "module_1.py":
            raise PermissionError(13, "Permission denied")
        return real(where, file)

    run(root)
    (root / "module_1.py").write_text("now = 'other'\n")
    monkeypatch.setattr(indexer, "read", refuse)
    counts = run(root)
    assert (counts.files, counts.skipped, counts.removed) == (1, {"unreadable": 1}, 1)


def test_a_root_that_is_gone_is_said_and_its_index_stays(root: Path) -> None:
    write_modules(root, 2)
    run(root)
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(RequestFailed, match="not a directory"):
        run(root)
    assert rows(root, "SELECT count(*) FROM files") == [(2,)]


def test_readers_see_whole_files_while_the_indexer_writes(root: Path) -> None:
    write_modules(root, 30)
    run(root)
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        retriever = Retriever()
        while not done.is_set():
            hits = retriever.search(root, "function_7_1", 5, None)
            seen.append(len(hits))
        retriever.close()

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(5):
        for path in root.glob("module_1*.py"):
            path.write_text(f"def changed_{number}():\n    return {number}\n")
        run(root)
    done.set()
    reader.join()
    assert seen and min(seen) >= 1


def test_a_chunk_is_never_written_without_its_file(root: Path) -> None:
    with open_ledger(root) as ledger:
        row = FileRow(0, "a.py", 1, 1, 1, b"h", 1, None)
        words = ("", "", "x")
        chunk = NewChunk(0, 1, "text", None, "", "", "", b"x", b"t", 0, words)
        with pytest.raises(ZeroDivisionError), ledger.transaction():
            ledger.put_file(row, "python", [chunk], [])
            raise ZeroDivisionError
        assert ledger.counts() == (0, 0)
    assert rows(root, "SELECT count(*) FROM words") == [(0,)]
