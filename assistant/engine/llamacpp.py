"""The llama.cpp engine: an embedded server of our own, or a llama-server that already runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from importlib import metadata as packages
from pathlib import Path, PurePath
from typing import Any

import httpx

import assistant
from assistant.engine import fim, gguf
from assistant.engine.address import normalize, require_local
from assistant.engine.base import (
    ChatRequest,
    CompletionRequest,
    EngineStatus,
    FimTokens,
    GenerationStats,
    ModelInfo,
    RunnerOptions,
    Token,
)
from assistant.engine.llamacpp_errors import ConnectionBroken, ended_early, refused, translate
from assistant.engine.llamacpp_process import ChildSettings, LlamacppProcess
from assistant.engine.thinking import ThinkSplitter
from assistant.engine.transport import Timeouts, http_client
from assistant.errors import AssistantError, ModelMissing, RequestFailed

BUNDLED_MODEL = Path(assistant.__file__).parent / "data" / "pocket.gguf"

_SERVER_PORT = 8080
_MOST_CONTEXT = 8192
"""Tokens of window that the embedded server keeps memory for, where the model has as many."""

_LONGEST_LINE = 8 << 20


class LlamacppEngine:
    """Implements ``Engine`` over llama.cpp's server.

    ``model_path`` is a GGUF file (default: the bundled completion model), served by a child process
    that starts with the first request. ``url`` is a llama-server to use instead. Wrong addresses
    and files are refused by the first call, not here.
    """

    def __init__(
        self,
        model_path: str | Path | None = None,
        url: str | None = None,
        allow_remote: bool = False,
        *,
        timeouts: Timeouts | None = None,
        num_ctx: int = _MOST_CONTEXT,
    ) -> None:
        self.model_path = Path(model_path).expanduser() if model_path else BUNDLED_MODEL
        self._timeouts = timeouts or Timeouts()
        self._most_context = num_ctx
        self._url = url
        self._allow_remote = allow_remote
        self._info: ModelInfo | None = None
        self._process: LlamacppProcess | None = None
        self._http: httpx.AsyncClient | None = None
        self._http_socket: Path | None = None

    @property
    def name(self) -> str:
        return "llamacpp"

    @property
    def cancels_prompt(self) -> bool:
        """Returns True: the server looks at its connections between batches."""
        return True

    async def models(self) -> list[ModelInfo]:
        return [await self._model()]

    async def show(self, model: str) -> ModelInfo:
        return await self._model_named(model)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Token, None]:
        await self._model_named(request.model)
        body = {
            "prompt": request.prompt,
            "n_predict": request.max_tokens,
            "stop": list(request.stop),
            "temperature": request.temperature,
            "stream": True,
            "cache_prompt": True,
            "n_probs": 1 if request.logprobs else 0,
        }
        async with aclosing(self._events("/completion", body)) as events:
            async for event in events:
                yield _completion_token(event)
                if event.get("stop"):
                    return
        raise ended_early()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Token, None]:
        info = await self._model_named(request.model)
        if "chat" not in info.capabilities:
            raise ModelMissing(f"The model '{info.name}' can't chat.")
        body = {
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "max_tokens": request.max_tokens,
            "stop": list(request.stop),
            "temperature": request.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_prompt": True,
            "chat_template_kwargs": {"enable_thinking": request.think},
        }
        splitter = ThinkSplitter()
        stop_reason = ""
        async with aclosing(self._events("/v1/chat/completions", body)) as events:
            async for event in events:
                choice = (event.get("choices") or [{}])[0]
                delta = choice.get("delta") or {}
                if delta.get("reasoning_content"):
                    yield Token(delta["reasoning_content"], is_thinking=True)
                for text, is_thinking in splitter.feed(delta.get("content") or ""):
                    yield Token(text, is_thinking=is_thinking)
                stop_reason = choice.get("finish_reason") or stop_reason
                if event.get("usage"):
                    for text, is_thinking in splitter.flush():
                        yield Token(text, is_thinking=is_thinking)
                    yield Token("", stop_reason=stop_reason or "stop", stats=_chat_stats(event))
                    return
        raise ended_early()

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Raises RequestFailed: embeddings come from the bundled embedder or from Ollama."""
        del texts
        raise RequestFailed(
            f"The llama.cpp engine makes no embeddings with '{model}'.",
            hint="Set index.embedder to 'auto' or 'ollama:NAME'.",
        )

    async def count_tokens(self, model: str, text: str) -> int | None:
        await self._model_named(model)
        return len(await self._tokenize(text))

    async def preload(self, model: str, options: RunnerOptions) -> None:
        """Starts the server; ``options`` are fixed when it starts."""
        del options
        await self._model_named(model)
        await self._client()

    async def status(self) -> EngineStatus:
        try:
            info = await self._model()
        except AssistantError as error:
            return EngineStatus(self.name, False, self._version(), detail=str(error))
        process = self._process
        place = process.place if process is not None and process.is_running else ""
        return EngineStatus(
            self.name,
            True,
            self._version(),
            (info.name,),
            self._url or str(self.model_path),
            {info.name: place} if place else {},
        )

    @property
    def child_pid(self) -> int | None:
        """Returns the process id of the embedded server while it runs."""
        return self._process.pid if self._process else None

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._process is not None:
            await self._process.aclose()

    def _version(self) -> str:
        with contextlib.suppress(packages.PackageNotFoundError):
            return f"xllamacpp {packages.version('xllamacpp')}"
        return ""

    async def _model_named(self, model: str) -> ModelInfo:
        """Returns the one model there is, by its name, its file's name or its path."""
        info = await self._model()
        if model in (info.name, f"{info.name}.gguf", str(self.model_path)):
            return info
        raise ModelMissing(
            f"The llama.cpp engine serves '{info.name}', not '{model}'.",
            hint="Set llamacpp.model_path to the model's GGUF file.",
        )

    async def _model(self) -> ModelInfo:
        if self._info is None:
            self._info = await (self._ask_server() if self._url else self._read_file())
        return self._info

    async def _read_file(self) -> ModelInfo:
        info = await asyncio.to_thread(gguf.describe, self.model_path, self.model_path.stem)
        window = min(info.context_length or self._most_context, self._most_context)
        return replace(info, context_length=window)

    async def _ask_server(self) -> ModelInfo:
        """Describes the model of a llama-server, which tells neither family nor FIM tokens."""
        props = await self._json("GET", "/props")
        path = str(props.get("model_path") or props.get("model_alias") or "model")
        settings = props.get("default_generation_settings") or {}
        name = PurePath(path).name.removesuffix(".gguf")
        capabilities = {"completion"} | ({"chat"} if props.get("chat_template") else set())
        info = ModelInfo(
            name=name,
            capabilities=frozenset(capabilities),
            context_length=int(settings.get("n_ctx") or 0) or None,
        )
        tokens = None if fim.profile_for(info) else await self._find_fim_tokens()
        return replace(info, fim_tokens=tokens)

    async def _find_fim_tokens(self) -> FimTokens | None:
        """Returns the first known set of which each member is one token to this model."""
        for tokens in fim.KNOWN_TOKENS:
            parts = (tokens.prefix, tokens.suffix, tokens.middle)
            if all([len(await self._tokenize(part.strip())) == 1 for part in parts]):
                return tokens
        return None

    async def _tokenize(self, text: str) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": True}
        return list((await self._json("POST", "/tokenize", body)).get("tokens") or ())

    async def _client(self) -> httpx.AsyncClient:
        """Returns a client of the running server, starting the embedded one first."""
        if self._url:
            if self._http is None:
                url = normalize(self._url, default_port=_SERVER_PORT)
                require_local(url, allow_remote=self._allow_remote)
                self._http = http_client(url, self._timeouts)
            return self._http
        if self._process is None:
            info = await self._model()
            slots = 2 if "chat" in info.capabilities else 1
            window = info.context_length or self._most_context
            self._process = LlamacppProcess(
                ChildSettings(self.model_path.absolute(), window, slots)
            )
        path = await self._process.ready_socket()
        if self._http is None or path != self._http_socket:
            if self._http is not None:
                await self._http.aclose()
            self._http = http_client("http://engine", self._timeouts, uds=str(path))
            self._http_socket = path
        return self._http

    async def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        client = await self._client()
        with translate(self._where()):
            response = await client.request(method, path, json=body)
            if not response.is_success:
                raise refused(response.status_code, response.content)
            value = response.json()
        return value if isinstance(value, dict) else {}

    async def _events(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yields the objects of a server-sent event stream. Closing it closes the connection."""
        client = await self._client()
        try:
            with translate(self._where()):
                async with client.stream(
                    "POST", path, json=body, timeout=self._timeouts.generation()
                ) as response:
                    if not response.is_success:
                        raise refused(response.status_code, await response.aread())
                    async with aclosing(_lines(response.aiter_bytes())) as lines:
                        async for line in lines:
                            event = _event(line)
                            if event is not None:
                                yield event
        except ConnectionBroken:
            if self._process is not None:
                await self._process.ended()
                if (reason := self._process.why_ended()) is not None:
                    raise reason from None
            raise

    def _where(self) -> str:
        return f"llama-server at {self._url}" if self._url else "The embedded engine"


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Splits at line feeds only, which is what the event stream means by a line."""
    held = b""
    async for chunk in chunks:
        *complete, held = (held + chunk).split(b"\n")
        for line in complete:
            yield line
        if len(held) > _LONGEST_LINE:
            raise ended_early()


def _event(line: bytes) -> dict[str, Any] | None:
    """Returns the object of a data line, None for anything else; raises what an error line says."""
    field, _, value = line.strip().partition(b":")
    value = value.strip()
    if field not in (b"data", b"error") or not value or value == b"[DONE]":
        return None
    event = json.loads(value)
    if not isinstance(event, dict):
        raise TypeError("an event that is no object")
    if field == b"error" or "error" in event:
        raise refused(500, value)
    return event


def _completion_token(event: Mapping[str, Any]) -> Token:
    values = [entry["logprob"] for entry in event.get("completion_probabilities") or ()]
    logprob = sum(values) / len(values) if values else None
    if not event.get("stop"):
        return Token(str(event.get("content") or ""), logprob)
    timings = event.get("timings") or {}
    return Token(
        str(event.get("content") or ""),
        logprob,
        stop_reason="length" if event.get("stop_type") == "limit" else "stop",
        stats=GenerationStats(
            prompt_tokens=int(event.get("tokens_evaluated") or 0),
            output_tokens=int(event.get("tokens_predicted") or 0),
            prompt_ms=float(timings.get("prompt_ms", -1.0)),
            output_ms=float(timings.get("predicted_ms", -1.0)),
        ),
    )


def _chat_stats(event: Mapping[str, Any]) -> GenerationStats:
    usage, timings = event.get("usage") or {}, event.get("timings") or {}
    return GenerationStats(
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        prompt_ms=float(timings.get("prompt_ms", -1.0)),
        output_ms=float(timings.get("predicted_ms", -1.0)),
    )
