"""What closing a stream stops: the two policies, measured by the wait of the next request.

Times are compared with each other, in one run on one machine, never with a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.engine.base import CompletionRequest, Engine, RunnerOptions
from assistant.engine.llamacpp import LlamacppEngine
from assistant.engine.ollama import OllamaEngine
from tests.engine.streams import collect, using
from tests.support.ollama import PLAIN_TEMPLATE, OllamaServer
from tests.support.tiny_gguf import SLOW, write_tiny_gguf

OPTIONS = RunnerOptions(num_ctx=SLOW.context)
SLOWER = replace(SLOW, width=512, blocks=8, feed_forward=2048, heads=8)
"""llama.cpp's server looks for a closed connection once a second: the prompt must take longer."""

LONG_PROMPT_TOKENS = 3_600


async def seconds_for(engine: Engine, prompt: str) -> float:
    started = time.monotonic()
    await collect(engine.complete(CompletionRequest("slow", prompt, max_tokens=1, options=OPTIONS)))
    return time.monotonic() - started


async def wait_after_cancel(engine: Engine) -> tuple[float, float]:
    """Returns the seconds that a long prompt takes, and those that a short one takes just after
    such a prompt was cancelled while it was read.
    """
    await seconds_for(engine, "z")
    whole = await seconds_for(engine, "a" * LONG_PROMPT_TOKENS)
    longer = await seconds_for(engine, "a" * LONG_PROMPT_TOKENS + "bcd")
    assert longer < whole * 0.5, "a common head is not read again"
    request = CompletionRequest("slow", "b" * LONG_PROMPT_TOKENS, max_tokens=1, options=OPTIONS)
    stream = engine.complete(request)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.wait([first], timeout=whole / 10)
    assert not first.done(), "the prompt is still being read"
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await stream.aclose()
    return whole, await seconds_for(engine, "z")


@pytest.mark.ollama
def test_ollama_before_0_30_reads_a_cancelled_prompt_to_its_end(
    ollama_server: OllamaServer, tmp_path: Path
) -> None:
    model = write_tiny_gguf(tmp_path / "slow.gguf", SLOW)
    ollama_server.create("slow", {"slow.gguf": model}, PLAIN_TEMPLATE)

    async def use(engine: OllamaEngine) -> None:
        whole, wait = await wait_after_cancel(engine)
        print(f"ollama: {whole:.2f} s whole, {wait:.2f} s after a cancel")
        if engine.cancels_prompt:
            assert wait < whole * 0.6
        else:
            assert wait > whole * 0.3

    using(OllamaEngine(ollama_server.host), use)


def test_llamacpp_stops_between_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_tiny_gguf(tmp_path / "slow.gguf", SLOWER)
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))

    async def use(engine: LlamacppEngine) -> None:
        assert engine.cancels_prompt
        whole, wait = await wait_after_cancel(engine)
        print(f"llama.cpp: {whole:.2f} s whole, {wait:.2f} s after a cancel")
        assert wait < whole * 0.6

    using(LlamacppEngine(model), use)
