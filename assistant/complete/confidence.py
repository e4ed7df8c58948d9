"""Keeps what a model is sure of. Pure, over a stream of tokens.

A small model is often sure of the rest of a word and lost after it. Measured with the bundled
model on 1,000 places in Python, most of which it never saw: shown whole where the mean log
probability is above -0.5, a suggestion was right as far as it went in 11 % of 170 cases; shown up
to the first token below -0.7, in 63 % of 128.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.engine.base import Token

UNSURE = "unsure"
"""Is the stop reason of a stream that ended for this."""

_WORD_END = re.compile(r"\w+\Z")
_LEAST_VISIBLE = 2
"""A single sure sign, mostly a bracket, is not worth a look."""


async def while_sure(
    stream: AsyncGenerator[Token, None], least_logprob: float
) -> AsyncGenerator[Token, None]:
    """Passes tokens on until one is less likely than ``least_logprob``, then closes the stream.

    Whole words only: the beginning of one is held back until it is known to be finished. A piece
    without a log probability counts as sure.
    """
    shown, held = "", ""
    async with aclosing(stream) as tokens:
        async for token in tokens:
            if token.logprob is not None and token.logprob < least_logprob:
                ready, word = _split_last_word(held)
                finished = ready if word and re.match(r"\w", token.text) else held
                text = finished if _is_visible(shown + finished) else ""
                yield Token(text, stop_reason=UNSURE)
                return
            held += token.text
            ready, held = _split_last_word(held)
            if token.stop_reason is not None:
                yield Token(ready + held, token.logprob, False, token.stop_reason, token.stats)
                return
            if _is_visible(shown + ready):
                shown += ready
                yield Token(ready, token.logprob)
            else:
                held = ready + held


def _split_last_word(text: str) -> tuple[str, str]:
    match = _WORD_END.search(text)
    return (text[: match.start()], match[0]) if match else (text, "")


def _is_visible(text: str) -> bool:
    return len("".join(text.split())) >= _LEAST_VISIBLE
