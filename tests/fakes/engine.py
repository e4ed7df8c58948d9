"""An engine in this process whose every token the test releases by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from assistant.engine.base import (
    ChatRequest,
    CompletionRequest,
    EngineStatus,
    GenerationStats,
    ModelInfo,
    RunnerOptions,
    Token,
)
from assistant.errors import AssistantError

QWEN = ModelInfo("qwen2.5-coder:1.5b-base", capabilities=frozenset({"completion", "insert"}))


@dataclass
class Stream:
    """Is one request at the engine: the test writes its tokens and sees whether it was closed."""

    request: CompletionRequest | ChatRequest
    tokens: asyncio.Queue[Token | AssistantError] = field(default_factory=asyncio.Queue)
    is_closed: bool = False

    def write(self, *texts: str) -> None:
        for text in texts:
            self.tokens.put_nowait(Token(text))

    def end(self, stats: GenerationStats | None = None) -> None:
        self.tokens.put_nowait(Token("", stop_reason="stop", stats=stats))

    def fail(self, error: AssistantError) -> None:
        self.tokens.put_nowait(error)


class ScriptedEngine:
    """Keeps every stream that was opened; ``opened`` waits for the next one."""

    name = "scripted"

    def __init__(self, *, cancels_prompt: bool = True) -> None:
        self.cancels_prompt = cancels_prompt
        self.streams: list[Stream] = []
        self._opened: asyncio.Queue[Stream] = asyncio.Queue()

    async def opened(self) -> Stream:
        return await asyncio.wait_for(self._opened.get(), 10)

    async def _run(self, request: CompletionRequest | ChatRequest) -> AsyncGenerator[Token, None]:
        stream = Stream(request)
        self.streams.append(stream)
        self._opened.put_nowait(stream)
        try:
            while True:
                token = await stream.tokens.get()
                if isinstance(token, AssistantError):
                    raise token
                yield token
                if token.stop_reason is not None:
                    return
        finally:
            stream.is_closed = True

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Token, None]:
        return self._run(request)

    def chat(self, request: ChatRequest) -> AsyncGenerator[Token, None]:
        return self._run(request)

    async def models(self) -> list[ModelInfo]:
        return [QWEN]

    async def show(self, model: str) -> ModelInfo:
        return QWEN

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0] for _ in texts]

    async def count_tokens(self, model: str, text: str) -> int | None:
        return None

    async def preload(self, model: str, options: RunnerOptions) -> None:
        return None

    async def status(self) -> EngineStatus:
        return EngineStatus(self.name, True)

    async def aclose(self) -> None:
        return None
