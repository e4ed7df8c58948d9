"""Chat and explain through a real daemon: without a chat model, and on a real Ollama."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Client, DaemonProcess, RpcFailure, eventually
from tests.support.ollama import OllamaServer


def ask(client: Client, root: Path, question: str, **extra: Any) -> int:
    params = {
        "rootUri": f"file://{root}",
        "messages": [{"role": "user", "content": question}] if question else [],
        "partialResultToken": "c",
        **extra,
    }
    return client.start("assistant/chat", params)


def selection(path: Path, first: int, last: int) -> dict[str, Any]:
    start, end = {"line": first, "character": 0}, {"line": last, "character": 0}
    return {"kind": "selection", "uri": f"file://{path}", "range": {"start": start, "end": end}}


@pytest.fixture
def client(shared_daemon: DaemonProcess, project: Path) -> Client:
    client = shared_daemon.connect()
    client.initialize(project, index={"auto": False})
    return client


@pytest.fixture
def on_ollama(
    make_daemon: Callable[..., DaemonProcess], ollama_server: OllamaServer, project: Path
) -> Client:
    daemon = make_daemon(
        ASSISTANT_ENGINE="ollama",
        ASSISTANT_OLLAMA__HOST=ollama_server.host,
        ASSISTANT_CHAT__MODEL="tiny-chat",
    ).start()
    client = daemon.connect()
    client.initialize(project, index={"auto": False})
    return client


def test_without_a_chat_model_the_index_answers(client: Client, project: Path) -> None:
    client.call("assistant/index", {"rootUri": f"file://{project}", "lexicalOnly": True})
    result = client.wait(ask(client, project, "where is the circle area?"))["result"]
    assert result["model"] is None
    assert "shapes.py" in {source["path"] for source in result["sources"]}
    assert "ollama pull" in result["message"]["content"]
    shown = "".join(part["text"] for part in client.progress("c"))
    assert shown == result["message"]["content"]


def test_an_explanation_without_model_names_what_the_code_uses(
    client: Client, project: Path
) -> None:
    client.call("assistant/index", {"rootUri": f"file://{project}", "lexicalOnly": True})
    attachments = [selection(project / "main.py", 3, 5)]
    number = ask(client, project, "", action="explain", attachments=attachments)
    result = client.wait(number)["result"]
    assert "shapes.py" in {source["path"] for source in result["sources"]}


def test_a_secret_or_outside_file_never_reaches_a_prompt(client: Client, project: Path) -> None:
    (project / ".env").write_text("TOKEN=1\n")
    attachments = [
        {"kind": "file", "name": ".env"},
        {"kind": "file", "name": "../../etc/passwd"},
    ]
    number = ask(client, project, "what is in it?", attachments=attachments)
    dropped = client.wait(number)["result"]["dropped"]
    assert len(dropped) == 2 and "secret" in dropped[0] and "outside" in dropped[1]


@pytest.mark.ollama
def test_an_answer_streams_from_a_real_model(on_ollama: Client, project: Path) -> None:
    on_ollama.call("assistant/index", {"rootUri": f"file://{project}", "lexicalOnly": True})
    number = ask(on_ollama, project, "circle?")
    result = on_ollama.wait(number)["result"]
    parts = on_ollama.progress("c")
    written = "".join(part["text"] for part in parts)
    assert written.strip() == result["message"]["content"]
    assert [p["state"] for p in parts[:2]] == ["retrieving", "reading"]
    assert result["model"].startswith("tiny-chat")
    tokens = result["tokens"]
    assert 0 < tokens["prompt"] < tokens["limit"] and tokens["answer"] > 0
    assert "shapes.py" in {source["path"] for source in result["sources"]}


@pytest.mark.ollama
def test_stopping_is_answered_at_once_and_the_next_question_works(
    on_ollama: Client, project: Path
) -> None:
    def is_writing() -> bool:
        message = on_ollama.read()
        assert message is not None
        on_ollama.inbox.append(message)
        return any(part["text"] for part in on_ollama.progress("c"))

    for attempt in range(20):
        number = ask(on_ollama, project, f"circle {attempt}?")
        eventually(is_writing, "the answer begins")
        on_ollama.notify("$/cancelRequest", {"id": number})
        answer = on_ollama.wait(number)
        on_ollama.inbox.clear()
        # The weights are random: an answer may have ended before it could be stopped.
        if "error" in answer:
            break
    assert answer["error"]["code"] == -32800
    answer = on_ollama.wait(ask(on_ollama, project, "again?"))
    # The weights are random: now and then they end an answer before its first word.
    assert "result" in answer or "answered nothing" in answer["error"]["message"]


@pytest.mark.ollama
def test_what_does_not_fit_is_said(on_ollama: Client, project: Path) -> None:
    path = project / "long.py"
    path.write_text("".join(f"value_{number} = {number}\n" for number in range(20_000)))
    attachments = [{"kind": "file", "name": "long.py"}]
    for attempt in range(10):  # the weights are random: an answer may end before its first word
        number = ask(on_ollama, project, f"sum {attempt}?", attachments=attachments)
        answer = on_ollama.wait(number)
        if "answered nothing" not in answer.get("error", {}).get("message", ""):
            break
    result = answer["result"]
    assert any("long.py" in dropped and "of 20000" in dropped for dropped in result["dropped"])
    assert result["tokens"]["prompt"] <= result["tokens"]["limit"]


@pytest.mark.ollama
def test_a_model_that_is_not_installed_is_said_with_its_command(
    make_daemon: Callable[..., DaemonProcess], ollama_server: OllamaServer, project: Path
) -> None:
    daemon = make_daemon(
        ASSISTANT_ENGINE="ollama",
        ASSISTANT_OLLAMA__HOST=ollama_server.host,
        ASSISTANT_CHAT__MODEL="not-here:7b",
    ).start()
    client = daemon.connect()
    client.initialize(project)
    error = client.wait(ask(client, project, "hello?"))["error"]
    assert error["code"] == 1002 and "ollama pull not-here:7b" in error["data"]["hint"]


def test_an_ollama_that_is_down_is_said(
    make_daemon: Callable[..., DaemonProcess], project: Path
) -> None:
    daemon = make_daemon(ASSISTANT_ENGINE="ollama", ASSISTANT_OLLAMA__HOST="127.0.0.1:1").start()
    client = daemon.connect()
    client.initialize(project)
    error = client.wait(ask(client, project, "hello?"))["error"]
    assert error["code"] == 1001 and "ollama serve" in error["data"]["hint"]
    status = client.call("assistant/status")
    assert status["engine"]["reachable"] is False


def test_an_engine_off_this_machine_is_refused(
    make_daemon: Callable[..., DaemonProcess], project: Path
) -> None:
    daemon = make_daemon(
        ASSISTANT_ENGINE="ollama", ASSISTANT_OLLAMA__HOST="192.0.2.1:11434"
    ).start()
    client = daemon.connect()
    client.initialize(project)
    with pytest.raises(RpcFailure) as refused:
        client.call("assistant/chat", {"messages": [{"role": "user", "content": "hi"}]})
    assert refused.value.code == 1007 and "allow_remote" in refused.value.data["hint"]


@pytest.mark.ollama
def test_auto_takes_ollama_where_it_has_a_fitting_model(
    make_daemon: Callable[..., DaemonProcess], ollama_server: OllamaServer, project: Path
) -> None:
    daemon = make_daemon(ASSISTANT_OLLAMA__HOST=ollama_server.host).start()
    client = daemon.connect()
    client.initialize(project)
    status = client.call("assistant/status")
    assert status["engine"]["name"] == "ollama"
    assert status["roles"]["completion"] and status["roles"]["chat"]


def test_auto_falls_back_to_the_embedded_engine_and_says_so_once(
    make_daemon: Callable[..., DaemonProcess], project: Path
) -> None:
    daemon = make_daemon(ASSISTANT_OLLAMA__HOST="127.0.0.1:1").start()
    client = daemon.connect()
    client.initialize(project)
    status = client.call("assistant/status")
    assert status["engine"]["name"] == "llamacpp" and status["roles"]["completion"] == "pocket"
    assert status["roles"]["chat"] is None

    def said() -> list[str]:
        client.call("assistant/status")
        notes = [m for m in client.inbox if m.get("method") == "window/showMessage"]
        return [note["params"]["message"] for note in notes]

    (message,) = eventually(said, "the choice is said")
    assert "Ollama does not answer" in message and "\n" not in message


@pytest.mark.ollama
def test_a_model_can_be_switched_and_a_missing_one_is_refused(
    on_ollama: Client, ollama_server: OllamaServer
) -> None:
    result = on_ollama.call("assistant/setModel", {"role": "completion", "name": "tiny-fim"})
    assert result["roles"]["completion"].startswith("tiny-fim")
    assert any(name.startswith("pocket") for name in result["installed"])
    with pytest.raises(RpcFailure) as refused:
        on_ollama.call("assistant/setModel", {"role": "chat", "name": "nowhere"})
    assert refused.value.code == 1002


def test_the_command_line_asks_and_explains(shared_daemon: DaemonProcess, project: Path) -> None:
    assert shared_daemon.cli("index", str(project)).returncode == 0
    found = shared_daemon.cli("chat", "where is the area?", "--json", cwd=project)
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert set(answer) >= {"answer", "sources", "tokens", "dropped"}
    assert answer["sources"][0]["path"] == "shapes.py"
    found = shared_daemon.cli("explain", "main.py:4-5", cwd=project)
    assert found.returncode == 0, found.stderr
    assert "shapes.py" in found.stdout
    found = shared_daemon.cli("explain", "main.py:99", cwd=project)
    assert found.returncode == 1 and "has no line 99" in found.stderr
