"""The seam behind which every engine stands.

To cancel a generation is to close its stream (``aclose``). What that stops differs: see
``Engine.cancels_prompt``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

FimOrder = Literal["psm", "spm"]
"""Prefix, suffix, middle; or suffix, prefix, middle. In both the model writes the middle."""


@dataclass(frozen=True)
class FimTokens:
    """Holds the fill-in-the-middle tokens that a model's own metadata names."""

    prefix: str
    suffix: str
    middle: str


@dataclass(frozen=True)
class ModelInfo:
    """Describes one installed model as its engine reports it.

    ``capabilities`` uses Ollama's words: completion, insert, chat, embedding, thinking, tools.
    ``chat`` means that the model has a template for messages. ``is_remote``: running it would send
    text off this machine. ``fim_order`` is set where the model's own metadata names it.
    ``base_name`` is the name inside the model file, whatever the person called the model.
    """

    name: str
    size_bytes: int = 0
    digest: str = ""
    family: str = ""
    parameters: str = ""
    capabilities: frozenset[str] = frozenset()
    context_length: int | None = None
    fim_tokens: FimTokens | None = None
    fim_order: FimOrder | None = None
    base_name: str = ""
    is_remote: bool = False


@dataclass(frozen=True)
class RunnerOptions:
    """Options whose change makes Ollama reload a model: one object per model, shared by all roles."""

    num_ctx: int = 4096


@dataclass(frozen=True)
class CompletionRequest:
    """Asks for a raw continuation: ``prompt`` goes to the model exactly as it is."""

    model: str
    prompt: str
    max_tokens: int = 128
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    options: RunnerOptions = RunnerOptions()
    logprobs: bool = False


@dataclass(frozen=True)
class ChatMessage:
    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """Asks for an answer. ``think``: let a model that can reason do so first; off by default."""

    model: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    temperature: float = 0.2
    options: RunnerOptions = RunnerOptions()
    think: bool = False


@dataclass(frozen=True)
class GenerationStats:
    """Says what the engine did, as far as it tells; times in milliseconds, -1 is unknown."""

    prompt_tokens: int = 0
    output_tokens: int = 0
    prompt_ms: float = -1.0
    output_ms: float = -1.0
    load_ms: float = -1.0


@dataclass(frozen=True)
class Token:
    """Is one piece of a stream. The last one has ``stop_reason`` ("stop", "length") and ``stats``.

    ``is_thinking`` marks reasoning that is not part of the answer. ``logprob`` is the mean over
    the piece where it holds more than one token of the model.
    """

    text: str
    logprob: float | None = None
    is_thinking: bool = False
    stop_reason: str | None = None
    stats: GenerationStats | None = None


@dataclass(frozen=True)
class EngineStatus:
    name: str
    reachable: bool
    version: str = ""
    models: tuple[str, ...] = ()
    detail: str = ""
    loaded: dict[str, str] = field(default_factory=dict)
    """Model name to where it runs ("CPU", "GPU", "GPU 60 %"), for those that are loaded now."""


class Engine(Protocol):
    """Runs models. All methods raise EngineUnreachable, ModelMissing, RemoteForbidden or
    RequestFailed, never a foreign exception.
    """

    @property
    def name(self) -> str: ...

    @property
    def cancels_prompt(self) -> bool:
        """Whether closing a stream stops the reading of its prompt too (else only generation)."""
        ...

    async def models(self) -> list[ModelInfo]:
        """Returns the installed models, remote ones only where they are allowed."""
        ...

    async def show(self, model: str) -> ModelInfo:
        """Returns one model with its capabilities, context length and FIM tokens."""
        ...

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Token, None]: ...

    def chat(self, request: ChatRequest) -> AsyncGenerator[Token, None]: ...

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]: ...

    async def count_tokens(self, model: str, text: str) -> int | None:
        """Returns the exact number of tokens, or None where the engine can't count."""
        ...

    async def preload(self, model: str, options: RunnerOptions) -> None:
        """Loads the model if it is not loaded, and keeps it."""
        ...

    async def status(self) -> EngineStatus: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Choice:
    """Is what serves a role now: an engine, a model on it or None, and how it is to be run.

    ``options`` is the one object that every role on this model shares. ``max_tokens`` is the
    longest answer. ``reason`` says in plain words why it is this one.
    """

    engine: Engine
    model: ModelInfo | None
    options: RunnerOptions = RunnerOptions()
    max_tokens: int = 128
    reason: str = ""
