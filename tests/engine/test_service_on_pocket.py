"""The completion service on the embedded engine: what a machine without Ollama gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from assistant.base import Snippet
from assistant.complete.service import CompletionJob, CompletionService, Outcome
from assistant.engine.base import Choice
from assistant.engine.llamacpp import LlamacppEngine
from assistant.engine.tokens import TokenEstimator
from tests.engine.streams import using

T = TypeVar("T")
CLASS = """class Point:
    def __init__(self, x, y, name):
        self.x = x
        self.y = y
        self.name"""
TABLE = "TABLE = [\n" + "".join(f"    ({i}, {i * 7919}, {i * 104729}),\n" for i in range(400))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))


class NoSnippets:
    async def snippets(
        self, root: Path | None, *, path: str | None, before: str, after: str, budget_chars: int
    ) -> list[Snippet]:
        return []


def on_pocket(use: Callable[[CompletionService, Choice], Awaitable[T]]) -> T:
    async def run(engine: LlamacppEngine) -> T:
        service = CompletionService(TokenEstimator())
        (model,) = await engine.models()
        try:
            return await use(service, Choice(engine, model, max_tokens=48))
        finally:
            await service.aclose()

    return using(LlamacppEngine(), run)


def job(before: str, language: str = "python") -> CompletionJob:
    return CompletionJob("file:///a.py", "a.py", language, before, "\n", None)


def complete(before: str, language: str = "python") -> tuple[Outcome, list[str]]:
    partials: list[str] = []
    outcome = on_pocket(
        lambda service, choice: service.complete(
            job(before, language), choice, NoSnippets(), partials.append
        )
    )
    return outcome, partials


def test_sure_text_is_shown_and_streams() -> None:
    outcome, partials = complete(CLASS)
    assert outcome.text == " = name"
    assert all(outcome.text.startswith(partial) for partial in partials)


def test_unsure_text_is_not_shown() -> None:
    outcome, partials = complete("import json\n\n\ndef load(path):\n    x = ")
    assert (outcome.text, outcome.reason) == ("", "low_confidence")
    assert partials == []


def test_other_languages_are_left_alone() -> None:
    outcome, _ = complete("fn main() {\n    ", "rust")
    assert outcome.reason == "language"


def test_dense_text_is_made_to_fit_the_window() -> None:
    """Numbers take a token a digit: by the usual estimate this prompt would be refused."""

    async def use(service: CompletionService, choice: Choice) -> tuple[int, int]:
        report = await service.context(job(TABLE), choice, NoSnippets())
        await service.complete(job(TABLE), choice, NoSnippets(), lambda text: None)
        return report.prompt_tokens, report.limit_tokens

    tokens, limit = on_pocket(use)
    assert limit // 2 < tokens <= limit
