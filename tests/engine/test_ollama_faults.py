"""What the Ollama engine makes of a server that hangs, dies or stammers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest

from assistant.engine.base import ChatMessage, ChatRequest, CompletionRequest
from assistant.engine.ollama import KEEP_ALIVE, OllamaEngine
from assistant.engine.transport import Timeouts
from assistant.errors import (
    AssistantError,
    Busy,
    EngineUnreachable,
    ModelMissing,
    RemoteForbidden,
    RequestFailed,
)
from tests.engine.streams import collect, using
from tests.fakes.ollama import Die, FakeOllama, Hang, Status, Step, WaitFor, cut, end, line

T = TypeVar("T")
REQUEST = CompletionRequest("fake", "prompt", max_tokens=5, stop=("\n",), logprobs=True)
CHAT = ChatRequest("fake", (ChatMessage("user", "hi"),))
HASTY = Timeouts(connect_ms=500, quick_ms=2000, first_byte_ms=150, idle_ms=150)


def asking(
    fake: FakeOllama, use: Callable[[OllamaEngine], Awaitable[T]], timeouts: Timeouts | None = None
) -> T:
    return using(OllamaEngine(fake.host, timeouts=timeouts), use)


def complete(steps: Sequence[Step], timeouts: Timeouts | None = None) -> str:
    with FakeOllama(generate=steps) as fake:
        text, _ = asking(fake, lambda engine: collect(engine.complete(REQUEST)), timeouts)
    return text


@pytest.mark.parametrize("separator", ["\u0085", "\u2028", "\u2029"])
def test_separator_in_a_token_does_not_break_its_line(separator: str) -> None:
    assert complete([line(response=f"a{separator}b"), end()]) == f"a{separator}b"


def test_separator_cut_between_two_chunks() -> None:
    raw = line(response="a\u0085b\u2028cé")
    at = [raw.index(b"\x85"), raw.index(b"\xa8"), raw.index(b"\xa9", raw.index(b"\xa8") + 1)]
    assert complete([*cut(raw, at), end()]) == "a\u0085b\u2028cé"


def test_several_lines_in_one_chunk() -> None:
    assert complete([line(response="a") + line(response="b") + end()]) == "ab"


@pytest.mark.parametrize(
    ("steps", "kind", "message"),
    [
        ([line(response="a"), Die()], RequestFailed, "in the middle of an answer"),
        ([Die()], RequestFailed, "in the middle of an answer"),
        ([line(response="a")], RequestFailed, "in the middle of an answer"),
        ([b'{"response": "a\n', end()], RequestFailed, "can't be read"),
        ([b"[]\n", end()], RequestFailed, "can't be read"),
        ([b'{"response": ["a"]}\n'], RequestFailed, "can't be read"),
        ([b"<html>\n"], RequestFailed, "can't be read"),
        ([line(response="a"), line(error="out of memory")], RequestFailed, "out of memory"),
        ([Status(404, b'{"error": "model \'fake\' not found"}')], ModelMissing, "no model 'fake'"),
        ([Status(500, b'{"error": "boom"}')], RequestFailed, "boom"),
        ([Status(503, b'{"error": "server busy"}')], Busy, "server busy"),
        ([Status(400, b"")], RequestFailed, "HTTP 400"),
        (
            [Status(302, b"", (("Location", "http://192.0.2.1/api/generate"),))],
            RequestFailed,
            "HTTP 302",
        ),
    ],
    ids=[
        *("dies", "dies-at-once", "ends-early", "half-a-line", "array", "wrong-type", "html"),
        *("error-line", "missing", "500", "busy", "400", "redirect"),
    ],
)
def test_fault_is_one_plain_line(
    steps: list[Step], kind: type[AssistantError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        complete(steps)
    assert "\n" not in str(caught.value)


def test_no_first_byte() -> None:
    with pytest.raises(RequestFailed, match="nothing for too long"):
        complete([Hang()], HASTY)


def test_silence_in_the_middle() -> None:
    """The gap between two tokens is bounded tighter than the wait for the first."""
    patient_at_first = Timeouts(first_byte_ms=60_000, idle_ms=150)
    with pytest.raises(RequestFailed, match="nothing for too long"):
        complete([line(response="a"), Hang()], patient_at_first)


def test_slow_first_token_is_waited_for() -> None:
    ready = threading.Event()

    async def use(engine: OllamaEngine) -> str:
        task = asyncio.create_task(collect(engine.complete(REQUEST)))
        while not fake.asked("/api/generate"):
            await asyncio.sleep(0.01)
        assert not task.done()
        ready.set()
        return (await task)[0]

    with FakeOllama(generate=[WaitFor(ready), line(response="late"), end()]) as fake:
        assert asking(fake, use) == "late"


@pytest.mark.parametrize("before", [[], [line(response="a")]], ids=["reading", "writing"])
def test_cancel_closes_the_connection(before: list[Step]) -> None:
    async def use(engine: OllamaEngine) -> bool:
        stream = engine.complete(REQUEST)
        if before:
            assert (await anext(stream)).text == "a"
        waiting = asyncio.ensure_future(anext(stream))
        while not fake.asked("/api/generate"):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await stream.aclose()
        return await asyncio.to_thread(fake.gone.wait, 10)

    with FakeOllama(generate=[*before, Hang()]) as fake:
        assert asking(fake, use), "the server saw the end of the connection"


def test_what_is_sent() -> None:
    with FakeOllama(generate=[end()]) as fake:
        asking(fake, lambda engine: collect(engine.complete(REQUEST)))
        (sent,) = fake.asked("/api/generate")
    assert sent["raw"] is True and sent["stream"] is True and sent["logprobs"] is True
    assert sent["keep_alive"] == KEEP_ALIVE
    assert sent["options"] == {
        "num_ctx": 4096,
        "num_predict": 5,
        "temperature": 0.0,
        "stop": ["\n"],
    }


def test_roles_share_their_runner_options() -> None:
    """A difference would reload the model between a completion and a chat."""

    async def use(engine: OllamaEngine) -> None:
        await collect(engine.complete(REQUEST))
        await collect(engine.chat(CHAT))
        await engine.preload("fake", REQUEST.options)

    chat_end = line(message={"role": "assistant", "content": ""}, done=True)
    with FakeOllama(generate=[chat_end]) as fake:
        asking(fake, use)
        sent = [*fake.asked("/api/generate"), *fake.asked("/api/chat")]
    assert len(sent) == 3
    runner = {"num_ctx", "num_batch", "num_gpu", "num_thread", "use_mmap"}
    options = [{k: v for k, v in s["options"].items() if k in runner} for s in sent]
    assert options == [{"num_ctx": 4096}] * 3


def message(**fields: str) -> bytes:
    return line(message={"role": "assistant", **fields})


CHAT_END = line(message={"role": "assistant", "content": ""}, done=True, done_reason="stop")


@pytest.mark.parametrize(
    ("capabilities", "family", "sent"),
    [
        (["completion"], "llama", None),
        (["completion", "thinking"], "qwen3", False),
        (["completion", "thinking"], "gptoss", "low"),
    ],
)
def test_thinking_is_off_as_the_model_allows(
    capabilities: list[str], family: str, sent: object
) -> None:
    show = {"capabilities": capabilities, "details": {"family": family}}
    with FakeOllama(generate=[CHAT_END], show=show) as fake:
        asking(fake, lambda engine: collect(engine.chat(CHAT)))
        assert fake.asked("/api/chat")[0].get("think") == sent


@pytest.mark.parametrize(
    "pieces",
    [
        [message(thinking="hm"), message(content="yes")],
        [message(content="<think>hm</think>\n\nyes")],
        [message(content="<thi"), message(content="nk>hm</th"), message(content="ink>yes")],
    ],
    ids=["own-field", "in-the-text", "cut"],
)
def test_reasoning_is_marked(pieces: list[bytes]) -> None:
    with FakeOllama(generate=[*pieces, CHAT_END]) as fake:
        text, tokens = asking(fake, lambda engine: collect(engine.chat(CHAT)))
    assert text == "yes"
    assert "".join(token.text for token in tokens if token.is_thinking) == "hm"


CLOUD_TAGS = (
    {"name": "here:latest", "digest": "1"},
    {
        "name": "far:latest",
        "digest": "2",
        "remote_host": "https://example.com",
        "remote_model": "x",
    },
    {"name": "gpt-oss:120b-cloud", "digest": "3"},
)


def test_cloud_models_are_hidden() -> None:
    with FakeOllama(tags=CLOUD_TAGS) as fake:
        models = asking(fake, lambda engine: engine.models())
        allowed = using(OllamaEngine(fake.host, allow_remote=True), lambda engine: engine.models())
    assert [model.name for model in models] == ["here:latest"]
    assert [model.is_remote for model in allowed] == [False, True, True]


@pytest.mark.parametrize("model", ["far", "gpt-oss:120b-cloud", "other:cloud"])
def test_cloud_models_are_refused_before_text_is_sent(model: str) -> None:
    with FakeOllama(generate=[end()], tags=CLOUD_TAGS) as fake:
        with pytest.raises(RemoteForbidden, match=model):
            asking(fake, lambda e: collect(e.complete(CompletionRequest(model, "secret"))))
        with pytest.raises(RemoteForbidden, match=model):
            asking(fake, lambda e: e.embed(model, ["secret"]))
        paths = {path for path, _ in fake.requests}
    assert not paths & {"/api/generate", "/api/chat", "/api/embed"}


def test_model_known_as_remote_only_by_its_description_is_refused() -> None:
    show = {"capabilities": ["completion"], "remote_host": "https://example.com"}
    with FakeOllama(generate=[end()], show=show) as fake, pytest.raises(RemoteForbidden):
        asking(fake, lambda engine: collect(engine.complete(REQUEST)))


@pytest.mark.parametrize(
    ("version", "cancels"),
    [("0.24.0", False), ("0.29.9", False), ("0.30.0", True), ("0.30.0-rc1", True), ("1.0", True)],
)
def test_version_tells_whether_a_prompt_can_be_cancelled(version: str, cancels: bool) -> None:
    async def use(engine: OllamaEngine) -> bool:
        assert engine.cancels_prompt is False, "not known before the server was asked"
        await engine.models()
        return engine.cancels_prompt

    with FakeOllama(version=version) as fake:
        assert asking(fake, use) is cancels


def test_model_list_is_kept_for_a_moment() -> None:
    async def use(engine: OllamaEngine) -> None:
        for _ in range(5):
            await engine.models()
            await collect(engine.complete(REQUEST))

    with FakeOllama(generate=[end()]) as fake:
        asking(fake, use)
        asked = [path for path, _ in fake.requests]
    assert asked.count("/api/tags") == 1
    assert asked.count("/api/show") == 1


def test_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    assert complete([line(response="ok"), end()]) == "ok"


def test_host_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOllama(version="0.24.0") as fake:
        port = fake.host.rpartition(":")[2]
        monkeypatch.setenv("OLLAMA_HOST", f"0.0.0.0:{port}")
        status = using(OllamaEngine(), lambda engine: engine.status())
    assert status.reachable and status.version == "0.24.0"


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("192.0.2.1:11434", RemoteForbidden),
        ("http://ollama.example", RemoteForbidden),
        ("ftp://127.0.0.1", RequestFailed),
        ("127.0.0.1:9", EngineUnreachable),
    ],
)
def test_address_that_can_not_serve(host: str, kind: type[AssistantError]) -> None:
    """Making the engine never fails: the daemon must start whatever the options say."""
    engine = OllamaEngine(host)
    with pytest.raises(kind):
        using(engine, lambda engine: engine.models())
    status = using(OllamaEngine(host), lambda engine: engine.status())
    assert not status.reachable and status.detail
