"""The Ollama engine: the ``ollama`` package for what generates, plain JSON for what it leaves out.

The package drops fields that are needed here (``remote_host``, the token list of a verbose show),
so questions about models go through the same kind of HTTP client directly.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import ollama

from assistant.engine import fim, metadata, ollama_models
from assistant.engine.address import normalize, require_local
from assistant.engine.base import (
    ChatRequest,
    CompletionRequest,
    EngineStatus,
    GenerationStats,
    ModelInfo,
    RunnerOptions,
    Token,
)
from assistant.engine.ollama_errors import cloud, ended_early, translate
from assistant.engine.thinking import ThinkSplitter
from assistant.engine.transport import LineSafeTransport, Timeouts, http_client
from assistant.errors import AssistantError, ModelMissing, RequestFailed

_log = logging.getLogger(__name__)

KEEP_ALIVE = "30m"
_MODELS_FRESH_S = 10.0
_SHOW_FRESH_S = 60.0
_SHOWS_AT_ONCE = 4


@dataclass(frozen=True)
class PullProgress:
    """Is one report of a download; bytes are 0 where Ollama does not tell."""

    status: str
    completed_bytes: int = 0
    total_bytes: int = 0


class OllamaEngine:
    """Implements ``Engine`` over Ollama's HTTP interface.

    ``host`` is what a person may write for one (default: OLLAMA_HOST, else the usual port here).
    An address that is wrong or off this machine is refused by the first call, not here.
    """

    def __init__(
        self,
        host: str | None = None,
        allow_remote: bool = False,
        *,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._allow_remote = allow_remote
        self._refusal: AssistantError | None = None
        self.url = ""
        self._version = ""
        self._http: httpx.AsyncClient | None = None
        self._sdk: ollama.AsyncClient | None = None
        self._models: tuple[float, list[ModelInfo]] | None = None
        self._shown: dict[str, tuple[float, ModelInfo]] = {}
        self._models_lock = asyncio.Lock()
        try:
            self.url = normalize(host or os.environ.get("OLLAMA_HOST"))
            require_local(self.url, allow_remote=allow_remote)
        except AssistantError as error:
            self._refusal = error

    @property
    def name(self) -> str:
        return "ollama"

    @property
    def cancels_prompt(self) -> bool:
        """Says so by the server's version; False until the server has been asked for it."""
        return ollama_models.cancels_prompt(self._version)

    async def models(self) -> list[ModelInfo]:
        async with self._models_lock:
            if self._models and time.monotonic() - self._models[0] < _MODELS_FRESH_S:
                return self._models[1]
            tags = await self._tags()
            self._version = await self._read_version()
            gate = asyncio.Semaphore(_SHOWS_AT_ONCE)
            wanted = [
                (name, tag)
                for name, tag in tags.items()
                if self._allow_remote or not ollama_models.is_remote(name, tag)
            ]
            infos = await asyncio.gather(*(self._describe(n, t, gate) for n, t in wanted))
            local = [info for info in infos if self._allow_remote or not info.is_remote]
            self._models = (time.monotonic(), local)
            return local

    async def show(self, model: str) -> ModelInfo:
        return await self._info(model, fresh_s=0.0)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Token, None]:
        await self._info(request.model)
        with translate(self.url, request.model):
            stream = await self._client().generate(
                model=request.model,
                prompt=request.prompt,
                raw=True,
                stream=True,
                logprobs=request.logprobs or None,
                keep_alive=KEEP_ALIVE,
                options=_options(request),
            )
            async with aclosing(_generator(stream)) as parts:
                async for part in parts:
                    yield _token(part, part.response or "", is_thinking=False)
                    if part.done:
                        return
        raise ended_early()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Token, None]:
        info = await self._info(request.model)
        splitter = ThinkSplitter()
        with translate(self.url, request.model):
            stream = await self._client().chat(
                model=request.model,
                messages=[{"role": m.role, "content": m.content} for m in request.messages],
                stream=True,
                think=_think(request, info),
                keep_alive=KEEP_ALIVE,
                options=_options(request),
            )
            async with aclosing(_generator(stream)) as parts:
                async for part in parts:
                    if part.message.thinking:
                        yield Token(part.message.thinking, is_thinking=True)
                    pieces = splitter.feed(part.message.content or "")
                    if part.done:
                        pieces += splitter.flush()
                    for text, is_thinking in pieces:
                        yield Token(text, is_thinking=is_thinking)
                    if part.done:
                        yield _token(part, "", is_thinking=False)
                        return
        raise ended_early()

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        await self._info(model)
        with translate(self.url, model):
            answer = await self._client().embed(
                model=model, input=list(texts), keep_alive=KEEP_ALIVE
            )
        return [list(vector) for vector in answer.embeddings]

    async def count_tokens(self, model: str, text: str) -> int | None:
        """Returns None: Ollama has no call for it."""
        del model, text
        return None

    async def preload(self, model: str, options: RunnerOptions) -> None:
        await self._info(model)
        with translate(self.url, model):
            await self._client().generate(
                model=model, prompt="", keep_alive=KEEP_ALIVE, options=_runner(options)
            )

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Downloads a model, by the person's own wish; this is the one call that uses a network."""
        self._refuse_cloud_name(model)
        with translate(self.url, model):
            stream = await self._client().pull(model, stream=True)
            async with aclosing(_generator(stream)) as parts:
                async for part in parts:
                    yield PullProgress(part.status or "", part.completed or 0, part.total or 0)
        self.forget()

    async def status(self) -> EngineStatus:
        try:
            self._version = await self._read_version()
            running = (await self._get("/api/ps")).get("models") or []
            models = await self.models()
        except AssistantError as error:
            return EngineStatus(self.name, False, detail=str(error))
        loaded = {str(m.get("name")): ollama_models.placement(m) for m in running}
        names = tuple(model.name for model in models)
        return EngineStatus(self.name, True, self._version, names, self.url, loaded)

    def forget(self) -> None:
        """Drops what is remembered about models, after one was added or removed."""
        self._models = None
        self._shown.clear()

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._sdk is not None:
            await self._sdk.close()  # type: ignore[no-untyped-call]

    async def _info(self, model: str, *, fresh_s: float = _SHOW_FRESH_S) -> ModelInfo:
        """Returns what is known of a model that may be used; asks again when that is old.

        Raises RemoteForbidden for a cloud model, before any text is sent.
        """
        self._refuse_cloud_name(model)
        name = ollama_models.full_name(model)
        known = self._shown.get(name)
        if known is not None and time.monotonic() - known[0] < fresh_s:
            info = known[1]
        else:
            if not self._version:
                self._version = await self._read_version()
            info = await self._current(name, (await self._tags()).get(name, {}))
        if info.is_remote and not self._allow_remote:
            raise cloud(model)
        return info

    def _refuse_cloud_name(self, model: str) -> None:
        if not self._allow_remote and ollama_models.is_cloud_name(model):
            raise cloud(model)

    async def _describe(
        self, name: str, tag: Mapping[str, Any], gate: asyncio.Semaphore
    ) -> ModelInfo:
        """Returns one model of the list; of a model that can't be read, what the list says."""
        async with gate:
            try:
                return await self._current(name, tag)
            except (ModelMissing, RequestFailed) as error:
                _log.warning("model %s can't be described: %s", name, error.message)
                return ollama_models.model_info(name, tag, {})

    async def _current(self, name: str, tag: Mapping[str, Any]) -> ModelInfo:
        """Returns the model's description, read again only where its digest has changed."""
        known = self._shown.get(name)
        if known and known[1].digest and known[1].digest == tag.get("digest"):
            self._shown[name] = (time.monotonic(), known[1])
            return known[1]
        return await self._read_show(name, tag)

    async def _read_show(self, name: str, tag: Mapping[str, Any]) -> ModelInfo:
        shown = await self._post("/api/show", {"model": name}, name)
        info = ollama_models.model_info(name, tag, shown)
        meta = shown.get("model_info") or {}
        if fim.profile_for(info) is None and metadata.has_fim_ids(meta):
            shown = await self._post("/api/show", {"model": name, "verbose": True}, name)
            info = ollama_models.model_info(name, tag, shown)
        self._shown[name] = (time.monotonic(), info)
        return info

    async def _tags(self) -> dict[str, dict[str, Any]]:
        entries = (await self._get("/api/tags")).get("models") or []
        return {str(entry.get("name") or entry.get("model")): entry for entry in entries}

    async def _read_version(self) -> str:
        return str((await self._get("/api/version")).get("version") or "")

    async def _get(self, path: str) -> dict[str, Any]:
        with translate(self.url):
            return await _json_object(await self._plain().get(path))

    async def _post(self, path: str, body: Mapping[str, Any], model: str) -> dict[str, Any]:
        with translate(self.url, model):
            return await _json_object(await self._plain().post(path, json=body))

    def _plain(self) -> httpx.AsyncClient:
        if self._refusal is not None:
            raise self._refusal
        if self._http is None:
            self._http = http_client(self.url, self._timeouts)
        return self._http

    def _client(self) -> ollama.AsyncClient:
        if self._refusal is not None:
            raise self._refusal
        if self._sdk is None:
            self._sdk = ollama.AsyncClient(
                host=self.url,
                transport=LineSafeTransport(self._timeouts),
                timeout=self._timeouts.generation(),
                follow_redirects=False,
                trust_env=False,
            )
        return self._sdk


async def _json_object(response: httpx.Response) -> dict[str, Any]:
    """Returns the body; a large one is parsed in a thread, for the event loop never computes."""
    if not response.is_success:
        raise ollama.ResponseError(response.text, response.status_code)
    raw = response.content
    large = len(raw) > 256 * 1024
    value = await asyncio.to_thread(json.loads, raw) if large else json.loads(raw)
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    return value


def _generator(stream: Any) -> AsyncGenerator[Any, None]:
    """Names what the package returns for a stream: a generator, though typed as an iterator."""
    generator: AsyncGenerator[Any, None] = stream
    return generator


def _runner(options: RunnerOptions) -> dict[str, Any]:
    return {"num_ctx": options.num_ctx}


def _options(request: CompletionRequest | ChatRequest) -> dict[str, Any]:
    return {
        **_runner(request.options),
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
        "stop": list(request.stop),
    }


def _think(request: ChatRequest, info: ModelInfo) -> Any:
    """Returns ``think`` for models that reason. gpt-oss can't be told not to, only to be brief."""
    if "thinking" not in info.capabilities:
        return None
    if info.family in ("gptoss", "gpt-oss"):
        return "medium" if request.think else "low"
    return request.think


def _token(part: Any, text: str, *, is_thinking: bool) -> Token:
    values = [entry.logprob for entry in part.logprobs or ()]
    return Token(
        text,
        logprob=sum(values) / len(values) if values else None,
        is_thinking=is_thinking,
        stop_reason=(part.done_reason or "stop") if part.done else None,
        stats=_stats(part) if part.done else None,
    )


def _stats(part: Any) -> GenerationStats:
    return GenerationStats(
        prompt_tokens=part.prompt_eval_count or 0,
        output_tokens=part.eval_count or 0,
        prompt_ms=_milliseconds(part.prompt_eval_duration),
        output_ms=_milliseconds(part.eval_duration),
        load_ms=_milliseconds(part.load_duration),
    )


def _milliseconds(nanoseconds: int | None) -> float:
    return -1.0 if nanoseconds is None else nanoseconds / 1e6
