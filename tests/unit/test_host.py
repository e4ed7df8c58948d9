"""The remote plugin on its own: what it imports, where it looks, how it relays."""

from __future__ import annotations

import ast
import importlib.util
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant import paths
from tests.support.daemon import eventually

SOURCE = Path(__file__).resolve().parents[2] / "rplugin/python3/assistant_host/__init__.py"


@pytest.fixture(scope="module")
def host() -> Any:
    spec = importlib.util.spec_from_file_location("assistant_host", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_imports_the_standard_library_and_pynvim_only() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SOURCE.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= sys.stdlib_module_names | {"pynvim"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"XDG_DATA_HOME": "/tmp/somewhere"},
        {"XDG_DATA_HOME": ""},
        {"ASSISTANT_HOME": "/tmp/else where"},
        {"ASSISTANT_HOME": "~/below/home"},
        {"ASSISTANT_HOME": "relative", "XDG_DATA_HOME": "/tmp/somewhere"},
    ],
)
def test_it_looks_where_the_daemon_locks(
    host: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name in ("ASSISTANT_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert host.daemon_lock_path() == paths.daemon_lock_path()


class FakeNvim:
    """Runs what the host hands back to pynvim's thread at once, and keeps what goes to Lua."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.batches: list[int] = []
        self.events: list[tuple[str, ...]] = []

    def async_call(self, function: Callable[[], None]) -> None:
        function()

    def exec_lua(self, code: str, *args: Any, async_: bool) -> None:
        assert async_
        if "on_lines" in code:
            self.lines += args[0]
            self.batches.append(len(args[0]))
        else:
            self.events.append(args)


@pytest.fixture
def server(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listens where the lock file says."""
    monkeypatch.setenv("ASSISTANT_HOME", str(short_dir))
    path = short_dir / "s"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    listening.settimeout(10)
    (short_dir / "data").mkdir()
    (short_dir / "data" / "daemon.lock").write_text(json.dumps({"socket": str(path)}))
    yield listening
    listening.close()


def test_bytes_go_through_unchanged_both_ways(host: Any, server: socket.socket) -> None:
    nvim = FakeNvim()
    link = host.Link(nvim)
    link.open()
    link.send(["queued before it is connected"])
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as lines:
        assert lines.readline() == b"queued before it is connected\n"
        # pynvim shows bytes that are not UTF-8 as surrogates.
        link.send(["one \udcff\udc80 ü", "two"])
        assert lines.readline() == b"one \xff\x80 \xc3\xbc\n"
        assert lines.readline() == b"two\n"

        connection.sendall(b"\xff ans")
        connection.sendall(b"wer\n" + b"x" * 200_000 + b"\nnot ended")
        eventually(lambda: len(nvim.lines) == 2, "two lines")
        assert nvim.lines == [b"\xff answer", b"x" * 200_000]
    eventually(lambda: len(nvim.events) == 2, "it tells the end")
    assert nvim.events[0] == ("connected", host.VERSION)
    assert nvim.events[1] == ("closed", "the connection to the daemon ended.")


def test_lines_that_arrive_together_go_to_lua_together(host: Any, server: socket.socket) -> None:
    nvim = FakeNvim()
    held: list[Callable[[], None]] = []
    link = host.Link(nvim)
    link.open()
    connection, _ = server.accept()
    eventually(lambda: nvim.events, "connected")
    nvim.async_call = held.append  # Neovim is busy
    with connection:
        for number in range(50):
            connection.sendall(b"%d\n" % number)
        eventually(lambda: len(link._arrived) == 50, "all have arrived")
        assert len(held) == 1
        held.pop()()
        assert nvim.batches == [50]
        assert nvim.lines == [b"%d" % number for number in range(50)]
    eventually(lambda: held, "it tells the end")
    held.pop()()


def test_a_line_after_the_end_is_dropped_and_open_connects_anew(
    host: Any, server: socket.socket
) -> None:
    nvim = FakeNvim()
    link = host.Link(nvim)
    link.open()
    link.open()  # a second call changes nothing
    server.accept()[0].close()
    eventually(lambda: tuple(e[0] for e in nvim.events[1:]) == ("closed",), "the end")
    link.send(["dropped"])
    link.open()
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as lines:
        link.send(["kept"])
        assert lines.readline() == b"kept\n"
    eventually(lambda: len(nvim.events) == 4, "the second end")


def test_a_peer_that_does_not_read_never_blocks_the_caller(
    host: Any, server: socket.socket
) -> None:
    nvim = FakeNvim()
    link = host.Link(nvim)
    link.open()
    connection, _ = server.accept()
    with connection:
        caller = threading.Thread(target=lambda: [link.send(["x" * 100_000]) for _ in range(100)])
        caller.start()
        caller.join(10)
        assert not caller.is_alive()
    eventually(lambda: len(nvim.events) == 2, "it tells the end")


def test_a_line_without_end_is_refused(
    host: Any, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "MAX_LINE_BYTES", 1000)
    nvim = FakeNvim()
    link = host.Link(nvim)
    link.open()
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"x" * 2000)
        eventually(lambda: len(nvim.events) == 2, "it ends")
        assert nvim.events[1][0] == "closed"
        assert "8 MiB" in nvim.events[1][1]


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"socket": 5}', '{"socket": ""}'])
def test_a_lock_file_that_says_nothing_counts_as_no_daemon(
    host: Any, short_dir: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(short_dir))
    assert host.connect() is None
    (short_dir / "data").mkdir()
    (short_dir / "data" / "daemon.lock").write_text(content)
    assert host.connect() is None


def test_why_a_daemon_did_not_start_is_one_line(
    host: Any, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = short_dir / "python"
    program.write_text(
        "#!/bin/sh\necho Traceback >&2\necho 'No module named pydantic' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("ASSISTANT_HOME", str(short_dir))
    monkeypatch.setattr(host.sys, "executable", str(program))
    nvim = FakeNvim()
    host.Link(nvim).open()

    eventually(lambda: nvim.events, "it fails")
    assert nvim.events == [("failed", "the daemon can't be started: No module named pydantic")]


def test_a_revival_starts_no_daemon_after_one_that_was_stopped(
    host: Any, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(short_dir))
    (short_dir / "data").mkdir()
    (short_dir / "data" / "daemon.lock").write_text("")
    nvim = FakeNvim()
    host.Link(nvim).open(is_revival=True)

    eventually(lambda: nvim.events, "it tells")
    assert nvim.events == [("stopped", "the daemon was stopped.")]
    assert not (short_dir / "data" / "daemon-start.log").exists()
