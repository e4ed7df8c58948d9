"""Index and search through a real daemon and its child processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.daemon import Client, DaemonProcess, RpcFailure, eventually


def index(client: Client, root: Path, **extra: Any) -> dict[str, Any]:
    return client.call("assistant/index", {"rootUri": f"file://{root}", **extra})


def search(client: Client, root: Path, query: str) -> dict[str, Any]:
    return client.call("assistant/search", {"rootUri": f"file://{root}", "query": query})


def children(daemon: DaemonProcess) -> dict[str, psutil.Process]:
    assert daemon.process is not None
    named = {}
    for process in psutil.Process(daemon.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):  # just killed
            named[process.cmdline()[-1]] = process
    return named


@pytest.fixture
def client(shared_daemon: DaemonProcess, project: Path) -> Client:
    client = shared_daemon.connect()
    client.initialize(project, index={"auto": False})
    return client


def test_indexing_reports_rising_progress_and_counts(client: Client, project: Path) -> None:
    counts = index(client, project, workDoneToken="w")
    assert counts["files"] == 2 and counts["chunks"] >= 2
    assert counts["embedded"] == counts["chunks"]
    assert counts["languages"] == {"python": 2}
    progress = client.progress("w")
    assert [p["kind"] for p in (progress[0], progress[-1])] == ["begin", "end"]
    shares = [p["percentage"] for p in progress if p["kind"] == "report"]
    assert shares == sorted(shares)


def test_a_search_finds_by_meaning_and_by_name(client: Client, project: Path) -> None:
    index(client, project)
    found = search(client, project, "surface of a round shape")
    assert found["vectors"] and found["hits"][0]["path"] == "shapes.py"
    hit = search(client, project, "total_area")["hits"][0]
    assert (hit["path"], hit["symbol"]) == ("main.py", "total_area")
    text = (project / "main.py").read_text().splitlines(keepends=True)
    assert hit["text"] == "".join(text[hit["startLine"] - 1 : hit["endLine"]])
    assert hit["why"]


def test_a_second_run_embeds_nothing(client: Client, project: Path) -> None:
    index(client, project)
    (project / "shapes.py").rename(project / "forms.py")
    counts = index(client, project)
    assert counts["embedded"] == 0 and counts["files"] == 2
    assert search(client, project, "circle area")["hits"][0]["path"] == "forms.py"


def test_a_project_without_index_says_what_to_do(client: Client, project: Path) -> None:
    with pytest.raises(RpcFailure) as refused:
        search(client, project, "anything")
    assert refused.value.code == 1003 and ":AIIndex" in refused.value.data["hint"]


def test_a_search_during_the_first_run_waits_for_the_words(client: Client, project: Path) -> None:
    request = client.start("assistant/index", {"rootUri": f"file://{project}"})
    assert search(client, project, "total_area")["hits"][0]["path"] == "main.py"
    assert client.wait(request)["result"]["files"] == 2


def test_lexical_search_works_without_vectors(client: Client, project: Path) -> None:
    counts = index(client, project, lexicalOnly=True)
    assert counts["embedded"] == 0
    found = search(client, project, "circle radius")
    assert not found["vectors"] and found["hits"][0]["path"] == "shapes.py"
    status = client.call("assistant/indexStatus", {"rootUri": f"file://{project}"})
    assert status["state"] == "lexical"


def test_a_saved_file_is_found_and_a_removed_one_is_not(client: Client, project: Path) -> None:
    index(client, project)
    path = project / "new.py"
    path.write_text("def frobnicate_widget():\n    return 1\n")
    note = {"textDocument": {"uri": f"file://{path}"}}
    client.notify("textDocument/didSave", note)

    def names() -> set[str]:
        return {hit["path"] for hit in search(client, project, "frobnicate widget")["hits"]}

    eventually(lambda: "new.py" in names(), "the saved file is found")
    path.unlink()
    client.notify("textDocument/didSave", note)
    eventually(lambda: "new.py" not in names(), "the removed file is gone")


def test_a_file_saved_while_the_project_is_embedded_is_found_before_that_ends(
    client: Client, project: Path
) -> None:
    for number in range(300):
        (project / f"m{number}.py").write_text(f"def function_{number}():\n    return {number}\n")
    request = client.start(
        "assistant/index", {"rootUri": f"file://{project}", "workDoneToken": "w"}
    )

    def is_embedding() -> bool:
        message = client.read()
        assert message is not None and message.get("id") != request, "the run has ended already"
        client.inbox.append(message)
        messages = [part.get("message") or "" for part in client.progress("w")]
        return any("embedding" in text for text in messages)

    eventually(is_embedding, "the run embeds")
    path = project / "late.py"
    path.write_text("def frobnicate_widget():\n    return 1\n")
    client.notify("textDocument/didSave", {"textDocument": {"uri": f"file://{path}"}})

    def is_found() -> bool:
        hits = search(client, project, "frobnicate_widget")["hits"]
        return any(hit["path"] == "late.py" for hit in hits)

    eventually(is_found, "the saved file is found")
    assert not [m for m in client.inbox if m.get("id") == request], "only after the run"
    assert client.wait(request)["result"]["files"] >= 302


def test_clearing_leaves_no_index(client: Client, project: Path) -> None:
    index(client, project)
    client.call("assistant/clearIndex", {"rootUri": f"file://{project}"})
    status = client.call("assistant/indexStatus", {"rootUri": f"file://{project}"})
    assert status["state"] == "none"
    index(client, project)
    assert search(client, project, "circle")["hits"]


def test_killing_the_searcher_loses_nothing(
    shared_daemon: DaemonProcess, client: Client, project: Path
) -> None:
    index(client, project)
    assert search(client, project, "circle")["vectors"]
    children(shared_daemon)["searcher"].kill()
    eventually(lambda: "searcher" not in children(shared_daemon), "the searcher is gone")
    assert search(client, project, "circle")["hits"]
    eventually(lambda: search(client, project, "circle")["vectors"], "vectors are back")


def test_killing_the_indexer_fails_the_run_plainly_and_the_next_one_works(
    shared_daemon: DaemonProcess, client: Client, project: Path
) -> None:
    for number in range(400):
        (project / f"m{number}.py").write_text(f"def function_{number}():\n    return {number}\n")
    request = client.start("assistant/index", {"rootUri": f"file://{project}"})
    child = eventually(lambda: children(shared_daemon).get("indexer"), "the indexer runs")
    os.kill(child.pid, signal.SIGKILL)
    error = client.wait(request)["error"]
    assert error["code"] == -32803 and "indexer" in error["message"]
    assert index(client, project)["files"] == 402


def test_the_daemon_never_loads_what_belongs_to_its_children(
    shared_daemon: DaemonProcess, client: Client, project: Path
) -> None:
    index(client, project)
    search(client, project, "circle")
    assert shared_daemon.process is not None
    maps = Path(f"/proc/{shared_daemon.process.pid}/maps")
    if not maps.exists():
        pytest.skip("this system has no /proc to look at the daemon's libraries")
    loaded = maps.read_text()
    for library in ("torch", "chromadb", "onnxruntime"):
        assert f"/{library}/" not in loaded


def test_a_project_with_nothing_in_it_is_indexed(client: Client, short_dir: Path) -> None:
    empty = short_dir / "empty"
    empty.mkdir()
    assert index(client, empty)["files"] == 0
    assert search(client, empty, "anything")["hits"] == []


def test_opening_a_file_indexes_its_project_by_itself(daemon: DaemonProcess, project: Path) -> None:
    client = daemon.connect()
    client.initialize(project)
    client.open(project / "main.py", (project / "main.py").read_text())

    def state() -> str:
        return client.call("assistant/indexStatus", {"rootUri": f"file://{project}"})["state"]

    eventually(lambda: state() == "ready", "the project is indexed")


def test_the_command_line_indexes_and_searches(shared_daemon: DaemonProcess, project: Path) -> None:
    found = shared_daemon.cli("index", str(project), "--json")
    assert found.returncode == 0, found.stderr
    counts = json.loads(found.stdout)
    assert counts["root"] == str(project) and counts["files"] == 2
    assert set(counts) == {
        *("root", "files", "chunks", "embedded", "reused", "removed", "skipped", "seconds"),
        "languages",
    }
    found = shared_daemon.cli(
        "search", "circle area", "--root", str(project), "--limit", "1", "--json"
    )
    answer = json.loads(found.stdout)
    assert set(answer["hits"][0]) == {
        *("path", "start_line", "end_line", "symbol", "kind", "score", "text", "why"),
    }
    batch = '{"id": 1, "query": "circle"}\n{"id": 2}\n'
    found = shared_daemon.cli("search", "--batch", "-", "--root", str(project), input=batch)
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert first["id"] == 1 and first["hits"]
    assert second["id"] == 2 and "query" in second["error"]["message"]


def test_the_command_line_says_why_a_file_is_out(
    shared_daemon: DaemonProcess, project: Path
) -> None:
    (project / ".env").write_text("TOKEN=1\n")
    found = shared_daemon.cli("index", "--explain", str(project / ".env"), cwd=project)
    assert found.returncode == 0, found.stderr
    assert "secret" in found.stdout
