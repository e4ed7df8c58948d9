"""Whole runs and single files on real projects; vectors are made by the bundled embedder."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from assistant import paths
from assistant.errors import RequestFailed
from assistant.index.indexer import Indexer, clear, explain
from assistant.index.ledger import ledger_path, open_ledger
from tests.support.projects import (
    git,
    index,
    index_home,
    options,
    repository,
    tree,
    update,
    write,
)

__all__ = ["index_home", "repository", "tree"]

REPO = Path(__file__).resolve().parents[2]
CORPUS = REPO / "tests" / "corpus" / "polyglot"


def stored(root: Path) -> dict[str, bytes]:
    """Returns the text of every indexed file as its chunks give it."""
    with sqlite3.connect(ledger_path(root)) as db:
        rows = db.execute(
            "SELECT f.path, c.text, c.start_line, c.end_line FROM files f"
            " LEFT JOIN chunks c ON c.file = f.id WHERE f.reason IS NULL ORDER BY c.id"
        ).fetchall()
    db.close()
    texts: dict[str, bytes] = {}
    for path, text, start, _ in rows:
        assert start is None or texts.get(path, b"").count(b"\n") == start
        texts[path] = texts.get(path, b"") + (text or b"")
    return texts


def on_disk(root: Path, *names: str) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in names}


def test_every_byte_of_the_corpus_is_in_a_chunk(tree: Path) -> None:
    shutil.copytree(CORPUS, tree, dirs_exist_ok=True)
    counts = index(tree)
    names = [str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file()]
    assert stored(tree) == on_disk(tree, *names)
    assert counts.files == len(names) and counts.chunks >= counts.files
    assert counts.languages["rust"] == counts.languages["lua"] == 1


def test_awkward_files_are_indexed_exactly_or_counted(tree: Path) -> None:
    good = {
        "crlf.py": b"def f():\r\n\treturn 1\r\n",
        "bom.py": b"\xef\xbb\xbfx = 1\n",
        "emoji.md": "# 😀\n\nтекст\n".encode(),
        "broken.py": b"def f(:\n  x ==\n",
        "empty.py": b"",
        "no_newline.c": b"int x;",
        "old_mac.txt": b"one\rtwo\r",
        "sp ace.lua": b"\t\tlocal x = 1\n",
    }
    bad = {"latin.py": "é = 1\n".encode("latin-1"), "zero.c": b"int\0", ".env": b"A=1"}
    write(tree, {**good, **bad})
    counts = index(tree)
    assert stored(tree) == good
    assert counts.skipped == {"encoding": 1, "binary": 1, "secret": 1}


def test_an_empty_project_is_indexed(tree: Path) -> None:
    counts = index(tree)
    assert (counts.files, counts.chunks, counts.skipped) == (0, 0, {})
    with open_ledger(tree) as ledger:
        assert ledger.meta("last_run") > 0


def test_a_second_run_does_nothing_and_counts_the_same(tree: Path) -> None:
    write(tree, {"a.py": "x = 1\n", "latin.py": b"\xe9 = 1\n"})
    first = index(tree)
    second = index(tree)
    assert (first.reused, second.reused) == (0, 1)
    assert second.skipped == first.skipped == {"encoding": 1}
    assert second.chunks == first.chunks


def test_an_edit_within_the_same_time_stamp_is_seen(tree: Path) -> None:
    path = tree / "a.py"
    write(tree, {"a.py": "x = 1\n"})
    stamp = path.stat().st_mtime_ns
    index(tree)
    path.write_text("x = 2\n")
    os.utime(path, ns=(stamp, stamp))
    index(tree)
    assert stored(tree) == {"a.py": b"x = 2\n"}


def test_an_old_file_is_not_read_again(tree: Path) -> None:
    path = tree / "a.py"
    write(tree, {"a.py": "x = 1\n"})
    os.utime(path, ns=(10**18, 10**18))
    index(tree)
    path.write_text("x = 2\n")
    os.utime(path, ns=(10**18, 10**18))
    index(tree)
    assert stored(tree) == {"a.py": b"x = 1\n"}, "size and time say that it is the same"


def test_changed_new_and_removed_files(tree: Path) -> None:
    write(tree, {"a.py": "a = 1\n", "b.py": "b = 1\n", "c.py": "c = 1\n"})
    index(tree)
    write(tree, {"a.py": "a = 2\nmore = 3\n", "d.py": "d = 1\n"})
    (tree / "b.py").unlink()
    counts = index(tree)
    assert counts.removed == 1 and counts.files == 3
    assert stored(tree) == on_disk(tree, "a.py", "c.py", "d.py")


def test_a_file_that_becomes_secret_leaves(tree: Path) -> None:
    write(tree, {"a.py": "a = 1\n"})
    index(tree)
    write(tree, {"a.py": "token = 'ghp_" + "a1" * 18 + "'\n"})
    counts = index(tree)
    assert (counts.files, counts.chunks, counts.removed) == (0, 0, 1)
    assert counts.skipped == {"secret": 1}
    lifted = index(tree, include_secrets=("a.py",))
    assert lifted.files == 1


def test_single_files_are_updated(repository: Path) -> None:
    write(repository, {"a.py": "a = 1\n", "b.py": "b = 1\n", ".gitignore": "out/\n"})
    index(repository)
    write(repository, {"a.py": "a = 2\n", "out/x.py": "x = 1\n"})
    (repository / "b.py").unlink()
    counts = update(repository, "a.py", "b.py", "out/x.py", "../elsewhere.py")
    assert counts.removed == 1
    assert counts.skipped == {"missing": 1, "ignored": 1, "outside": 1}
    assert stored(repository) == on_disk(repository, "a.py", ".gitignore")


def test_a_saved_ignore_file_is_a_whole_run(repository: Path) -> None:
    write(repository, {"a.py": "a = 1\n", "out/x.py": "x = 1\n"})
    index(repository)
    write(repository, {".assistantignore": "out/\n"})
    update(repository, ".assistantignore")
    assert set(stored(repository)) == {"a.py", ".assistantignore"}


def test_nothing_is_updated_before_the_first_run(tree: Path) -> None:
    write(tree, {"a.py": "a = 1\n"})
    assert update(tree, "a.py").files == 0


def test_too_many_files_are_refused_when_nobody_asked(tree: Path) -> None:
    write(tree, {f"f{number}.py": "" for number in range(4)})
    with pytest.raises(RequestFailed, match="more than 3 files") as refused:
        index(tree, max_files=3)
    assert ":AIIndex" in refused.value.hint
    assert index(tree, max_files=4).files == 4


def test_a_root_that_is_gone_does_not_empty_the_index(tree: Path) -> None:
    write(tree, {"a.py": "a = 1\n"})
    index(tree)
    shutil.rmtree(tree)
    with pytest.raises(RequestFailed, match="not a directory"):
        index(tree)
    assert "a.py" in stored(tree)


def test_a_read_only_project_is_indexed_and_left_alone(repository: Path) -> None:
    write(repository, {"a.py": "a = 1\n"})
    before = sorted(str(p) for p in repository.rglob("*"))
    repository.chmod(0o500)
    try:
        assert index(repository).files == 1
    finally:
        repository.chmod(0o700)
    assert sorted(str(p) for p in repository.rglob("*")) == before


def test_stopping_keeps_what_is_done_and_the_next_run_goes_on(tree: Path) -> None:
    write(tree, {f"f{number:03}.py": f"x = {number}\n" for number in range(500)})
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 800  # 500 while looking for files, and then some

    Indexer().run(tree, options(), lambda *_: None, should_stop)
    with open_ledger(tree) as ledger:
        files, _ = ledger.counts()
        assert 0 < files < 500 and ledger.meta("lexical_at") is None
    assert index(tree).files == 500


def test_progress_rises_through_the_phases(tree: Path) -> None:
    write(tree, {"a.py": "a = 1\n", "b.py": "b = 1\n"})
    seen: list[tuple[str, int, int]] = []
    Indexer().run(tree, options(lexical_only=False), lambda *a: seen.append(a), lambda: False)
    phases = list(dict.fromkeys(phase for phase, _, _ in seen))
    assert phases == ["discover", "lexical", "vectors"]
    assert ("lexical", 2, 2) in seen and ("vectors", 2, 2) in seen


def test_renames_moves_and_branches_embed_nothing(repository: Path) -> None:
    write(
        repository, {"a.py": "def alpha():\n    return 1\n", "b.py": "def beta():\n    return 2\n"}
    )
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    first = index(repository, lexical_only=False)
    assert first.embedded == first.chunks == 2
    (repository / "sub").mkdir()
    (repository / "a.py").rename(repository / "sub" / "renamed.py")
    moved = index(repository, lexical_only=False)
    assert (moved.embedded, moved.reused, moved.removed) == (0, 2, 1)
    write(repository, {"b.py": "def gamma():\n    return 3\n"})
    assert index(repository, lexical_only=False).embedded == 1
    git(repository, "checkout", "-q", "b.py")
    assert index(repository, lexical_only=False).embedded == 0


def test_force_makes_everything_anew(tree: Path) -> None:
    write(tree, {"a.py": "def alpha():\n    return 1\n"})
    index(tree, lexical_only=False)
    assert index(tree, lexical_only=False, force=True).embedded == 1


def test_clearing_removes_every_file(tree: Path) -> None:
    write(tree, {"a.py": "a = 1\n"})
    index(tree)
    clear(tree)
    assert not paths.workspace_dir(tree).exists()
    clear(tree)
    assert index(tree).files == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.py", "x = 1\n", "indexed as python"),
        (".env", "A=1\n", "secret"),
        ("b.py", "token = 'glpat-" + "a1" * 12 + "'\n", "secret"),
        ("skip/c.py", "x = 1\n", "excluded"),
        ("d.py", b"\xff\xfe\xe9", "encoding"),
        ("e.lock", "", "lock"),
    ],
)
def test_explaining_one_file(tree: Path, name: str, content: str | bytes, words: str) -> None:
    write(tree, {name: content})
    assert words in explain(tree, tree / name, options(exclude=("skip/",)))


def test_explaining_a_file_that_is_not_there(tree: Path) -> None:
    assert "missing" in explain(tree, tree / "none.py", options())


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from assistant.index.indexer import Indexer
    from tests.support.projects import options
    from assistant.index import indexer

    wanted_phase, wanted = sys.argv[2], int(sys.argv[3])
    indexer._BATCH_FILES = indexer._EMBED_BATCH = 5

    def report(phase, done, total):
        if phase == wanted_phase and done >= wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    Indexer().run(Path(sys.argv[1]), options(lexical_only=False), report, lambda: False)
""")


@pytest.mark.parametrize(("phase", "done"), [("lexical", 10), ("lexical", 30), ("vectors", 10)])
def test_a_killed_run_is_taken_up_where_it_ended(tree: Path, phase: str, done: int) -> None:
    write(
        tree,
        {f"f{number:02}.py": f"def f{number}():\n    return {number}\n" for number in range(30)},
    )
    command = [sys.executable, "-c", KILLED, str(tree), phase, str(done)]
    killed = subprocess.run(command, cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO)})
    assert killed.returncode == -9
    with sqlite3.connect(ledger_path(tree)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = db.execute("SELECT count(*) FROM files").fetchone()[0]
        vectors = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
    db.close()
    assert kept == (done if phase == "lexical" else 30)
    assert vectors == (done if phase == "vectors" else 0)
    counts = index(tree, lexical_only=False)
    assert (counts.files, counts.embedded) == (30, 30 - vectors)
    assert stored(tree) == on_disk(tree, *(f"f{number:02}.py" for number in range(30)))
