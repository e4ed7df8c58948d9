"""Which engine and model serve a role now, for the options of a connection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant import config, protocol
from assistant.engine import select
from assistant.engine.base import Choice, Engine, EngineStatus, ModelInfo, RunnerOptions
from assistant.engine.llamacpp import LlamacppEngine
from assistant.engine.ollama import OllamaEngine
from assistant.errors import AssistantError, EngineUnreachable, RequestFailed
from assistant.hardware.probe import probe
from assistant.hardware.tiers import Tier, tier_for, tier_named
from assistant.settings import Settings

log = logging.getLogger(__name__)

_FRESH_SECONDS = 10.0
"""How long a choice is kept: a model pulled in another window is used as soon."""

_COMPLETION_TOKENS = 96
_GREETING_SECONDS = 1.0
_SIZE_MARGIN = 2
"""A model up to twice the size of the tier's own is chosen; beyond it only for want of another."""


@dataclass(frozen=True)
class StateReport:
    engine: protocol.EngineReport
    roles: dict[str, str | None]


_Key = tuple[str, ...]


def _key(settings: Settings, role: str) -> _Key:
    parts = (
        role,
        settings.engine,
        settings.ollama.host,
        settings.llamacpp.model_path,
        settings.llamacpp.url,
        settings.allow_remote,
        settings.tier,
        settings.completion.model,
        settings.chat.model,
    )
    return tuple(str(part) for part in parts)


class Engines:
    """Owns the engines, one per address or model file, and remembers choices for a moment."""

    def __init__(self) -> None:
        self._ollama: dict[tuple[str | None, bool], OllamaEngine] = {}
        self._llamacpp: dict[tuple[Path | None, str | None], LlamacppEngine] = {}
        self._choices: dict[_Key, tuple[float, Choice]] = {}
        self._locks: dict[_Key, asyncio.Lock] = {}
        self._tier: Tier | None = None

    # -- roles --------------------------------------------------------------------------

    async def for_completion(self, settings: Settings) -> Choice:
        """Returns what completes code.

        Raises EngineUnreachable or ModelMissing where the options name an engine or model that
        can't serve: what a person names is used as given, never replaced.
        """
        return await self._chosen(settings, "completion")

    async def for_chat(self, settings: Settings) -> Choice:
        """Returns what chats; its model is None where this machine has none that can."""
        return await self._chosen(settings, "chat")

    def forget(self) -> None:
        """Looks again at the next request: an engine has just failed, or a model was set."""
        self._choices.clear()

    async def _chosen(self, settings: Settings, role: str) -> Choice:
        key = _key(settings, role)
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._choices.get(key)
            if known is not None and time.monotonic() - known[0] < _FRESH_SECONDS:
                return known[1]
            choice = await self._choose(settings, role)
            self._choices[key] = (time.monotonic(), choice)
            return choice

    async def _choose(self, settings: Settings, role: str) -> Choice:
        explicit = settings.completion.model if role == "completion" else settings.chat.model
        if settings.engine == "ollama":
            return await self._on(self._ollama_for(settings), role, explicit, settings)
        if settings.engine == "project":
            raise RequestFailed(
                "The engine 'project' is not part of this version.", hint="Set engine = 'auto'."
            )
        if settings.engine == "llamacpp":
            return await self._on(self._llamacpp_for(settings), role, explicit, settings)
        ollama = self._ollama_for(settings)
        try:
            choice = await self._on(ollama, role, explicit, settings)
        except EngineUnreachable:
            choice, why = None, "Ollama does not answer."
        else:
            why = f"Ollama has no model for {role}."
        if choice is not None and choice.model is not None:
            return choice
        embedded = await self._on(self._llamacpp_for(settings), role, None, settings)
        reason = select.embedded_reason(role, why)
        return Choice(
            embedded.engine, embedded.model, embedded.options, embedded.max_tokens, reason
        )

    async def _on(
        self, engine: Engine, role: str, explicit: str | None, settings: Settings
    ) -> Choice:
        tier = await self.machine_tier(settings)
        model: ModelInfo | None
        if explicit:
            model = await engine.show(explicit)
        else:
            # Where Ollama is to be used alone, a model that only chats fills holes for want of a
            # better one; otherwise the bundled model is faster and more exact.
            model = select.best_for(
                role,
                await engine.models(),
                size_limit_bytes=_SIZE_MARGIN * getattr(tier, role).size_bytes,
                allow_hole=settings.engine == "ollama",
            )
        window = tier.num_ctx
        if model is not None and model.context_length:
            window = min(window, model.context_length)
        max_tokens = (
            _COMPLETION_TOKENS if role == "completion" else min(tier.answer_tokens, window // 3)
        )
        name = model.name if model is not None else "no model"
        return Choice(
            engine, model, RunnerOptions(window), max_tokens, f"{role}: {name} on {engine.name}."
        )

    def _ollama_for(self, settings: Settings) -> OllamaEngine:
        key = (settings.ollama.host, settings.allow_remote)
        if key not in self._ollama:
            self._ollama[key] = OllamaEngine(*key)
        return self._ollama[key]

    def _llamacpp_for(self, settings: Settings) -> LlamacppEngine:
        key = (config.llamacpp_model_path(settings), settings.llamacpp.url)
        if key not in self._llamacpp:
            self._llamacpp[key] = LlamacppEngine(*key, allow_remote=settings.allow_remote)
        return self._llamacpp[key]

    # -- hardware -----------------------------------------------------------------------

    async def machine_tier(self, settings: Settings) -> Tier:
        """Returns the tier that is set, else that of this machine, probed once."""
        if settings.tier != "auto":
            return tier_named(settings.tier)
        if self._tier is None:
            self._tier = tier_for(await asyncio.to_thread(probe))
        return self._tier

    # -- reports ------------------------------------------------------------------------

    async def report(self, settings: Settings) -> StateReport:
        """Returns the state of the engine in use and the model of each role. Never raises."""
        roles: dict[str, str | None] = {}
        engine: Engine | None = None
        problem = ""
        for role in ("completion", "chat"):
            try:
                choice = await self._chosen(settings, role)
            except AssistantError as error:
                roles[role], problem = None, str(error)
                continue
            roles[role] = choice.model.name if choice.model else None
            engine = engine or choice.engine
        roles["edit"] = settings.edit.model or roles.get("chat")
        roles["embedding"] = settings.index.embedder
        engine = engine or (
            self._ollama_for(settings)
            if settings.engine == "ollama"
            else self._llamacpp_for(settings)
        )
        status = await self._status(engine)
        report = protocol.EngineReport(
            name=status.name,
            reachable=status.reachable,
            version=status.version,
            models=list(status.models),
            detail=problem or status.detail,
        )
        return StateReport(report, roles)

    async def _status(self, engine: Engine) -> EngineStatus:
        try:
            return await engine.status()
        except AssistantError as error:
            return EngineStatus(engine.name, False, detail=str(error))

    async def roles(self, settings: Settings) -> dict[str, str | None]:
        """Returns role to model for a greeting: what is known within a second, None elsewhere."""
        try:
            report = await asyncio.wait_for(self.report(settings), _GREETING_SECONDS)
        except asyncio.TimeoutError:
            return dict.fromkeys(("completion", "chat", "edit", "embedding"))
        return report.roles

    async def models(self, settings: Settings) -> protocol.ModelsResult:
        report = await self.report(settings)
        return protocol.ModelsResult(
            engine=report.engine.name, roles=report.roles, installed=report.engine.models
        )

    async def check_model(self, settings: Settings, role: str, name: str) -> None:
        """Raises ModelMissing or RemoteForbidden where ``name`` can't be used."""
        choice = await self._chosen(settings, "chat" if role == "edit" else role)
        await choice.engine.show(name)
        self.forget()

    async def tell_choice(self, settings: Settings, show: Callable[[str], None]) -> None:
        """Says once, in plain words, when something less than the best is in use."""
        try:
            choice = await self.for_completion(settings)
        except AssistantError as error:
            show(str(error))
            return
        log.info("%s", choice.reason)
        if settings.engine == "auto" and choice.engine.name == "llamacpp":
            show(choice.reason)

    async def preload(self, settings: Settings) -> None:
        """Loads the completion model before the first suggestion is asked for."""
        if not settings.completion.enabled:
            return
        try:
            choice = await self.for_completion(settings)
            if choice.model is not None:
                await choice.engine.preload(choice.model.name, choice.options)
        except AssistantError as error:
            log.info("not preloaded: %s", error)

    async def aclose(self) -> None:
        engines: list[Engine] = [*self._llamacpp.values(), *self._ollama.values()]
        for engine in engines:
            await engine.aclose()
