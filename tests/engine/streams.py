"""Helpers of the engine tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

from assistant.engine.base import Token


class Closable(Protocol):
    async def aclose(self) -> None: ...


E_co = TypeVar("E_co", bound=Closable)
T = TypeVar("T")


def using(engine: E_co, use: Callable[[E_co], Awaitable[T]]) -> T:
    """Runs ``use`` with the engine in an event loop of its own, and closes the engine."""

    async def run() -> T:
        try:
            return await use(engine)
        finally:
            await engine.aclose()

    return asyncio.run(run())


async def collect(stream: AsyncGenerator[Token, None]) -> tuple[str, list[Token]]:
    """Returns the text of the answer, reasoning left out, and all pieces."""
    async with aclosing(stream) as tokens:
        found = [token async for token in tokens]
    return "".join(token.text for token in found if not token.is_thinking), found
