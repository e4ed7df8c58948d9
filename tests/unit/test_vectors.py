"""Both vector stores behind one protocol; Chroma's own traps."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.index import vectors
from assistant.index.vectors import ChromaStore, ExactStore, StoreBroken, VectorStore
from tests.support.daemon import eventually

DIMENSION = 16
Make = Callable[[Path, int], VectorStore]


def rows(first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    for number in range(first, last):
        vector = np.random.default_rng(number).normal(size=DIMENSION).astype(np.float32)
        yield number, vector / np.linalg.norm(vector)


def vector_of(number: int) -> np.ndarray:
    return next(rows(number, number + 1))[1]


@pytest.fixture(params=[ChromaStore, ExactStore], ids=["chroma", "exact"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


def test_each_vector_finds_itself_first(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path / "s", DIMENSION)
    assert store.add(rows(0, 300)) == 300
    for number in (0, 150, 299):
        found = store.query(vector_of(number), 3)
        assert found[0][0] == number and found[0][1] == pytest.approx(1, abs=1e-2)
        assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)
    store.close()


def test_what_is_removed_is_not_found_and_the_rest_survives_reopening(
    make: Make, tmp_path: Path
) -> None:
    store = make(tmp_path / "s", DIMENSION)
    store.add(rows(0, 50))
    store.remove([7, 8])
    store.close()
    store = make(tmp_path / "s", DIMENSION)
    assert store.ids() == set(range(50)) - {7, 8}
    assert store.query(vector_of(7), 1)[0][0] != 7
    store.close()


def test_an_empty_store_finds_nothing(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path / "s", DIMENSION)
    assert store.query(vector_of(1), 5) == []
    assert store.add(iter(())) == 0
    store.close()


def test_more_is_asked_for_than_there_is(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path / "s", DIMENSION)
    store.add(rows(0, 3))
    assert len(store.query(vector_of(1), 100)) == 3
    store.close()


def test_reads_and_writes_are_paged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_PAGE", 64)
    store = ChromaStore(tmp_path / "s", DIMENSION)
    store.add(rows(0, 200))
    store.close()
    store = ChromaStore(tmp_path / "s", DIMENSION)
    assert store.ids() == set(range(200))
    store.remove(sorted(store.ids())[:150])
    assert len(store.ids()) == 50
    store.close()


def test_many_removed_rows_wear_a_store_out(tmp_path: Path) -> None:
    store = ChromaStore(tmp_path / "s", DIMENSION)
    store.add(rows(0, 500))
    store.remove(list(range(150)))
    assert not store.is_worn
    store.remove(list(range(150, 260)))
    assert store.is_worn
    store.close()


def _write_until_killed(folder: Path, started: str) -> None:
    store = ChromaStore(folder, DIMENSION)
    store.add(rows(0, 100))
    Path(started).touch()
    number = 100
    while True:
        store.add(rows(number, number + 50))
        number += 50


def test_a_store_whose_writer_was_killed_is_used_or_refused_but_never_crashes_us(
    tmp_path: Path,
) -> None:
    folder, started = tmp_path / "s", tmp_path / "started"
    writer = multiprocessing.get_context("spawn").Process(
        target=_write_until_killed, args=(folder, str(started))
    )
    writer.start()
    while not ((folder / "dirty").exists() and started.exists()):
        assert writer.is_alive()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    writer.close()
    (folder / "dirty").touch()
    try:
        store = ChromaStore(folder, DIMENSION)
    except StoreBroken:
        return
    assert store.query(vector_of(1), 1)[0][0] == 1
    store.close()


def test_a_store_that_fails_its_probe_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    (folder / "chroma").mkdir(parents=True)
    (folder / "chroma" / "chroma.sqlite3").write_bytes(b"this is no database" * 100)
    (folder / "dirty").touch()
    with pytest.raises(StoreBroken, match="probe"):
        ChromaStore(folder, DIMENSION)


def test_a_broken_matrix_starts_empty(tmp_path: Path) -> None:
    store = ExactStore(tmp_path / "s", DIMENSION)
    store.add(rows(0, 5))
    store.close()
    (tmp_path / "s" / "matrix.npy").write_bytes(b"cut off")
    assert ExactStore(tmp_path / "s", DIMENSION).ids() == set()


@pytest.fixture
def chroma_server(tmp_path: Path) -> Iterator[str]:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    command = [str(program), "run", "--path", str(tmp_path / "server"), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with contextlib.suppress(OSError), contextlib.closing(socket.socket()) as connection:
            connection.connect(("127.0.0.1", port))
            return True
        return False

    try:
        eventually(answers, "the Chroma server answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_a_server_of_the_persons_own_serves_too(chroma_server: str, tmp_path: Path) -> None:
    one = ChromaStore(tmp_path / "one", DIMENSION, chroma_server)
    other = ChromaStore(tmp_path / "other", DIMENSION, chroma_server)
    one.add(rows(0, 50))
    assert one.query(vector_of(7), 1)[0][0] == 7
    assert other.ids() == set(), "projects share a server, never a collection"
    one.close()
    again = ChromaStore(tmp_path / "one", DIMENSION, chroma_server)
    assert again.ids() == set(range(50))
    again.drop()
    again.close()
    empty = ChromaStore(tmp_path / "one", DIMENSION, chroma_server)
    assert empty.ids() == set()
    empty.close()
    other.close()


def test_a_server_that_does_not_answer_is_a_broken_store(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken):
        ChromaStore(tmp_path / "s", DIMENSION, "http://127.0.0.1:1")


def test_a_store_that_is_open_when_its_process_dies_is_probed_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "s"
    store = ChromaStore(folder, DIMENSION)
    store.add(rows(0, 10))
    assert (folder / "dirty").exists()
    store.close()
    assert not (folder / "dirty").exists()
    probed: list[Path] = []
    monkeypatch.setattr(vectors, "_survives_a_probe", lambda f, _: probed.append(f) or True)
    ChromaStore(folder, DIMENSION).close()
    assert probed == []
    (folder / "dirty").touch()
    ChromaStore(folder, DIMENSION).close()
    assert probed == [folder]
