"""The chat service on a scripted engine and a made-up project."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assistant.base import Hit
from assistant.chat.attachments import Attached, Resolution
from assistant.chat.service import ChatAnswer, ChatJob, ChatService
from assistant.engine.base import ChatMessage, Choice, GenerationStats, RunnerOptions, Token
from assistant.engine.tokens import TokenEstimator
from assistant.errors import IndexNotReady, RequestFailed
from tests.fakes.engine import QWEN, ScriptedEngine, Stream

HIT = Hit(
    path="shapes.py", start_line=4, end_line=9, symbol="Circle", kind="class", score=1, text="class"
)


class Project:
    def __init__(self, hits: list[Hit] | None = None, *, indexed: bool = True) -> None:
        self.hits = hits if hits is not None else [HIT]
        self.indexed = indexed
        self.queries: list[str] = []

    async def search(self, root: Path, query: str, limit: int) -> list[Hit]:
        if not self.indexed:
            raise IndexNotReady("no index")
        self.queries.append(query)
        return self.hits[:limit]

    async def definitions(self, root: Path, name: str, limit: int = 5) -> list[Hit]:
        return [HIT] if name == "Circle" else []


def job(question: str = "what is a circle?", **changes: Any) -> ChatJob:
    fields: dict[str, Any] = {
        "action": "chat",
        "messages": (ChatMessage("user", question),) if question else (),
        "resolution": Resolution(),
        "root": Path("/p"),
        "retrieve": True,
        "pull_command": "ollama pull some:model",
        **changes,
    }
    return ChatJob(**fields)


def answer(
    asked: ChatJob,
    project: Project,
    script: Callable[[Stream], None] | None,
    partials: list[tuple[str, str]] | None = None,
    window: int = 4096,
    engine: ScriptedEngine | None = None,
    estimator: TokenEstimator | None = None,
) -> tuple[ChatAnswer, ScriptedEngine]:
    engine = engine or ScriptedEngine()

    async def run() -> ChatAnswer:
        reason = "Ollama does not answer."
        choice = Choice(engine, QWEN if script else None, RunnerOptions(window), 256, reason)
        service = ChatService(estimator or TokenEstimator())
        seen = partials if partials is not None else []
        task = asyncio.ensure_future(
            service.answer(asked, choice, project, lambda *part: seen.append(part))
        )
        if script:
            script(await engine.opened())
        return await asyncio.wait_for(task, 10)

    return asyncio.run(run()), engine


def say(*texts: str) -> Callable[[Stream], None]:
    def script(stream: Stream) -> None:
        stream.write(*texts)
        stream.end()

    return script


def prompt_of(engine: ScriptedEngine) -> str:
    return engine.streams[0].request.messages[-1].content  # type: ignore[union-attr]


def test_an_answer_streams_and_names_what_it_rests_on() -> None:
    partials: list[tuple[str, str]] = []
    found, engine = answer(job(), Project(), say("It is ", "round."), partials)
    assert found.text == "It is round." and found.model == QWEN.name
    assert [s.path for s in found.sources] == ["shapes.py"]
    assert "shapes.py:4-9" in prompt_of(engine) and "what is a circle?" in prompt_of(engine)
    assert [p for p in partials if p[0]] == [("It is ", "writing"), ("round.", "writing")]
    assert [state for text, state in partials if not text] == ["retrieving", "reading"]


def test_reasoning_is_a_state_and_no_part_of_the_answer() -> None:
    partials: list[tuple[str, str]] = []

    def script(stream: Stream) -> None:
        stream.tokens.put_nowait(Token("hmm", is_thinking=True))
        say("Yes.")(stream)

    found, _ = answer(job(), Project(), script, partials)
    assert found.text == "Yes."
    assert ("", "thinking") in partials and all("hmm" not in text for text, _ in partials)


def test_without_a_chat_model_the_index_answers_with_places_and_the_command() -> None:
    partials: list[tuple[str, str]] = []
    found, engine = answer(job(), Project(), None, partials)
    assert found.model is None and not engine.streams
    assert "`shapes.py:4` class Circle" in found.text
    assert "Ollama does not answer." in found.text and "ollama pull some:model" in found.text
    assert [s.start_line for s in found.sources] == [4]
    assert partials[-1] == (found.text, "writing")


def test_without_model_and_index_both_ways_out_are_said() -> None:
    found, _ = answer(job(), Project(indexed=False), None)
    assert ":AIIndex" in found.text and "ollama pull" in found.text and not found.sources


def test_without_an_index_the_answer_says_what_it_lacks() -> None:
    found, _ = answer(job(), Project(indexed=False), say("ok"))
    assert any(":AIIndex" in dropped for dropped in found.dropped)


def test_retrieval_can_be_switched_off_and_asked_for() -> None:
    project = Project()
    found, _ = answer(job(retrieve=False), project, say("ok"))
    assert not project.queries and not found.sources and not found.dropped
    wanted = job(retrieve=False, resolution=Resolution(wants_codebase=True))
    assert answer(wanted, project, say("ok"))[0].sources


def test_an_explanation_brings_the_definitions_of_the_names_it_uses() -> None:
    item = Attached("main.py:1-2", "total(Circle(1), Circle(2))", "main.py", 1, 2)
    asked = job("", action="explain", resolution=Resolution(attached=(item,)))
    project = Project(hits=[])
    found, engine = answer(asked, project, say("It adds."))
    assert [(s.path, s.start_line) for s in found.sources] == [("main.py", 1), ("shapes.py", 4)]
    assert "Explain the code" in prompt_of(engine) and "total(Circle(1)" in prompt_of(engine)
    assert "total(Circle(1)" in project.queries[0]


def test_what_is_attached_is_not_repeated_as_an_excerpt() -> None:
    item = Attached("shapes.py:1-20", "class Circle", "shapes.py", 1, 20)
    found, _ = answer(job(resolution=Resolution(attached=(item,))), Project(), say("ok"))
    assert [(s.start_line, s.end_line) for s in found.sources] == [(1, 20)]


def test_a_prompt_that_the_engine_cut_is_reported() -> None:
    def script(stream: Stream) -> None:
        stream.write("ok")
        stream.end(GenerationStats(prompt_tokens=511, output_tokens=1))

    found, _ = answer(job(), Project(), script, window=512)
    assert found.prompt_tokens == 511 and found.limit == 512
    assert any("beginning of the prompt" in dropped for dropped in found.dropped)


def test_nothing_is_learnt_from_a_prompt_that_was_cut() -> None:
    estimator = TokenEstimator()
    before = estimator.bytes_per_token(QWEN.name)
    item = Attached("a.py:1-900", "x = 1\n" * 900, "a.py", 1, 900)

    def script(stream: Stream) -> None:
        stream.write("ok")
        stream.end(GenerationStats(prompt_tokens=90, output_tokens=1))

    asked = job(resolution=Resolution(attached=(item,)))
    found, _ = answer(asked, Project(), script, window=4096, estimator=estimator)
    assert any("beginning of the prompt" in dropped for dropped in found.dropped)
    assert estimator.bytes_per_token(QWEN.name) == before


class CountingEngine(ScriptedEngine):
    """Counts one token per character, three times what is guessed."""

    async def count_tokens(self, model: str, text: str) -> int | None:
        return len(text)


def test_where_the_engine_counts_its_count_decides() -> None:
    item = Attached("a.py:1-900", "\n".join(["x = 1"] * 900), "a.py", 1, 900)
    asked = job(resolution=Resolution(attached=(item,)))
    found, engine = answer(asked, Project(), say("ok"), engine=CountingEngine())
    messages = engine.streams[0].request.messages  # type: ignore[union-attr]
    sent = sum(len(m.content) for m in messages)
    assert 1000 < sent <= 4096 - 256
    assert any("of 900" in dropped for dropped in found.dropped)


def test_an_answer_that_reached_its_longest_length_says_so() -> None:
    def script(stream: Stream) -> None:
        stream.write("The circle")
        stats = GenerationStats(prompt_tokens=200, output_tokens=256)
        stream.tokens.put_nowait(Token("", stop_reason="length", stats=stats))

    found, _ = answer(job(), Project(), script)
    assert found.dropped == ("the end of the answer: it was stopped after 256 tokens",)


def test_what_was_asked_of_the_index_in_vain_is_said() -> None:
    asked = job(retrieve=False, resolution=Resolution(symbols=("Nowhere", "Circle")))
    found, _ = answer(asked, Project(), say("ok"))
    assert found.dropped == ("@symbol:Nowhere: no such definition is indexed",)
    assert [s.path for s in found.sources] == ["shapes.py"]
    asked = job(retrieve=False, resolution=Resolution(wants_codebase=True))
    found, _ = answer(asked, Project(indexed=False), say("ok"))
    assert any(":AIIndex" in dropped for dropped in found.dropped)


def test_without_a_model_the_index_is_asked_even_where_retrieval_is_off() -> None:
    found, _ = answer(job(retrieve=False), Project(), None)
    assert "`shapes.py:4` class Circle" in found.text and found.sources


def test_a_failing_engine_is_raised_as_it_is() -> None:
    def script(stream: Stream) -> None:
        stream.write("half ")
        stream.fail(RequestFailed("the model stopped answering"))

    with pytest.raises(RequestFailed, match="stopped answering"):
        answer(job(), Project(), script)


def test_an_empty_answer_is_said() -> None:
    with pytest.raises(RequestFailed, match="answered nothing"):
        answer(job(), Project(), say("  \n"))
