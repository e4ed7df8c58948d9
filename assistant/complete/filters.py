"""Decides what of a model's answer is shown. Pure.

Filters are functions (text, place) -> text, in one table, in order. One that leaves nothing drops
the completion and gives its name as the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assistant.complete import boundaries, cleanups
from assistant.complete.prompt import HOLE_CLOSE, HOLE_OPEN
from assistant.complete.surroundings import FilterContext

__all__ = ["FilterContext", "FilterResult", "StreamResult", "run", "stream"]

Filter = Callable[[str, FilterContext], str]


@dataclass(frozen=True)
class FilterResult:
    """Holds what may be shown. ``dropped_by`` names the filter that left nothing of it;
    ``trimmed_by`` those that took something away.
    """

    text: str
    dropped_by: str | None = None
    trimmed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamResult:
    """Holds what of an unfinished answer may be shown now. Where ``stop_reason`` is set, no further
    token can change the text: the engine may stop.
    """

    text: str
    stop_reason: str | None = None


def low_confidence(text: str, place: FilterContext) -> str:
    """Drops an answer that the model itself finds unlikely."""
    mean, least = place.mean_logprob, place.min_mean_logprob
    return "" if mean is not None and least is not None and mean < least else text


def whitespace_only(text: str, place: FilterContext) -> str:
    """Drops what has no visible sign, at first and once more after what others took away."""
    del place
    return text if text.strip() else ""


_FILTERS: tuple[tuple[str, Filter], ...] = (
    ("think_block", cleanups.think_block),
    ("control_token", cleanups.control_token),
    ("hole_tags", cleanups.hole_tags),
    ("fence", cleanups.fence),
    ("path_header", cleanups.path_header),
    ("prefix_echo", cleanups.prefix_echo),
    ("whitespace_only", whitespace_only),
    ("leading_blank", cleanups.leading_blank),
    ("one_line", cleanups.one_line),
    ("repetition", boundaries.repetition),
    ("repeats_above", boundaries.repeats_above),
    ("repeats_below", boundaries.repeats_below),
    ("suffix_overlap", boundaries.suffix_overlap),
    ("indentation", cleanups.indentation),
    ("spacing", cleanups.spacing),
    ("scope", boundaries.scope),
    ("brackets", boundaries.brackets),
    ("max_lines", cleanups.max_lines),
    ("trailing_space", cleanups.trailing_space),
    ("nothing_left", whitespace_only),
    ("low_confidence", low_confidence),
)

_MAY_RECOVER = frozenset(
    {"think_block", "hole_tags", "fence", "path_header", "prefix_echo", "whitespace_only"}
)
"""Filters that leave nothing of a beginning, and something of what may follow it."""

_TIDYING = (_MAY_RECOVER - {"hole_tags", "fence", "path_header"}) | {
    "leading_blank",
    "indentation",
    "spacing",
    "trailing_space",
}

_PROBE = "probe_7 or zq\"'"
"""Stands for any further text. It ends a string of either kind, so that brackets in one wait."""

_DEEP = " " * 200
"""Indents the probe where the next line has not begun, so that it does not look like a dedent."""


def run(text: str, place: FilterContext) -> FilterResult:
    """Returns what of a finished answer may be shown."""
    return _apply(text, place, _FILTERS) if text else FilterResult("", "empty")


def _apply(
    text: str, place: FilterContext, filters: tuple[tuple[str, Filter], ...]
) -> FilterResult:
    trimmed: list[str] = []
    for name, apply in filters:
        kept = apply(text, place)
        if kept != text:
            trimmed.append(name)
        text = kept
        if not text:
            return FilterResult("", name, tuple(trimmed))
    return FilterResult(text, None, tuple(trimmed))


def stream(text: str, place: FilterContext) -> StreamResult:
    """Returns what of the answer so far may be shown, and whether the rest is of no use.

    ``place.mean_logprob`` is of the tokens so far. An end that could be the start of a control
    token or tag is held back until the next token tells. The rest is of no use where text that
    goes on differently comes out the same.
    """
    shown = _apply(text, place, _FILTERS[:-1])
    last_line = text.rpartition("\n")[2]
    probe = _PROBE if last_line.strip() else _DEEP + _PROBE
    probed = _apply(text + probe, place, _FILTERS[:-1])
    if probed.text == shown.text and probed.dropped_by not in _MAY_RECOVER:
        return StreamResult(run(text, place).text, probed.dropped_by or _cutter(probed.trimmed_by))
    return StreamResult(run(_hold_back(text, place), place).text)


def _cutter(trimmed_by: tuple[str, ...]) -> str:
    """Returns the filter that ended the text; the last ones only tidy up what others left."""
    return next((name for name in trimmed_by if name not in _TIDYING), trimmed_by[-1])


def _hold_back(text: str, place: FilterContext) -> str:
    tokens = (*place.control_tokens, HOLE_OPEN, HOLE_CLOSE) if place.hole else place.control_tokens
    longest = max((len(token) for token in tokens), default=1)
    for length in range(min(longest - 1, len(text)), 0, -1):
        if any(token.startswith(text[-length:]) for token in tokens):
            return text[:-length]
    return text
