"""Requests and generations are two things: who waits, who is stopped, who is left to read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from assistant.base import Snippet
from assistant.complete.service import CompletionJob, CompletionService, Outcome
from assistant.engine.base import Choice, GenerationStats, RunnerOptions
from assistant.engine.tokens import TokenEstimator
from assistant.errors import EngineUnreachable
from tests.fakes.engine import QWEN, ScriptedEngine


class NoSnippets:
    async def snippets(self, *_: object, **__: object) -> list[Snippet]:
        return []


class Bench:
    """A service on a scripted engine, and requests typed one after the other."""

    def __init__(self, *, cancels_prompt: bool) -> None:
        self.engine = ScriptedEngine(cancels_prompt=cancels_prompt)
        self.estimator = TokenEstimator()
        self.service = CompletionService(self.estimator)
        self.partials: list[str] = []

    def ask(self, before: str, after: str = "\n") -> asyncio.Task[Outcome]:
        job = CompletionJob("file:///p/a.py", "a.py", "python", before, after, None)
        choice = Choice(self.engine, QWEN, RunnerOptions(2048), 64)
        return asyncio.ensure_future(
            self.service.complete(job, choice, NoSnippets(), self.partials.append)
        )

    async def detach(self, task: asyncio.Task[Outcome]) -> None:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def run(test: Callable[[Bench], Awaitable[None]], *, cancels_prompt: bool = True) -> None:
    async def wrapped() -> None:
        bench = Bench(cancels_prompt=cancels_prompt)
        try:
            await asyncio.wait_for(test(bench), 20)
        finally:
            await bench.service.aclose()

    asyncio.run(wrapped())


def test_tokens_are_shown_as_they_come_and_cumulatively() -> None:
    async def test(bench: Bench) -> None:
        task = bench.ask("total = ")
        stream = await bench.engine.opened()
        stream.write("sum", "(val")
        await settle()
        stream.write("ues)")
        stream.end()
        assert (await task).text == "sum(values)"
        assert all("sum(values)".startswith(partial) for partial in bench.partials)
        assert bench.partials[-1] in ("sum(val", "sum(values)")

    run(test)


def test_typing_on_subscribes_to_the_running_generation() -> None:
    async def test(bench: Bench) -> None:
        first = bench.ask("total = ")
        stream = await bench.engine.opened()
        stream.write("sum(")
        await settle()
        second = bench.ask("total = su")
        await settle()
        await bench.detach(first)
        stream.write("values)")
        stream.end()
        assert (await second).text == "m(values)"
        assert len(bench.engine.streams) == 1

    run(test)


def test_a_generation_that_turns_out_not_to_fit_is_replaced() -> None:
    async def test(bench: Bench) -> None:
        first = bench.ask("x = ")
        stream = await bench.engine.opened()
        second = bench.ask("x = lo")
        await settle()
        await bench.detach(first)
        stream.write("max(values)")
        replaced = await bench.engine.opened()
        replaced.write("ad()")
        replaced.end()
        assert (await second).text == "ad()"
        assert stream.is_closed

    run(test, cancels_prompt=False)


def test_the_answer_of_an_ended_generation_is_found_again_without_the_engine() -> None:
    async def test(bench: Bench) -> None:
        task = bench.ask("total = ")
        stream = await bench.engine.opened()
        stream.write("sum(values)")
        stream.end()
        await task
        await settle()
        again = await bench.ask("total = sum(")
        assert (again.text, again.stop_reason) == ("values)", "cache")
        assert len(bench.engine.streams) == 1

    run(test)


def test_an_engine_that_can_stop_reading_is_stopped_at_once() -> None:
    async def test(bench: Bench) -> None:
        task = bench.ask("x = ")
        stream = await bench.engine.opened()
        await bench.detach(task)
        assert stream.is_closed

    run(test, cancels_prompt=True)


def test_an_engine_that_can_not_is_left_to_read_and_its_answer_kept() -> None:
    async def test(bench: Bench) -> None:
        task = bench.ask("x = ")
        stream = await bench.engine.opened()
        await bench.detach(task)
        assert not stream.is_closed
        stream.write("load()")
        stream.end()
        await settle()
        assert (await bench.ask("x = l")).text == "oad()"
        assert len(bench.engine.streams) == 1

    run(test, cancels_prompt=False)


def test_an_unwanted_generation_makes_way_at_its_first_token() -> None:
    async def test(bench: Bench) -> None:
        first = bench.ask("x = ")
        stream = await bench.engine.opened()
        await bench.detach(first)
        second = bench.ask("something_else(")
        await settle()
        assert len(bench.engine.streams) == 1, "two requests at one engine"
        stream.write("load()")
        newer = await bench.engine.opened()
        assert stream.is_closed
        newer.write("1)")
        newer.end()
        assert (await second).text == "1)"

    run(test, cancels_prompt=False)


def test_a_request_cancelled_while_it_waits_for_its_turn_starts_nothing() -> None:
    async def test(bench: Bench) -> None:
        first = bench.ask("x = ")
        stream = await bench.engine.opened()
        await bench.detach(first)
        waiting = bench.ask("other(")
        await settle()
        await bench.detach(waiting)
        stream.write("load()")
        stream.end()
        await settle()
        assert len(bench.engine.streams) == 1

    run(test, cancels_prompt=False)


def test_every_subscriber_gets_the_engines_error_and_the_next_request_starts_anew() -> None:
    async def test(bench: Bench) -> None:
        first, second = bench.ask("x = "), bench.ask("x = ")
        stream = await bench.engine.opened()
        await settle()
        stream.fail(EngineUnreachable("gone"))
        for task in (first, second):
            with pytest.raises(EngineUnreachable):
                await task
        await settle()
        third = bench.ask("x = ")
        stream = await bench.engine.opened()
        stream.write("load()")
        stream.end()
        assert (await third).text == "load()"

    run(test)


def test_the_engine_is_stopped_when_the_answer_reaches_the_line_below() -> None:
    async def test(bench: Bench) -> None:
        task = bench.ask("def f():\n    ", "\n    return total\n")
        stream = await bench.engine.opened()
        stream.write("total = 1\n", "    return total\n", "    more")
        assert (await task).text == "total = 1"
        await settle()
        assert stream.is_closed

    run(test)


def test_the_estimate_of_tokens_learns_from_the_engines_count() -> None:
    async def test(bench: Bench) -> None:
        before = bench.estimator.bytes_per_token(QWEN.name)
        task = bench.ask("value = 1\n" * 100 + "x = ")
        stream = await bench.engine.opened()
        stream.write("load()")
        stream.end(GenerationStats(prompt_tokens=800, output_tokens=3))
        await task
        await settle()
        assert bench.estimator.bytes_per_token(QWEN.name) < before

    run(test)


def test_without_a_model_there_is_a_reason() -> None:
    async def test(bench: Bench) -> None:
        job = CompletionJob("file:///p/a.py", "a.py", "python", "x", "\n", None)
        outcome = await bench.service.complete(
            job, Choice(bench.engine, None), NoSnippets(), bench.partials.append
        )
        assert (outcome.text, outcome.reason) == ("", "no-model")

    run(test)
