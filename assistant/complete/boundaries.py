"""Filters against running into, repeating or unbalancing the code around. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from assistant.complete.surroundings import CLOSERS, FilterContext, indent_of, is_weighty

_ALIKE = 0.9
"""Lines this similar count as the same; the figure is Continue's, ten per cent of edits."""

_SUFFIX_START_CHARS = 20
_LOOP_IN_LINE = re.compile(r"(\S.{3,39}?)\1{3,}")
_LONGEST_BLOCK = 4
_LEAST_BLOCK_CHARS = 12


def repeats_above(text: str, place: FilterContext) -> str:
    """Drops a completion that makes the cursor's line the line above once more."""
    first = (place.head + text.partition("\n")[0]).strip()
    return "" if is_weighty(first) and first == place.line_above.strip() else text


def repeats_below(text: str, place: FilterContext) -> str:
    """Cuts before a line that is the next line of the document, or nearly so."""
    below = place.line_below.strip()
    if not is_weighty(below):
        return text
    lines = text.split("\n")
    for index, line in enumerate(lines):
        whole = (place.head + line if index == 0 else line).strip()
        if _is_alike(whole, below):
            return "\n".join(lines[:index])
    return text


def _is_alike(left: str, right: str) -> bool:
    if left == right:
        return True
    longest = max(len(left), len(right))
    if abs(len(left) - len(right)) > longest * (1 - _ALIKE) or longest < 12:
        return False
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() > _ALIKE


def suffix_overlap(text: str, place: FilterContext) -> str:
    """Cuts where the text runs into the suffix, and trims an end that the suffix starts with."""
    suffix = place.near_suffix
    start = suffix.lstrip()[:_SUFFIX_START_CHARS].rstrip()
    if len(start) >= _SUFFIX_START_CHARS // 2 and is_weighty(start):
        at = text.find(start)
        if at >= 0:
            return text[:at].rstrip(" \t")
    for length in range(min(len(text), len(suffix)), 0, -1):
        if suffix.startswith(text[-length:]) and _may_trim(text, length, place):
            return text[:-length]
    return text


def _may_trim(text: str, length: int, place: FilterContext) -> bool:
    """Tells a repeated end from a coincidence, such as one letter or a bracket that is wanted."""
    overlap = text[-length:]
    if not overlap.strip():
        return False
    if any(c.isalnum() for c in overlap):
        before = text[-length - 1 : -length]
        at_word = not (overlap[0].isalnum() and (before.isalnum() or before == "_"))
        return at_word and len(overlap.strip()) >= 4
    closing = {c for c in overlap if c in CLOSERS}
    if not closing:
        return True
    _, unopened = place.brackets(text)
    return any(unopened[CLOSERS[c]] > place.may_close[CLOSERS[c]] for c in closing)


def repetition(text: str, place: FilterContext) -> str:
    """Cuts a model's loop after its first round: a piece, a line or a block again and again."""
    del place
    loop = _LOOP_IN_LINE.search(text)
    if loop and any(c.isalpha() for c in loop[1]) and "\n" not in loop[1]:
        text = text[: loop.start() + len(loop[1])]
    lines = text.split("\n")
    stripped = [line.strip() for line in lines]
    for start in range(len(lines)):
        if _is_line_loop(stripped, start):
            return "\n".join(lines[: start + 1])
        for size in range(2, _LONGEST_BLOCK + 1):
            block = stripped[start : start + size]
            again = stripped[start + size : start + 2 * size]
            if block == again and sum(map(len, block)) >= _LEAST_BLOCK_CHARS:
                return "\n".join(lines[: start + size])
    return text


def _is_line_loop(stripped: list[str], start: int) -> bool:
    same = stripped[start : start + 3]
    return len(same) == 3 and len(set(same)) == 1 and is_weighty(same[0])


def scope(text: str, place: FilterContext) -> str:
    """Cuts where the text leaves the block of the cursor, or begins a second one beside it."""
    lines = text.split("\n")
    went_deeper, blank_before = False, False
    for index, line in enumerate(lines[1:], start=1):
        if not line.strip():
            blank_before = True
            continue
        indent = indent_of(line)
        closes = line.lstrip()[0] in CLOSERS
        leaves = indent < place.indent and not closes
        begins_another = went_deeper and blank_before and indent <= place.indent and not closes
        if leaves or begins_another:
            return "\n".join(lines[:index])
        went_deeper = went_deeper or indent > place.indent
        blank_before = False
    return text


def brackets(text: str, place: FilterContext) -> str:
    """Cuts before a bracket that closes what neither the text nor the code before it opened."""
    if place.is_prose:
        return text
    may_close = place.may_close.copy()
    opened: list[str] = []
    for sign, offset in place.bracket_signs(text):
        opener = CLOSERS.get(sign)
        if opener is None:
            opened.append(sign)
        elif opened and opened[-1] == opener:
            opened.pop()
        elif may_close[opener] > 0:
            may_close[opener] -= 1
        else:
            return text[:offset]
    return text
