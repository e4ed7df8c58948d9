"""Suggestions end where the model stops being sure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.complete.confidence import UNSURE, while_sure
from assistant.engine.base import GenerationStats, Token

SURE, DOUBT = -0.1, -2.0
STATS = GenerationStats(prompt_tokens=5)


def run(*pieces: tuple[str, float | None]) -> tuple[str, str | None, bool]:
    """Returns the text that came through, how it ended, and whether the stream was closed early."""
    closed_early = False

    async def stream() -> AsyncGenerator[Token, None]:
        nonlocal closed_early
        try:
            for text, logprob in pieces:
                yield Token(text, logprob)
            yield Token("", stop_reason="stop", stats=STATS)
        except GeneratorExit:
            closed_early = True
            raise

    async def collect() -> list[Token]:
        return [token async for token in while_sure(stream(), -0.7)]

    tokens = asyncio.run(collect())
    return "".join(t.text for t in tokens), tokens[-1].stop_reason, closed_early


def test_sure_answer_comes_whole_with_its_end() -> None:
    text, stop, _ = run(("self", SURE), (".path", SURE), ("", SURE))
    assert (text, stop) == ("self.path", "stop")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([("foo", DOUBT), ("bar", SURE)], ""),
        ([("foo", SURE), ("(x", DOUBT)], "foo"),
        ([("foo", SURE), ("bar", DOUBT)], ""),
        ([("a.b(", SURE), ("nam", SURE), ("e", DOUBT)], "a.b("),
        ([("a.b(nam", SURE), ("e", DOUBT)], "a.b("),
        ([("(", SURE), ("x", DOUBT)], ""),
        ([("x", SURE), (")", SURE), (" +", DOUBT)], "x)"),
    ],
)
def test_ends_before_the_first_doubt_with_a_whole_word(
    pieces: list[tuple[str, float | None]], expected: str
) -> None:
    assert run(*pieces, ("more", SURE)) == (expected, UNSURE, True)


def test_without_log_probabilities_nothing_is_doubted() -> None:
    assert run(("foo", None), ("(x)", None))[:2] == ("foo(x)", "stop")


@given(st.lists(st.tuples(st.text("ab_( .=", max_size=4), st.sampled_from([SURE, DOUBT]))))
def test_shown_text_is_a_beginning_of_the_answer(pieces: list[tuple[str, float | None]]) -> None:
    text, stop, _ = run(*pieces)
    assert "".join(piece for piece, _ in pieces).startswith(text)
    if stop == "stop":
        assert text == "".join(piece for piece, _ in pieces)
    elif text:
        assert len(text.strip().replace(" ", "")) >= 2
