"""Generations belong to the daemon, requests subscribe to them.

A request that is cancelled detaches. What becomes of a generation that nobody waits for is the
engine's policy: one that can stop reading a prompt is stopped at once; one that can't is left to
read it, because its cost is paid anyway, and stopped at its first token only when a newer request
waits for the engine. Its text goes into the cache either way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from assistant.engine.base import Engine, GenerationStats, Token
from assistant.errors import AssistantError, EngineUnreachable

log = logging.getLogger(__name__)

Stopper = Callable[[str], bool]
"""Says of the text so far whether the answer is complete, so that the engine can be stopped."""

Opener = Callable[[], AsyncGenerator[Token, None]]
"""Opens the engine's stream."""


@dataclass(frozen=True)
class Anchor:
    """Is the place in a document that a generation was asked for."""

    uri: str
    before: str
    after: str

    def typed_since(self, newer: Anchor) -> str | None:
        """Returns what was typed from this anchor to ``newer``, None where it is no typing-on."""
        if newer.uri != self.uri or newer.after != self.after:
            return None
        if not newer.before.startswith(self.before):
            return None
        return newer.before[len(self.before) :]


@dataclass
class Snapshot:
    """Is what a generation has produced so far."""

    text: str = ""
    logprobs: list[float] = field(default_factory=list)
    is_done: bool = False
    stop_reason: str | None = None
    stats: GenerationStats | None = None
    first_token_ms: float = -1.0


class Generation:
    """Runs one prompt on one engine and lets any number of requests follow it."""

    def __init__(
        self, engine: Engine, model: str, anchor: Anchor, open_stream: Opener, is_complete: Stopper
    ) -> None:
        self.engine = engine
        self.model = model
        self.anchor = anchor
        self._open_stream = open_stream
        self.snapshot = Snapshot()
        self.subscribers = 0
        self.newer_waits = False
        self.error: AssistantError | None = None
        self._is_complete = is_complete
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def fits(self, anchor: Anchor) -> bool:
        """Whether this text, as far as it goes, can still answer a request at ``anchor``."""
        typed = self.anchor.typed_since(anchor)
        if typed is None or self.error is not None:
            return False
        text = self.snapshot.text
        if self.snapshot.is_done:
            return text.startswith(typed) and len(text) > len(typed)
        return text.startswith(typed) or typed.startswith(text)

    async def follow(self) -> AsyncGenerator[Snapshot, None]:
        """Yields the snapshot whenever it has grown, the last time when it is done.

        Raises what the engine raised. Leaving the iterator (``aclose``) detaches.
        """
        self.subscribers += 1
        try:
            while True:
                self._changed.clear()
                if self.error is not None:
                    raise self.error
                yield self.snapshot
                if self.snapshot.is_done:
                    return
                await self._changed.wait()
        finally:
            self.subscribers -= 1
            if self.subscribers == 0:
                self._unwanted()

    def make_way(self) -> None:
        """Ends a generation that nobody follows, as soon as that frees the engine."""
        self.newer_waits = True
        if self.subscribers == 0:
            self._unwanted()

    async def ended(self) -> None:
        """Waits until the engine is free of this generation."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def _unwanted(self) -> None:
        if self._task is None or self._task.done() or self.subscribers > 0:
            return
        reading = not self.snapshot.text
        if self.engine.cancels_prompt or (self.newer_waits and not reading):
            self._task.cancel()

    async def _run(self) -> None:
        started = time.monotonic()
        state = self.snapshot
        try:
            async with contextlib.aclosing(self._open_stream()) as stream:
                async for token in stream:
                    if token.text and state.first_token_ms < 0:
                        state.first_token_ms = (time.monotonic() - started) * 1000
                    self._add(token)
                    self._changed.set()
                    if state.stop_reason is None and self._is_complete(state.text):
                        state.stop_reason = "complete"
                        break
                    if self.newer_waits and self.subscribers == 0:
                        break
        except AssistantError as error:
            self.error = error
        except Exception as error:
            log.exception("generation broke")
            self.error = EngineUnreachable(f"the engine broke: {error}")
        finally:
            state.is_done = True
            self._changed.set()

    def _add(self, token: Token) -> None:
        state = self.snapshot
        state.text += token.text
        if token.logprob is not None:
            state.logprobs.append(token.logprob)
        if token.stop_reason is not None:
            state.stop_reason = token.stop_reason
        if token.stats is not None:
            state.stats = token.stats


class GenerationPool:
    """Gives each request a generation: a running one that fits, or a new one in its turn.

    At most one generation per engine and model is at the engine at a time.
    """

    def __init__(self, on_done: Callable[[Generation], None]) -> None:
        self._running: dict[tuple[str, str], Generation] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_done = on_done

    def fitting(self, engine: Engine, model: str, anchor: Anchor) -> Generation | None:
        running = self._running.get((engine.name, model))
        return running if running is not None and running.fits(anchor) else None

    async def acquire(
        self, engine: Engine, model: str, anchor: Anchor, open_stream: Opener, is_complete: Stopper
    ) -> Generation:
        """Returns a started generation for the request, after the one before it has ended.

        A caller that is cancelled while it waits for its turn has started nothing.
        """
        slot = (engine.name, model)
        async with self._turns.setdefault(slot, asyncio.Lock()):
            running = self._running.get(slot)
            if running is not None:
                if running.fits(anchor):
                    return running
                running.make_way()
                await running.ended()
            generation = Generation(engine, model, anchor, open_stream, is_complete)
            self._running[slot] = generation
            generation.start()
            self._watch(slot, generation)
            return generation

    def _watch(self, slot: tuple[str, str], generation: Generation) -> None:
        async def wait() -> None:
            await generation.ended()
            if self._running.get(slot) is generation:
                del self._running[slot]
            self._on_done(generation)

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        for generation in list(self._running.values()):
            await generation.aclose()
        await asyncio.gather(*self._tasks, return_exceptions=True)
