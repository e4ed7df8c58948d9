"""Completion through a real daemon and the embedded engine with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Client, DaemonProcess, RpcFailure

TEXT = "try:\n    x = d[key]\nexcept Key\n    x = 0\n"
"""The bundled model is sure of how the third line ends."""


def ask(client: Client, uri: str, line: int, character: int, version: int = 1, **extra: Any) -> int:
    params = {
        "textDocument": {"uri": uri, "version": version},
        "position": {"line": line, "character": character},
        **extra,
    }
    return client.start("textDocument/inlineCompletion", params)


def test_the_bundled_model_completes_a_line(shared_daemon: DaemonProcess, project: Path) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / "point.py", TEXT)
    answer = client.wait(ask(client, uri, 2, 10, context={"triggerKind": 1}))
    result = answer["result"]
    (item,) = result["items"]
    assert item["insertText"] == "Error:"
    assert item["range"]["start"] == item["range"]["end"] == {"line": 2, "character": 10}
    assert result["engine"] == "llamacpp" and result["timings"]["total"] > 0


def test_typing_on_is_answered_from_the_cache(shared_daemon: DaemonProcess, project: Path) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / "point.py", TEXT)
    client.wait(ask(client, uri, 2, 10))
    change = {
        "range": {"start": {"line": 2, "character": 0}, "end": {"line": 3, "character": 0}},
        "text": "except KeyErr\n",
    }
    client.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change]},
    )
    result = client.wait(ask(client, uri, 2, 13, version=2))["result"]
    assert result["items"][0]["insertText"] == "or:"
    assert result["items"][0]["stopReason"] == "cache"


def test_a_stale_version_is_content_modified(shared_daemon: DaemonProcess, project: Path) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / "point.py", TEXT, version=4)
    error = client.wait(ask(client, uri, 2, 10, version=3))["error"]
    assert error["code"] == -32801 and error["data"]["retryable"]


def test_a_newer_request_supersedes_the_older(shared_daemon: DaemonProcess, project: Path) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / "point.py", TEXT)
    older = ask(client, uri, 0, 2)
    newer = ask(client, uri, 2, 10)
    answers = {number: client.wait(number) for number in (older, newer)}
    assert answers[older]["error"]["code"] == -32802
    assert answers[newer]["result"]["items"]


def test_every_request_is_answered_exactly_once_under_a_storm_of_cancels(
    shared_daemon: DaemonProcess, project: Path
) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / "point.py", TEXT)
    asked = []
    for number in range(60):
        asked.append(ask(client, uri, number % 4, 3))
        if number % 2:
            client.notify("$/cancelRequest", {"id": asked[-1]})
    for number in asked:
        answer = client.wait(number)
        assert "result" in answer or answer["error"]["code"] in (-32800, -32802)
    client.call("assistant/status")
    assert not [m for m in client.inbox if "method" not in m], "answered more than once"


@pytest.mark.parametrize(
    ("name", "language", "options", "reason"),
    [
        ("notes.txt", "text", {}, "language"),
        ("a.py", "python", {"completion": {"enabled": False}}, "disabled"),
        ("a.py", "python", {"completion": {"filetypes": {"python": False}}}, "filetype"),
        ("a.py", "python", {"completion": {"exclude": ["*.py"]}}, "excluded"),
        (".env", "python", {}, "secret"),
    ],
)
def test_where_nothing_is_suggested_the_reason_is_said(
    shared_daemon: DaemonProcess,
    project: Path,
    name: str,
    language: str,
    options: dict[str, Any],
    reason: str,
) -> None:
    client = shared_daemon.connect()
    client.initialize(project, **options)
    uri = client.open(project / name, TEXT, language=language)
    result = client.wait(ask(client, uri, 2, 10))["result"]
    assert (result["items"], result["reason"]) == ([], reason)


def test_context_shows_the_prompt_and_counts_it(
    shared_daemon: DaemonProcess, project: Path
) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / "point.py", TEXT)
    params = {"textDocument": {"uri": uri, "version": 1}, "position": {"line": 2, "character": 10}}
    found = client.call("assistant/context", params)
    assert found["path"] == "point.py"
    assert found["prefix"].endswith("Key") and found["suffix"].startswith("\n    x = 0")
    assert found["prefix"] in found["prompt"]
    assert 0 < found["tokens"]["prompt"] <= found["tokens"]["limit"]


def test_nothing_of_a_secret_file_is_shown_or_sent(
    shared_daemon: DaemonProcess, project: Path
) -> None:
    client = shared_daemon.connect()
    client.initialize(project)
    uri = client.open(project / ".env", "TOKEN=1\n")
    params = {"textDocument": {"uri": uri, "version": 1}, "position": {"line": 0, "character": 3}}
    with pytest.raises(RpcFailure, match="secret"):
        client.call("assistant/context", params)


def test_the_command_line_completes_a_place(shared_daemon: DaemonProcess, project: Path) -> None:
    path = project / "point.py"
    path.write_text(TEXT)
    found = shared_daemon.cli("complete", f"{path}:3:11", "--json")
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert answer["items"] == [{"text": "Error:", "stop_reason": answer["items"][0]["stop_reason"]}]
    assert answer["engine"] == "llamacpp" and set(answer["milliseconds"]) == {
        "first_token",
        "total",
    }


def test_batches_are_answered_in_order_and_a_bad_line_fails_alone(
    shared_daemon: DaemonProcess, project: Path
) -> None:
    lines = [
        json.dumps({"id": "a", "path": "no/such.py", "line": 3, "column": 11, "text": TEXT}),
        "not json",
        json.dumps({"id": "b", "path": "no/such.py", "line": 99, "column": 1, "text": TEXT}),
        json.dumps({"id": "c", "path": "missing.py", "line": 1, "column": 1}),
        json.dumps({"id": 4, "path": "x.py", "line": 3, "column": 11, "text": TEXT}),
    ]
    found = shared_daemon.cli(
        "complete", "--batch", "-", "--root", str(project), input="\n".join(lines) + "\n"
    )
    assert found.returncode == 0, found.stderr
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["a", None, "b", "c", 4]
    assert [("items" in answer) for answer in answers] == [True, False, False, False, True]
    assert answers[0]["items"][0]["text"] == "Error:"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere.py:1:1", "no such file"),
        ("main.py:99:1", "has no line 99"),
        ("main.py:1:999", "has no column 999"),
        ("main.py", "FILE:LINE:COL"),
        ("latin.py:1:1", "not UTF-8"),
        ("binary.py:1:1", "binary"),
        ("huge.py:1:1", "over 1 MiB"),
    ],
)
def test_a_bad_place_is_one_plain_line(
    shared_daemon: DaemonProcess, project: Path, place: str, said: str
) -> None:
    (project / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    (project / "binary.py").write_bytes(b"\0\1\2")
    (project / "huge.py").write_bytes(b"x = 1\n" * 200_000)
    found = shared_daemon.cli("complete", place, cwd=project)
    assert found.returncode == 1 and not found.stdout
    assert said in found.stderr and found.stderr.count("\n") == 1


def test_wrong_usage_ends_with_2(shared_daemon: DaemonProcess) -> None:
    assert shared_daemon.cli("serve", "--no-such").returncode == 2
    assert shared_daemon.cli("nonsense").returncode == 2
