"""Estimates token counts for engines that can't count. Pure arithmetic, one ratio per model.

Ollama has no tokenizer call, so a ratio of bytes to tokens starts at a guess and follows every
prompt that the engine did count.
"""

from __future__ import annotations

import math

DEFAULT_BYTES_PER_TOKEN = 3.0
"""Code through the vocabularies of 32,000 to 150,000 tokens in use takes 2.9-3.6 bytes a token."""

_MARGIN = 0.92
"""Keeps an estimate on the safe side: the text of one request varies this much around the mean."""

_WEIGHT = 0.25
_LEAST_TOKENS = 32
"""A count below this says more about the control tokens than about the text."""


class TokenEstimator:
    """Keeps bytes per token for each model."""

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}

    def bytes_per_token(self, model: str, start: float = DEFAULT_BYTES_PER_TOKEN) -> float:
        """Returns how many bytes to count on per token, margin included."""
        return self._ratios.get(model, start) * _MARGIN

    def estimate(self, model: str, text: str, start: float = DEFAULT_BYTES_PER_TOKEN) -> int:
        """Returns a number of tokens that ``text`` most likely does not exceed."""
        return math.ceil(len(text.encode("utf-8", "replace")) / self.bytes_per_token(model, start))

    def observe(self, model: str, sent_bytes: int, prompt_tokens: int, num_ctx: int) -> None:
        """Learns from a prompt that the engine counted.

        A count that fills ``num_ctx`` is of a prompt that was cut, and teaches nothing.
        """
        if prompt_tokens < _LEAST_TOKENS or prompt_tokens >= num_ctx - 1:
            return
        seen = sent_bytes / prompt_tokens
        known = self._ratios.get(model)
        self._ratios[model] = seen if known is None else known + _WEIGHT * (seen - known)


_LEAST_SHARE = 0.5
"""Newer servers keep about half of a prompt that is too long; no estimate is off by as much."""

_NEAR_WINDOW = 0.4
"""Below this share of the window a prompt fits whole, even estimated at under half its size."""


def was_cut(estimated_tokens: int, counted_tokens: int, num_ctx: int) -> bool:
    """Says whether the engine dropped a part of the prompt without saying so.

    Ollama 0.24 answers 200 and evaluates just what fits: its count then fills the window, which a
    prompt that leaves room for the answer never does. A count of 0 is an engine that counts not.
    """
    if counted_tokens <= 0:
        return False
    if counted_tokens >= num_ctx - 1:
        return True
    is_short = counted_tokens < _LEAST_SHARE * estimated_tokens
    return is_short and estimated_tokens >= _NEAR_WINDOW * num_ctx
