"""The Ollama engine against a real server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from assistant.engine.base import (
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    FimTokens,
    RunnerOptions,
)
from assistant.engine.fim import POCKET, profile_for
from assistant.engine.llamacpp import BUNDLED_MODEL
from assistant.engine.ollama import OllamaEngine
from assistant.errors import EngineUnreachable, ModelMissing, RequestFailed
from tests.engine.streams import collect, using
from tests.support.ollama import PLAIN_TEMPLATE, UNKNOWN_FIM, OllamaServer
from tests.support.tiny_gguf import SLOW, write_tiny_gguf

pytestmark = pytest.mark.ollama

T = TypeVar("T")
SMALL = RunnerOptions(num_ctx=512)


def with_engine(server: OllamaServer, use: Callable[[OllamaEngine], Awaitable[T]]) -> T:
    return using(OllamaEngine(server.host), use)


def test_models_tell_what_they_can_do(ollama_server: OllamaServer) -> None:
    models = with_engine(ollama_server, lambda engine: engine.models())
    by_name = {model.name.removesuffix(":latest"): model for model in models}

    assert by_name["pocket"].capabilities == {"completion", "insert"}
    assert by_name["pocket"].context_length == 768
    assert by_name["pocket"].size_bytes > 3_000_000
    assert "insert" in by_name["tiny-fim"].capabilities
    assert by_name["tiny-plain"].capabilities == {"completion"}
    assert by_name["tiny-chat"].capabilities == {"completion", "chat"}


def test_fim_tokens_of_a_model_that_no_table_knows(ollama_server: OllamaServer) -> None:
    model = with_engine(ollama_server, lambda engine: engine.show("tiny-fim"))

    assert model.fim_tokens == FimTokens(*UNKNOWN_FIM)
    profile = profile_for(model)
    assert profile is not None
    assert profile.render("P", "S") == "<hole-a>P<hole-b>S<hole-c>"


def test_bundled_model_keeps_its_order_under_another_name(ollama_server: OllamaServer) -> None:
    """Ollama hides the name inside the file; the description still tells the order."""
    ollama_server.create("my-own", {"pocket.gguf": BUNDLED_MODEL}, PLAIN_TEMPLATE)
    profile = profile_for(with_engine(ollama_server, lambda engine: engine.show("my-own")))
    assert profile is not None
    assert profile.render("P", "S") == POCKET.render("P", "S")


def test_completion_streams_python_with_logprobs_and_stats(ollama_server: OllamaServer) -> None:
    prompt = POCKET.render("import os\n\ndef read(path):\n    with open(", "\n")
    request = CompletionRequest(
        "pocket", prompt, max_tokens=20, stop=("\n",), options=SMALL, logprobs=True
    )
    text, tokens = with_engine(ollama_server, lambda e: collect(e.complete(request)))

    assert text == 'path, "w") as f:'
    assert len(tokens) > 3, "it comes in pieces"
    assert all(token.logprob is not None and token.logprob <= 0 for token in tokens[:-1])
    assert tokens[-1].stop_reason == "stop"
    stats = tokens[-1].stats
    assert stats is not None
    assert (stats.prompt_tokens, stats.output_tokens) == (15, 8)
    assert stats.prompt_ms >= 0 and stats.load_ms >= 0


def test_length_is_a_stop_reason(ollama_server: OllamaServer) -> None:
    request = CompletionRequest("tiny-plain", "hello", max_tokens=3, options=SMALL)
    _, tokens = with_engine(ollama_server, lambda e: collect(e.complete(request)))
    assert tokens[-1].stop_reason == "length"


def test_chat_streams(ollama_server: OllamaServer) -> None:
    request = ChatRequest(
        "tiny-chat", (ChatMessage("user", "hi"),), max_tokens=6, options=SMALL, temperature=0.0
    )
    text, tokens = with_engine(ollama_server, lambda e: collect(e.chat(request)))

    assert text
    assert tokens[-1].stop_reason in ("stop", "length")
    stats = tokens[-1].stats
    assert stats is not None and stats.prompt_tokens > len("hi")


def test_too_long_a_prompt_shows_in_the_stats(ollama_server: OllamaServer) -> None:
    """Ollama 0.24 cuts without a word; the count is how the services notice."""
    request = CompletionRequest("tiny-plain", "x " * 600, max_tokens=1, options=SMALL)
    _, tokens = with_engine(ollama_server, lambda e: collect(e.complete(request)))
    stats = tokens[-1].stats
    assert stats is not None and stats.prompt_tokens == SMALL.num_ctx


def test_embeddings(ollama_server: OllamaServer, ollama_embedder: str) -> None:
    async def use(engine: OllamaEngine) -> tuple[list[list[float]], frozenset[str]]:
        info = await engine.show(ollama_embedder)
        return await engine.embed(ollama_embedder, ["a cat", "a kitten", "tax law"]), (
            info.capabilities
        )

    (cat, kitten, law), capabilities = with_engine(ollama_server, use)

    assert "embedding" in capabilities and "completion" not in capabilities
    assert len(cat) == 384
    near = sum(a * b for a, b in zip(cat, kitten, strict=True))
    far = sum(a * b for a, b in zip(cat, law, strict=True))
    assert near > far + 0.2


def test_missing_model_names_the_command(ollama_server: OllamaServer) -> None:
    async def use(engine: OllamaEngine) -> None:
        await engine.show("qwen2.5-coder:1.5b")

    with pytest.raises(ModelMissing) as caught:
        with_engine(ollama_server, use)
    assert caught.value.hint == "Fetch it with 'ollama pull qwen2.5-coder:1.5b'."


def test_a_model_deleted_meanwhile_is_missing(ollama_server: OllamaServer) -> None:
    async def use(engine: OllamaEngine) -> None:
        ollama_server.create(
            "short-lived", {"x.gguf": ollama_server.models_dir.parent / "tiny.gguf"}
        )
        await engine.show("short-lived")
        ollama_server.delete("short-lived")
        await collect(engine.complete(CompletionRequest("short-lived", "x", options=SMALL)))

    with pytest.raises(ModelMissing, match="short-lived"):
        with_engine(ollama_server, use)


def test_embedding_with_a_model_that_makes_none(
    ollama_server: OllamaServer, ollama_embedder: str
) -> None:
    async def use(engine: OllamaEngine) -> None:
        await collect(engine.complete(CompletionRequest(ollama_embedder, "x", options=SMALL)))

    with pytest.raises(RequestFailed, match="does not support generate"):
        with_engine(ollama_server, use)


def test_pull_without_a_network_says_why(ollama_server: OllamaServer) -> None:
    async def use(engine: OllamaEngine) -> None:
        async for _ in engine.pull("127.0.0.1:9/library/none"):
            pass

    with pytest.raises(RequestFailed, match="pull model manifest"):
        with_engine(ollama_server, use)


def test_status_tells_where_a_model_runs(ollama_server: OllamaServer) -> None:
    async def use(engine: OllamaEngine) -> None:
        await engine.preload("pocket", SMALL)
        status = await engine.status()
        assert status.reachable and status.version.startswith("0.")
        assert status.loaded["pocket:latest"] in ("CPU", "GPU")
        assert "tiny-chat:latest" in status.models

    with_engine(ollama_server, use)


def test_stopped_server_is_unreachable(
    ollama_process: Callable[[], OllamaServer],
) -> None:
    server = ollama_process()

    async def use(engine: OllamaEngine) -> None:
        assert await engine.models() == []
        server.stop()
        status = await engine.status()
        assert not status.reachable and "ollama serve" in status.detail
        engine.forget()
        await engine.models()

    with pytest.raises(EngineUnreachable, match=server.host):
        with_engine(server, use)


def test_closing_a_stream_frees_the_model_once_tokens_flow(ollama_server: OllamaServer) -> None:
    async def use(engine: OllamaEngine) -> float:
        long = CompletionRequest(
            "tiny-plain", "hello", max_tokens=400, temperature=1.0, options=RunnerOptions(2048)
        )
        short = CompletionRequest("tiny-plain", "hello", max_tokens=1, options=RunnerOptions(2048))
        await collect(engine.complete(short))
        stream = engine.complete(long)
        await anext(stream)
        await stream.aclose()
        started = time.monotonic()
        await collect(engine.complete(short))
        return time.monotonic() - started

    assert with_engine(ollama_server, use) < 5.0


def test_killed_server_fails_the_running_request(
    ollama_process: Callable[[], OllamaServer], tmp_path: Path
) -> None:
    server = ollama_process()
    server.create("slow", {"x.gguf": write_tiny_gguf(tmp_path / "x.gguf", SLOW)}, PLAIN_TEMPLATE)

    async def use(engine: OllamaEngine) -> None:
        stream = engine.complete(CompletionRequest("slow", "x", max_tokens=500, options=SMALL))
        await anext(stream)
        server.stop()
        await collect(stream)

    with pytest.raises(RequestFailed, match="in the middle of an answer"):
        with_engine(server, use)


def test_roles_on_one_model_do_not_reload_it(ollama_server: OllamaServer) -> None:
    async def use(engine: OllamaEngine) -> list[float]:
        completion = CompletionRequest("tiny-chat", "hi", max_tokens=1, options=SMALL)
        chat = ChatRequest("tiny-chat", (ChatMessage("user", "hi"),), max_tokens=1, options=SMALL)
        other = replace(completion, options=RunnerOptions(num_ctx=640))
        loads = []
        for stream in (
            engine.complete(completion),
            engine.chat(chat),
            engine.complete(replace(completion, stop=("x",), temperature=0.9)),
            engine.complete(other),
        ):
            _, tokens = await collect(stream)
            assert tokens[-1].stats is not None
            loads.append(tokens[-1].stats.load_ms)
        return loads

    _, chat_load, completion_load, other_load = with_engine(ollama_server, use)
    assert max(chat_load, completion_load) < other_load, "only another window reloads"
