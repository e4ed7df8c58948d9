"""Turns a place in a document into a suggestion: cache, running generation, or a new prompt."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from assistant.base import Snippet
from assistant.complete import filters, prompt
from assistant.complete.cache import CompletionCache
from assistant.complete.confidence import UNSURE, while_sure
from assistant.complete.generation import Anchor, Generation, GenerationPool, Snapshot
from assistant.complete.surroundings import FilterContext
from assistant.engine.base import ChatRequest, Choice, CompletionRequest, Token
from assistant.engine.fim import FimProfile, profile_for
from assistant.engine.tokens import TokenEstimator

log = logging.getLogger(__name__)

OnPartial = Callable[[str], None]

DEFAULT_CONTEXT_TOKENS = 1024
"""Prompt tokens where the option says 'auto': Continue and llm-ls send as many (see README)."""

_SNIPPET_SHARE = 0.5
_FITTING_ROUNDS = 3
_FITTING_MARGIN = 1.05


class SnippetSource(Protocol):
    """Finds what of the project a prompt may carry."""

    async def snippets(
        self, root: Path | None, *, path: str | None, before: str, after: str, budget_chars: int
    ) -> list[Snippet]: ...


@dataclass(frozen=True)
class CompletionJob:
    """Asks for the text at one place. ``path`` is relative to the root where it lies inside."""

    uri: str
    path: str | None
    language: str
    before: str
    after: str
    root: Path | None
    is_invoked: bool = False
    max_lines: int = 12
    context_tokens: Literal["auto"] | int = "auto"

    @property
    def anchor(self) -> Anchor:
        return Anchor(self.uri, self.before, self.after)


@dataclass(frozen=True)
class Outcome:
    """Is what came of a job; ``reason`` says why there is no text. Times in ms, -1 is none."""

    text: str = ""
    reason: str | None = None
    stop_reason: str | None = None
    retrieve_ms: float = -1.0
    first_token_ms: float = -1.0


@dataclass(frozen=True)
class PromptReport:
    """Is exactly what would be sent for a job."""

    prompt: str
    prefix: str
    suffix: str
    snippets: tuple[Snippet, ...]
    prompt_tokens: int
    limit_tokens: int
    retrieve_ms: float


@dataclass
class _Asked:
    """Is what a generation needs to be finished when nobody waits for it any more."""

    place: FilterContext
    sent_bytes: int
    num_ctx: int
    so_far: str = ""
    """What of the unfinished answer may be shown."""
    result: filters.FilterResult | None = None

    def take(self, text: str) -> bool:
        """Takes the text so far; returns whether the rest is of no use."""
        found = filters.stream(text, self.place)
        # Whether the model is sure enough is known only at the end: nothing is shown before.
        if self.place.min_mean_logprob is None:
            self.so_far = found.text
        return found.stop_reason is not None


class CompletionService:
    """Answers jobs. Owns the generations and the cache."""

    def __init__(self, estimator: TokenEstimator) -> None:
        self._estimator = estimator
        self._cache = CompletionCache()
        self._pool = GenerationPool(self._done)
        self._asked: dict[Generation, _Asked] = {}

    async def complete(
        self, job: CompletionJob, choice: Choice, source: SnippetSource, on_partial: OnPartial
    ) -> Outcome:
        """Returns the suggestion at the job's place; partial ones go to ``on_partial``, cumulative.

        Raises what the engine raises. Cancelling detaches from the generation.
        """
        if choice.model is None:
            return Outcome(reason="no-model")
        model = choice.model.name
        profile = profile_for(choice.model)
        if profile is not None and profile.languages and job.language not in profile.languages:
            return Outcome(reason="language")
        cached = self._cache.get(model, job.uri, job.before, job.after)
        if cached is not None:
            return Outcome(cached, None, "cache")
        retrieve_ms = -1.0
        while True:
            generation = self._pool.fitting(choice.engine, model, job.anchor)
            if generation is None:
                generation, retrieve_ms = await self._start(job, choice, profile, source)
            outcome = await self._follow(generation, job, on_partial, retrieve_ms)
            if outcome is not None:
                return outcome

    async def context(
        self, job: CompletionJob, choice: Choice, source: SnippetSource
    ) -> PromptReport:
        """Returns what ``complete`` would send. Sends nothing."""
        profile = profile_for(choice.model) if choice.model is not None else None
        snippets, retrieve_ms = await self._retrieve(job, choice, profile, source)
        built, exact = await self._fitted(job, choice, profile, snippets)
        name = choice.model.name if choice.model is not None else ""
        return PromptReport(
            prompt=built.text,
            prefix=built.prefix,
            suffix=built.suffix,
            snippets=built.snippets,
            prompt_tokens=self._estimator.estimate(name, built.text) if exact is None else exact,
            limit_tokens=self._budget_tokens(job, choice, profile),
            retrieve_ms=retrieve_ms,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()

    # -- asking -------------------------------------------------------------------------

    async def _start(
        self,
        job: CompletionJob,
        choice: Choice,
        profile: FimProfile | None,
        source: SnippetSource,
    ) -> tuple[Generation, float]:
        assert choice.model is not None
        snippets, retrieve_ms = await self._retrieve(job, choice, profile, source)
        built, _ = await self._fitted(job, choice, profile, snippets)
        place = FilterContext(
            prefix=job.before,
            suffix=job.after,
            path=job.path or "",
            control_tokens=profile.control_tokens if profile else prompt.CHAT_TOKENS,
            single_line=built.single_line,
            max_lines=job.max_lines,
            hole=profile is None,
            min_mean_logprob=profile.min_mean_logprob if profile else None,
        )
        asked = _Asked(place, built.size_bytes, choice.options.num_ctx)
        generation = await self._pool.acquire(
            choice.engine,
            choice.model.name,
            job.anchor,
            _opener(built, choice, profile),
            asked.take,
        )
        self._asked.setdefault(generation, asked)
        return generation, retrieve_ms

    async def _retrieve(
        self, job: CompletionJob, choice: Choice, profile: FimProfile | None, source: SnippetSource
    ) -> tuple[list[Snippet], float]:
        if profile is not None and not profile.takes_snippets:
            return [], -1.0
        started = time.monotonic()
        tokens = self._budget_tokens(job, choice, profile) * _SNIPPET_SHARE
        model = choice.model.name if choice.model is not None else ""
        budget_chars = int(tokens * self._estimator.bytes_per_token(model))
        found = await source.snippets(
            job.root, path=job.path, before=job.before, after=job.after, budget_chars=budget_chars
        )
        return found, (time.monotonic() - started) * 1000

    async def _fitted(
        self,
        job: CompletionJob,
        choice: Choice,
        profile: FimProfile | None,
        snippets: list[Snippet],
    ) -> tuple[prompt.Prompt, int | None]:
        """Builds the prompt, a smaller one where the engine counts more tokens than were estimated.

        Returns the exact count too, None where the engine can't count. Tables of numbers take
        twice the tokens of code of the same size.
        """
        limit = self._budget_tokens(job, choice, profile)
        built, exact, density = self._build(job, choice, profile, snippets), None, 1.0
        for _ in range(_FITTING_ROUNDS):
            if choice.model is not None:
                exact = await choice.engine.count_tokens(choice.model.name, built.text)
            if exact is None or exact <= limit:
                break
            density *= exact / limit * _FITTING_MARGIN
            built = self._build(job, choice, profile, snippets, density)
        return built, exact

    def _build(
        self,
        job: CompletionJob,
        choice: Choice,
        profile: FimProfile | None,
        snippets: list[Snippet],
        density: float = 1.0,
    ) -> prompt.Prompt:
        """Builds the prompt for text that takes ``density`` times the usual tokens."""
        model = choice.model.name if choice.model is not None else ""
        path = job.path or "untitled"
        budget = self._budget_tokens(job, choice, profile)
        if profile is None:
            return prompt.build_hole(
                prefix=job.before,
                suffix=job.after,
                path=path,
                budget_tokens=budget,
                bytes_per_token=self._estimator.bytes_per_token(model) / density,
                snippets=snippets,
            )
        return prompt.build(
            profile,
            prefix=job.before,
            suffix=job.after,
            path=path,
            budget_tokens=budget,
            bytes_per_token=self._estimator.bytes_per_token(model, profile.bytes_per_token)
            / density,
            repo_name=job.root.name if job.root else "",
            snippets=snippets,
            max_tokens=choice.max_tokens,
        )

    def _budget_tokens(self, job: CompletionJob, choice: Choice, profile: FimProfile | None) -> int:
        window = choice.options.num_ctx
        if profile is not None and profile.max_context is not None:
            window = min(window, profile.max_context)
        wanted = DEFAULT_CONTEXT_TOKENS if job.context_tokens == "auto" else job.context_tokens
        return max(64, min(wanted, window - choice.max_tokens))

    # -- following ----------------------------------------------------------------------

    async def _follow(
        self, generation: Generation, job: CompletionJob, on_partial: OnPartial, retrieve_ms: float
    ) -> Outcome | None:
        """Returns the outcome, or None where the generation turned away from what was typed."""
        typed = generation.anchor.typed_since(job.anchor)
        if typed is None:
            return None
        asked = self._asked[generation]
        shown = ""
        async with aclosing(generation.follow()) as snapshots:
            async for snapshot in snapshots:
                if snapshot.is_done:
                    break
                if not generation.fits(job.anchor):
                    return None
                text = asked.so_far[len(typed) :] if asked.so_far.startswith(typed) else ""
                if text and text != shown:
                    shown = text
                    on_partial(text)
        result = self._result(generation, asked)
        first_token_ms = generation.snapshot.first_token_ms
        if result.text.startswith(typed) and len(result.text) > len(typed):
            return Outcome(
                result.text[len(typed) :],
                None,
                generation.snapshot.stop_reason,
                retrieve_ms,
                first_token_ms,
            )
        if typed and not generation.snapshot.text.startswith(typed):
            return None
        is_unsure = generation.snapshot.stop_reason == UNSURE
        reason = "low_confidence" if is_unsure else result.dropped_by or "empty"
        return Outcome("", reason, None, retrieve_ms, first_token_ms)

    def _result(self, generation: Generation, asked: _Asked) -> filters.FilterResult:
        if asked.result is None:
            logprobs = generation.snapshot.logprobs
            mean = sum(logprobs) / len(logprobs) if logprobs else None
            place = replace(asked.place, mean_logprob=mean)
            asked.result = filters.run(generation.snapshot.text, place)
        return asked.result

    def _done(self, generation: Generation) -> None:
        """Puts the text of an ended generation into the cache, whoever still waits for it."""
        asked = self._asked.pop(generation, None)
        if asked is None or generation.error is not None:
            return
        self._learn(generation, generation.snapshot, asked)
        if generation.snapshot.stop_reason is None:
            return  # cut off in the middle: good for nothing
        result = self._result(generation, asked)
        if result.text:
            at = generation.anchor
            self._cache.put(generation.model, at.uri, at.before, at.after, result.text)

    def _learn(self, generation: Generation, snapshot: Snapshot, asked: _Asked) -> None:
        stats = snapshot.stats
        if stats is not None:
            self._estimator.observe(
                generation.model, asked.sent_bytes, stats.prompt_tokens, asked.num_ctx
            )


def _opener(
    built: prompt.Prompt, choice: Choice, profile: FimProfile | None
) -> Callable[[], AsyncGenerator[Token, None]]:
    assert choice.model is not None
    model, options = choice.model.name, choice.options
    if profile is None:
        chat = ChatRequest(
            model,
            built.messages,
            max_tokens=choice.max_tokens,
            stop=built.stop,
            temperature=0.0,
            options=options,
        )
        return lambda: choice.engine.chat(chat)
    stop = (*built.stop, "\n") if built.single_line else built.stop
    request = CompletionRequest(
        model,
        built.text,
        max_tokens=choice.max_tokens,
        stop=stop,
        options=options,
        logprobs=profile.wants_logprobs,
    )
    least = profile.min_token_logprob
    if least is None:
        return lambda: choice.engine.complete(request)
    return lambda: while_sure(choice.engine.complete(request), least)
