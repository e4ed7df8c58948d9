"""The embedded engine, with real models in real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from assistant import paths
from assistant.engine.base import ChatMessage, ChatRequest, CompletionRequest, FimTokens
from assistant.engine.fim import POCKET
from assistant.engine.llamacpp import BUNDLED_MODEL, LlamacppEngine
from assistant.errors import EngineUnreachable, ModelMissing, RemoteForbidden, RequestFailed
from tests.engine.streams import collect, using
from tests.support.tiny_gguf import CHATML, SLOW, TinyModel, write_tiny_gguf

T = TypeVar("T")
PROMPT = POCKET.render("import os\n\ndef read(path):\n    with open(", "\n")
LINE = CompletionRequest("pocket", PROMPT, max_tokens=20, stop=("\n",), logprobs=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "chatty.gguf"
    return write_tiny_gguf(path, TinyModel(chat_template=CHATML, fim=("<a>", "<b>", "<c>")))


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "slow.gguf", SLOW)


def with_pocket(use: Callable[[LlamacppEngine], Awaitable[T]]) -> T:
    return using(LlamacppEngine(), use)


def test_bundled_model_completes_python() -> None:
    text, tokens = with_pocket(lambda engine: collect(engine.complete(LINE)))

    assert text == 'path, "w") as f:'
    assert all(token.logprob is not None and token.logprob <= 0 for token in tokens[:-1])
    assert tokens[-1].stop_reason == "stop"
    stats = tokens[-1].stats
    assert stats is not None
    assert (stats.prompt_tokens, stats.output_tokens) == (15, 8)


def test_describes_the_model_without_starting_anything() -> None:
    async def use(engine: LlamacppEngine) -> None:
        (model,) = await engine.models()
        assert model.name == "pocket" and model.base_name == "pocket-py"
        assert model.capabilities == {"completion", "insert"}
        assert model.fim_order == "spm"
        assert model.context_length == 768
        status = await engine.status()
        assert status.reachable and not status.loaded
        assert engine.child_pid is None

    with_pocket(use)


def test_counts_tokens_exactly() -> None:
    async def use(engine: LlamacppEngine) -> None:
        _, tokens = await collect(engine.complete(LINE))
        assert tokens[-1].stats is not None
        assert await engine.count_tokens("pocket", PROMPT) == tokens[-1].stats.prompt_tokens

    with_pocket(use)


def test_model_with_a_template_chats(chat_model: Path) -> None:
    async def use(engine: LlamacppEngine) -> None:
        (model,) = await engine.models()
        assert {"chat", "insert"} <= model.capabilities
        assert model.fim_tokens == FimTokens("<a>", "<b>", "<c>")
        request = ChatRequest("chatty", (ChatMessage("user", "hi"),), max_tokens=8)
        text, tokens = await collect(engine.chat(request))
        assert text
        assert tokens[-1].stop_reason in ("stop", "length")
        assert tokens[-1].stats is not None and tokens[-1].stats.prompt_tokens > 2

    using(LlamacppEngine(chat_model), use)


def test_bundled_model_can_not_chat() -> None:
    request = ChatRequest("pocket", (ChatMessage("user", "hi"),))
    with pytest.raises(ModelMissing, match="can't chat"):
        with_pocket(lambda engine: collect(engine.chat(request)))


def test_prompt_over_the_window_says_both_numbers() -> None:
    request = CompletionRequest("pocket", "x y z " * 1000)
    with pytest.raises(RequestFailed, match=r"3001 tokens, the model's window only 768"):
        with_pocket(lambda engine: collect(engine.complete(request)))


def test_another_model_is_missing() -> None:
    with pytest.raises(ModelMissing, match="serves 'pocket', not 'codellama'") as caught:
        with_pocket(lambda engine: engine.show("codellama"))
    assert "llamacpp.model_path" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no whole GGUF file"),
        (b"just text", "no whole GGUF file"),
        (BUNDLED_MODEL.read_bytes()[:50_000], "no whole GGUF file"),
        (BUNDLED_MODEL.read_bytes()[:2_000_000], "can't load the model file"),
    ],
    ids=["empty", "text", "cut-in-metadata", "cut-in-tensors"],
)
def test_bad_file_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(RequestFailed, match=expected) as caught:
        request = CompletionRequest("bad", "x")
        using(LlamacppEngine(path), lambda engine: collect(engine.complete(request)))
    assert "\n" not in str(caught.value)


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"no model file at .*none\.gguf"):
        using(LlamacppEngine(tmp_path / "none.gguf"), lambda engine: engine.models())


def test_socket_is_private_and_gone_at_the_end() -> None:
    async def use(engine: LlamacppEngine) -> None:
        await collect(engine.complete(LINE))
        directory = paths.runtime_dir()
        assert directory.stat().st_mode & 0o777 == 0o700
        assert len(list(directory.glob("engine-*.sock"))) == 1
        assert (await engine.status()).loaded["pocket"] in ("CPU", "GPU")

    with_pocket(use)
    assert list(paths.runtime_dir().glob("engine-*.sock")) == []


def test_killed_child_fails_its_request_and_starts_again(slow_model: Path) -> None:
    request = CompletionRequest("slow", "x", max_tokens=500)

    async def use(engine: LlamacppEngine) -> None:
        stream = engine.complete(request)
        await anext(stream)
        first = engine.child_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(RequestFailed, match=r"stopped \(SIGKILL\)"):
            await collect(stream)
        _, tokens = await collect(engine.complete(replace(request, max_tokens=2)))
        assert tokens[-1].stop_reason == "length"
        assert engine.child_pid != first
        assert len(list(paths.runtime_dir().glob("engine-*.sock"))) == 1

    using(LlamacppEngine(slow_model), use)


def test_repeated_deaths_make_a_pause() -> None:
    async def use(engine: LlamacppEngine) -> None:
        for _ in range(2):
            await collect(engine.complete(LINE))
            process = engine._process
            assert process is not None and process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            await process.ended()
        with pytest.raises(EngineUnreachable, match="keeps stopping"):
            await collect(engine.complete(LINE))

    with_pocket(use)


def test_cancelled_start_goes_on_for_the_next_request() -> None:
    async def use(engine: LlamacppEngine) -> None:
        task = asyncio.create_task(engine.preload("pocket", LINE.options))
        while engine._process is None or engine._process._process is None:
            await asyncio.sleep(0)
        started = engine._process._process.pid
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await collect(engine.complete(LINE))
        assert engine.child_pid == started

    with_pocket(use)


def test_child_ends_with_its_parent(home: Path) -> None:
    """A daemon that is killed leaves no engine behind."""
    code = (
        "import asyncio, sys\n"
        "from assistant.engine.llamacpp import LlamacppEngine\n"
        "from assistant.engine.base import RunnerOptions\n"
        "async def main():\n"
        "    engine = LlamacppEngine()\n"
        "    await engine.preload('pocket', RunnerOptions())\n"
        "    print(engine.child_pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )

    async def run() -> None:
        import sys

        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        child = psutil.Process(int(await parent.stdout.readline()))
        parent.kill()
        await parent.wait()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], 20)
        assert gone or child.status() == psutil.STATUS_ZOMBIE

    asyncio.run(run())


def test_stale_sockets_are_removed() -> None:
    import socket

    directory = paths.private_dir(paths.runtime_dir())
    stale = directory / "engine-deadbeef.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(stale))
    with_pocket(lambda engine: collect(engine.complete(LINE)))
    assert not stale.exists()


def test_project_can_not_shadow_the_child(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = home / "project"
    (project / "assistant" / "engine").mkdir(parents=True)
    (project / "assistant" / "__init__.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(project)
    text, _ = with_pocket(lambda engine: collect(engine.complete(LINE)))
    assert text == 'path, "w") as f:'


def test_running_server_is_used_through_its_address(chat_model: Path) -> None:
    """A server started by somebody else tells neither family nor FIM tokens."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(BUNDLED_MODEL)
    params.hostnames = ["127.0.0.1"]
    params.verbosity = 0
    params.warmup = False
    params.ui = False
    server = xllamacpp.Server(params)

    async def use(engine: LlamacppEngine) -> None:
        (model,) = await engine.models()
        assert model.name == "pocket"
        assert model.context_length == 768
        assert engine.child_pid is None
        text, _ = await collect(engine.complete(LINE))
        assert text == 'path, "w") as f:'

    using(LlamacppEngine(url=server.listening_address), use)


def test_address_off_this_machine_is_refused() -> None:
    with pytest.raises(RemoteForbidden):
        using(LlamacppEngine(url="192.0.2.1:8080"), lambda engine: engine.models())


def test_nobody_at_the_address() -> None:
    with pytest.raises(EngineUnreachable, match=r"llama-server at 127\.0\.0\.1:9"):
        using(LlamacppEngine(url="127.0.0.1:9"), lambda engine: engine.models())
