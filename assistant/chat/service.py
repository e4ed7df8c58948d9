"""Answers questions: finds code, fits it into the window, streams, and tells what it used."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from assistant.base import Hit, Source
from assistant.chat import budget, prompts
from assistant.chat.attachments import Attached, Resolution
from assistant.engine.base import ChatMessage, ChatRequest, Choice, GenerationStats
from assistant.engine.tokens import TokenEstimator, was_cut
from assistant.errors import IndexNotReady, RequestFailed

log = logging.getLogger(__name__)

OnPartial = Callable[[str, str], None]
"""Takes new text and the state: retrieving, loading, reading, thinking, writing."""

FOUND_LIMIT = 8
"""Excerpts looked up for a question: within a window of 4,096 tokens about as many fit."""

_DEFINITIONS_LIMIT = 4
_MOST_FITTINGS = 3
"""An estimate is off by a factor that hardly changes within one text: the second time it fits."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{3,}")
_COMMON = frozenset(
    [
        "self",
        "this",
        "return",
        "import",
        "from",
        "class",
        "function",
        "const",
        "local",
        "async",
        "await",
        "None",
        "True",
        "False",
        "null",
        "true",
        "false",
        "else",
        "elif",
        "then",
        "print",
        "range",
        "string",
        "number",
        "while",
        "break",
        "continue",
        "static",
        "void",
        "public",
        "private",
        "type",
        "interface",
        "with",
        "yield",
        "raise",
        "except",
        "finally",
        "throw",
        "catch",
        "super",
    ]
)


class ProjectSearch(Protocol):
    """Finds places in the project."""

    async def search(self, root: Path, query: str, limit: int) -> list[Hit]:
        """Raises IndexNotReady where the project has no index."""
        ...

    async def definitions(self, root: Path, name: str, limit: int = 5) -> list[Hit]: ...


@dataclass(frozen=True)
class ChatJob:
    """Is one question with all that came with it; the newest message is the question."""

    action: Literal["chat", "explain"]
    messages: tuple[ChatMessage, ...]
    resolution: Resolution
    root: Path | None
    retrieve: bool
    pull_command: str


@dataclass(frozen=True)
class ChatAnswer:
    """Is the answer, the places that really were in the prompt, and what was left out.

    ``model`` is None where no chat model is installed and the answer is what the index found.
    """

    text: str
    sources: tuple[Source, ...]
    prompt_tokens: int
    answer_tokens: int
    limit: int
    dropped: tuple[str, ...]
    model: str | None


@dataclass
class _Found:
    """Is what the index gave; ``missing`` says in plain words what was asked of it in vain."""

    hits: list[Hit]
    has_index: bool = True
    missing: list[str] = field(default_factory=list)


class ChatService:
    """Answers one question at a time per request; keeps no conversation, the client does."""

    def __init__(self, estimator: TokenEstimator) -> None:
        self._estimator = estimator

    async def answer(
        self, job: ChatJob, choice: Choice, project: ProjectSearch, on_partial: OnPartial
    ) -> ChatAnswer:
        """Returns the whole answer; the text so far goes to ``on_partial``, piece by piece.

        Raises what the engine raises, and RequestFailed for an empty answer. Cancelling closes
        the engine's stream.
        """
        *turns, newest = job.messages or (ChatMessage("user", ""),)
        asked = newest.content.strip()
        if not asked:
            asked = prompts.EXPLAIN_QUESTION if job.action == "explain" else "What is this?"
        on_partial("", "retrieving")
        # Without a model the index is all there is to answer from.
        is_wanted = job.retrieve or job.resolution.wants_codebase or choice.model is None
        found = await self._find(job, asked, project, is_wanted)
        if choice.model is None:
            return self._without_model(job, choice.reason, found, on_partial)
        conversation = budget.Conversation(
            prompts.SYSTEM,
            tuple(turns),
            asked,
            tuple(_unseen(found.hits, job.resolution.attached)),
            job.resolution.attached,
        )
        return await self._ask(job, choice, conversation, found, on_partial)

    # -- finding ------------------------------------------------------------------------

    async def _find(
        self, job: ChatJob, asked: str, project: ProjectSearch, is_wanted: bool
    ) -> _Found:
        symbols = job.resolution.symbols
        if job.root is None:
            return _Found([], False, [f"@symbol:{name}: there is no project" for name in symbols])
        found = _Found([])
        searched: list[Hit] = []
        try:
            if is_wanted:
                query = _query(job, asked)
                searched = await project.search(job.root, query, FOUND_LIMIT)
            for name in symbols:
                defined = await project.definitions(job.root, name, _DEFINITIONS_LIMIT)
                if not defined:
                    found.missing.append(f"@symbol:{name}: no such definition is indexed")
                found.hits += defined
            if is_wanted:
                if job.action == "explain":
                    found.hits += await self._surroundings(job, project)
                found.hits += searched
        except IndexNotReady:
            found.has_index = False
        found.hits = _distinct(found.hits)[:FOUND_LIMIT]
        return found

    async def _surroundings(self, job: ChatJob, project: ProjectSearch) -> list[Hit]:
        """Returns the definitions of the names that the attached code uses most."""
        assert job.root is not None
        counted: Counter[str] = Counter()
        for item in job.resolution.attached:
            counted.update(n for n in _NAME.findall(item.text) if n not in _COMMON)
        hits: list[Hit] = []
        for name, _ in counted.most_common(12):
            hits += await project.definitions(job.root, name, 1)
            if len(hits) >= _DEFINITIONS_LIMIT:
                break
        return hits

    def _without_model(
        self, job: ChatJob, reason: str, found: _Found, on_partial: OnPartial
    ) -> ChatAnswer:
        text = prompts.without_model(found.hits, reason, job.pull_command, found.has_index)
        on_partial(text, "writing")
        sources = tuple(_source(hit) for hit in found.hits)
        dropped = (*job.resolution.refused, *found.missing)
        return ChatAnswer(text, sources, 0, 0, 0, dropped, None)

    # -- asking -------------------------------------------------------------------------

    async def _ask(
        self,
        job: ChatJob,
        choice: Choice,
        conversation: budget.Conversation,
        found: _Found,
        on_partial: OnPartial,
    ) -> ChatAnswer:
        assert choice.model is not None
        model, window = choice.model.name, choice.options.num_ctx
        on_partial("", "reading")
        fitted = await self._fit(model, choice, conversation)
        request = ChatRequest(
            model,
            fitted.conversation.messages(),
            max_tokens=choice.max_tokens,
            options=choice.options,
        )
        text, stats, stop_reason = await self._stream(choice, request, on_partial)
        if not text:
            raise RequestFailed(
                f"{model} answered nothing.", hint="Ask again, or choose another with :AIModel."
            )
        dropped = [*job.resolution.refused, *found.missing, *fitted.dropped]
        if not found.has_index and job.root is not None:
            dropped.append("the project's code: it has no index yet, run :AIIndex")
        dropped += self._check(model, request, fitted.tokens, window, stats)
        answer_tokens = stats.output_tokens or self._estimator.estimate(model, text)
        if stop_reason == "length":
            dropped.append(f"the end of the answer: it was stopped after {answer_tokens} tokens")
        return ChatAnswer(
            text=text,
            sources=tuple(_sources(fitted.conversation)),
            prompt_tokens=stats.prompt_tokens or fitted.tokens,
            answer_tokens=answer_tokens,
            limit=window,
            dropped=tuple(dropped),
            model=model,
        )

    async def _fit(
        self, model: str, choice: Choice, conversation: budget.Conversation
    ) -> budget.Fitted:
        """Fits by estimate, and again by the engine's own count where it can count."""
        limit = room = choice.options.num_ctx - choice.max_tokens

        def estimate(text: str) -> int:
            return self._estimator.estimate(model, text)

        for _ in range(_MOST_FITTINGS):
            # In a thread: what is attached may be megabytes, and completions wait for the loop.
            fitted = await asyncio.to_thread(budget.fit, conversation, room, estimate)
            messages = fitted.conversation.messages()
            whole = "\n".join(message.content for message in messages)
            counted = await choice.engine.count_tokens(model, whole)
            if counted is None:
                break
            tokens = counted + budget.MESSAGE_TOKENS * len(messages)
            estimated, fitted = fitted.tokens, replace(fitted, tokens=tokens)
            if tokens <= limit or estimated > room:
                break
            room = estimated * limit // tokens
        return fitted

    async def _stream(
        self, choice: Choice, request: ChatRequest, on_partial: OnPartial
    ) -> tuple[str, GenerationStats, str | None]:
        parts: list[str] = []
        stats = GenerationStats()
        stop_reason: str | None = None
        async with aclosing(choice.engine.chat(request)) as stream:
            async for token in stream:
                if token.is_thinking:
                    on_partial("", "thinking")
                elif token.text:
                    parts.append(token.text)
                    on_partial(token.text, "writing")
                stats = token.stats or stats
                stop_reason = token.stop_reason or stop_reason
        return "".join(parts).strip(), stats, stop_reason

    def _check(
        self,
        model: str,
        request: ChatRequest,
        estimated_tokens: int,
        window: int,
        stats: GenerationStats,
    ) -> list[str]:
        """Learns from the engine's count and tells of a prompt that the engine cut by itself."""
        if was_cut(estimated_tokens, stats.prompt_tokens, window):
            log.warning("%s cut the prompt to %d tokens", model, stats.prompt_tokens)
            return ["the beginning of the prompt: the model's window was too small for it"]
        # Only from whole prompts: the count of one that was cut makes the next ones too long too.
        sent = sum(len(m.content.encode("utf-8", "replace")) for m in request.messages)
        self._estimator.observe(model, sent, stats.prompt_tokens, window)
        return []


def _query(job: ChatJob, asked: str) -> str:
    """Returns what to search for: the question, or for a bare explanation the attached code."""
    if job.action == "explain" and asked == prompts.EXPLAIN_QUESTION:
        heads = [item.text[:400] for item in job.resolution.attached]
        return " ".join(heads) or asked
    return asked


def _distinct(hits: list[Hit]) -> list[Hit]:
    seen: set[tuple[str, int]] = set()
    kept: list[Hit] = []
    for hit in hits:
        if (hit.path, hit.start_line) not in seen:
            seen.add((hit.path, hit.start_line))
            kept.append(hit)
    return kept


def _unseen(hits: list[Hit], attached: tuple[Attached, ...]) -> list[Hit]:
    """Leaves out hits that lie inside something attached: it is in the prompt already."""

    def is_inside(hit: Hit) -> bool:
        return any(
            item.path == hit.path
            and item.start_line <= hit.start_line
            and hit.end_line <= item.end_line
            for item in attached
        )

    return [hit for hit in hits if not is_inside(hit)]


def _source(hit: Hit) -> Source:
    return Source(path=hit.path, start_line=hit.start_line, end_line=hit.end_line)


def _sources(conversation: budget.Conversation) -> list[Source]:
    attached = [
        Source(path=item.path, start_line=item.start_line, end_line=item.end_line)
        for item in conversation.attached
        if item.path is not None
    ]
    return [*attached, *(_source(hit) for hit in conversation.found)]
