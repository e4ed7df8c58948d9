"""The life of a real daemon: one per user, takeover, handshake, idle end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.daemon import DaemonProcess, RpcFailure, eventually

Make = Callable[..., DaemonProcess]


def test_socket_and_lock_are_for_this_user_alone(daemon: DaemonProcess) -> None:
    found = daemon.lock()
    assert found is not None and daemon.process is not None
    assert found["pid"] == daemon.process.pid
    path = Path(found["socket"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(daemon.lock_path.stat().st_mode) == 0o600


def test_initialize_tells_who_answers(daemon: DaemonProcess, project: Path) -> None:
    result = daemon.connect().initialize(project)
    assert result["protocolVersion"] == 1 and result["positionEncoding"] == "utf-8"
    assert result["serverInfo"]["name"] == "assistant"
    assert set(result["models"]) >= {"completion", "chat"}
    assert result["hardwareTier"]


def test_nothing_is_answered_before_initialize(daemon: DaemonProcess) -> None:
    client = daemon.connect()
    with pytest.raises(RpcFailure) as refused:
        client.call("assistant/status")
    assert refused.value.code == -32002


@pytest.mark.parametrize("version", [0, 99])
def test_an_unknown_protocol_version_is_refused_with_a_hint(
    daemon: DaemonProcess, version: int
) -> None:
    with pytest.raises(RpcFailure) as refused:
        daemon.connect().call("initialize", {"protocolVersion": version})
    assert refused.value.code == 1006 and "assistant stop" in refused.value.data["hint"]


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("no/such", {}, -32601),
        ("textDocument/inlineCompletion", {}, -32602),
        ("assistant/search", {"rootUri": "file:///", "query": "x", "limit": 0}, -32602),
        ("assistant/search", {"rootUri": "file:///nonexistent", "query": "x"}, -32803),
        ("assistant/indexStatus", {"rootUri": "https://example.org/"}, -32803),
        ("assistant/chat", {}, -32803),
        ("assistant/setModel", {"role": "poet", "name": "x"}, -32602),
        (
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": "file:///x.py", "version": 1},
                "position": {"line": 0, "character": 0},
            },
            -32801,
        ),
    ],
)
def test_bad_requests_are_refused_and_the_connection_goes_on(
    daemon: DaemonProcess, method: str, params: dict[str, object], code: int
) -> None:
    client = daemon.connect()
    client.initialize()
    with pytest.raises(RpcFailure) as refused:
        client.call(method, params)
    assert refused.value.code == code, refused.value.message
    assert client.call("assistant/status")["clients"] == 1


def test_garbage_on_the_socket_harms_nobody_else(daemon: DaemonProcess) -> None:
    good, bad = daemon.connect(), daemon.connect()
    good.initialize()
    bad.send_raw(os.urandom(4096).replace(b"\n", b"") + b"\n")
    answer = bad.read()
    assert answer is not None and answer["error"]["code"] == -32700
    bad.send_raw(b"y" * (8 * 1024 * 1024 + 2))
    answer = bad.read()
    assert answer is not None and answer["error"]["code"] == -32600
    assert bad.read() is None, "the connection must end after a line over the limit"
    assert good.call("assistant/status")["pid"] == daemon.process.pid  # type: ignore[union-attr]


def test_a_second_daemon_ends_with_0_and_leaves_the_first_alone(daemon: DaemonProcess) -> None:
    second = daemon.cli("serve", "--foreground")
    assert second.returncode == 0, second.stderr
    assert f"pid {daemon.process.pid}" in second.stderr  # type: ignore[union-attr]
    assert daemon.connect().initialize()


def test_a_socket_left_by_a_killed_daemon_is_taken_over(make_daemon: Make) -> None:
    first = make_daemon().start()
    lock = first.lock()
    first.kill()
    assert lock is not None and Path(lock["socket"]).exists()
    first.start()
    assert first.lock() != lock
    assert first.connect().initialize()


def test_many_started_at_once_leave_one(make_daemon: Make) -> None:
    home = make_daemon()
    home.home.mkdir(parents=True)
    command = [sys.executable, "-m", "assistant", "serve"]
    started = [
        subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    outputs = [process.communicate(timeout=90)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4, outputs
    assert len({output.split("pid ")[1].split(")")[0] for output in outputs}) == 1, outputs


def test_the_command_line_starts_it_reads_it_and_stops_it(make_daemon: Make) -> None:
    home = make_daemon(ASSISTANT_ENGINE="llamacpp")
    found = home.cli("status", "--json")
    assert found.returncode == 0, found.stderr
    status = json.loads(found.stdout)
    assert status["pid"] == home.lock()["pid"]  # type: ignore[index]
    assert status["clients"] == 1 and Path(status["socket"]).exists()
    assert home.cli("stop").returncode == 0
    eventually(lambda: not Path(status["socket"]).exists(), "the socket goes")
    assert home.cli("stop").stdout.strip() == "no daemon runs"


def test_it_ends_when_its_socket_file_is_gone(daemon: DaemonProcess) -> None:
    lock = daemon.lock()
    assert lock is not None and daemon.process is not None
    Path(lock["socket"]).unlink()
    assert daemon.process.wait(30) == 0


def test_it_ends_after_a_time_without_clients(make_daemon: Make) -> None:
    home = make_daemon().start("--idle-minutes", "0")
    assert home.process is not None
    assert home.process.wait(30) == 0
    assert home.lock() is None


def test_a_signal_ends_it_cleanly_and_clients_see_the_end(daemon: DaemonProcess) -> None:
    client = daemon.connect()
    client.initialize()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    while client.read() is not None:
        pass
    assert daemon.lock() is None


def test_exit_ends_the_connection_and_not_the_daemon(daemon: DaemonProcess) -> None:
    leaving, staying = daemon.connect(), daemon.connect()
    leaving.initialize()
    staying.initialize()
    assert leaving.call("shutdown") is None
    leaving.notify("exit")
    while leaving.read() is not None:
        pass
    eventually(lambda: staying.call("assistant/status")["clients"] == 1, "the other one has left")


def test_a_home_with_a_very_long_path_works(make_daemon: Make, tmp_path: Path) -> None:
    home = make_daemon()
    home.home = tmp_path / ("long" * 30)
    home.env["ASSISTANT_HOME"] = str(home.home)
    home.start()
    lock = home.lock()
    assert lock is not None and len(lock["socket"]) < 104
    assert home.connect().initialize()


def test_another_socket_can_be_named(make_daemon: Make, short_dir: Path) -> None:
    path = short_dir / "elsewhere" / "d.sock"
    home = make_daemon().start("--socket", str(path))
    assert path.is_socket() and home.lock()["socket"] == str(path)  # type: ignore[index]


def test_a_peer_that_never_reads_is_not_waited_for(daemon: DaemonProcess) -> None:
    lock = daemon.lock()
    assert lock is not None
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(lock["socket"])
    request = {"jsonrpc": "2.0", "id": 1, "method": "no/such"}
    silent.setblocking(False)
    try:
        for _ in range(2000):
            silent.send(json.dumps(request).encode() + b"\n")
    except BlockingIOError:
        pass
    assert daemon.connect().initialize()
    silent.close()


def test_a_wrong_option_is_named_in_one_warning_and_the_default_holds(
    daemon: DaemonProcess,
) -> None:
    client = daemon.connect()
    client.initialize(completion={"max_lines": "many"}, nonsense=True)
    client.call("assistant/status")
    shown = [m["params"] for m in client.inbox if m.get("method") == "window/showMessage"]
    warnings = [m["message"] for m in shown if m["type"] == 2]
    assert len(warnings) == 2
    assert any("completion.max_lines" in w for w in warnings)
    assert any("nonsense" in w for w in warnings)


@pytest.mark.parametrize("command", [["status"], ["index"], ["serve"], ["serve", "--foreground"]])
def test_a_home_that_can_not_be_made_is_one_plain_line(
    make_daemon: Make, short_dir: Path, command: list[str]
) -> None:
    (short_dir / "file").touch()
    home = make_daemon()
    home.env["ASSISTANT_HOME"] = str(short_dir / "file" / "home")
    found = home.cli(*command)
    assert found.returncode == 1 and found.stderr.count("\n") == 1, found.stderr
    assert "can't be made" in found.stderr and "ASSISTANT_HOME" in found.stderr
