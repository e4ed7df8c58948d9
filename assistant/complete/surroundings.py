"""What filters need to know about the place of a completion. Pure, each fact worked out once."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from assistant.complete.comments import style_for

_NEAR_CHARS = 20_000
"""How far before and after the cursor brackets and indentation are looked at."""

_PROSE = frozenset({"", "md", "markdown", "txt", "rst", "tex", "adoc", "org", "log", "csv"})
_QUOTE_IS_NO_STRING = frozenset({"rs", "lisp", "el", "clj", "scm", "hs", "ml", "mli", "v", "vhd"})

CLOSERS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class FilterContext:
    """Describes where a completion goes and what is known about it.

    ``prefix`` and ``suffix`` are the document before and after the cursor. ``control_tokens`` come
    from the model's profile. ``hole``: the answer of a chat model asked by ``prompt.build_hole``.
    ``mean_logprob`` is over all tokens of the answer, None where the engine gives none.
    """

    prefix: str
    suffix: str
    path: str = ""
    control_tokens: tuple[str, ...] = ()
    single_line: bool = False
    max_lines: int = 12
    hole: bool = False
    mean_logprob: float | None = None
    min_mean_logprob: float | None = None

    @cached_property
    def extension(self) -> str:
        return PurePosixPath(self.path).suffix.lstrip(".").lower()

    @cached_property
    def is_prose(self) -> bool:
        return self.extension in _PROSE

    @cached_property
    def near_prefix(self) -> str:
        return self.prefix[-_NEAR_CHARS:]

    @cached_property
    def near_suffix(self) -> str:
        return self.suffix[:_NEAR_CHARS]

    @cached_property
    def head(self) -> str:
        """Returns the cursor's line before the cursor."""
        return self.near_prefix.rpartition("\n")[2]

    @cached_property
    def rest(self) -> str:
        """Returns the cursor's line after the cursor."""
        return self.near_suffix.partition("\n")[0]

    @cached_property
    def indent(self) -> int:
        return indent_of(self.head)

    @cached_property
    def line_above(self) -> str:
        """Returns the last line with text above the cursor's line, or ''."""
        lines = self.near_prefix.rpartition("\n")[0].split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    @cached_property
    def line_below(self) -> str:
        """Returns the first line with text below the cursor's line, or ''."""
        lines = self.near_suffix.partition("\n")[2].split("\n")
        return next((line for line in lines if line.strip()), "")

    @cached_property
    def is_mid_line(self) -> bool:
        """Whether more than closing signs stands right of the cursor on its line."""
        return bool(self.rest.strip(" \t\r)]}>\"'`;,:"))

    @cached_property
    def uses_tabs(self) -> bool:
        tabs = self.near_prefix.count("\n\t") + self.near_suffix.count("\n\t")
        spaces = self.near_prefix.count("\n  ") + self.near_suffix.count("\n  ")
        return tabs > spaces

    @cached_property
    def indent_width(self) -> int:
        """Returns the number of spaces that one level takes in this file; 4 where it can't tell."""
        lines = (self.near_prefix + self.near_suffix).split("\n")
        steps = Counter[int]()
        previous = 0
        for line in lines:
            if not line.strip() or line.startswith("\t"):
                continue
            width = indent_of(line)
            if width > previous:
                steps[width - previous] += 1
            previous = width
        likely = [(count, step) for step, count in steps.items() if step in (2, 3, 4, 8)]
        return max(likely)[1] if likely else 4

    @cached_property
    def may_close(self) -> Counter[str]:
        """Returns how many of each bracket a completion may close that it did not open.

        That is, those that the prefix leaves open and the suffix does not close.
        """
        still_open, _ = self.brackets(self.near_prefix)
        _, closed_later = self.brackets(self.near_suffix)
        return still_open - closed_later

    def brackets(self, text: str) -> tuple[Counter[str], Counter[str]]:
        """Returns what ``text`` opens and leaves open, and what it closes but did not open."""
        opened: Counter[str] = Counter()
        unopened: Counter[str] = Counter()
        for sign, _ in self.bracket_signs(text):
            opener = CLOSERS.get(sign)
            if opener is None:
                opened[sign] += 1
            elif opened[opener]:
                opened[opener] -= 1
            else:
                unopened[opener] += 1
        return +opened, unopened

    def bracket_signs(self, text: str) -> list[tuple[str, int]]:
        """Returns each bracket outside strings and comments with its offset."""
        found = self._bracket_pattern.finditer(text)
        return [(m["sign"], m.start()) for m in found if m["sign"]]

    @cached_property
    def _bracket_pattern(self) -> re.Pattern[str]:
        single = r"'(?:\\.|[^'\\\n])'" if self._single_is_char else r"'(?:\\.|[^'\\\n])*'"
        double = r'"(?:\\.|[^"\\\n])*"'
        skipped = [r'"""(?s:.*?)"""', r"'''(?s:.*?)'''", double, single]
        opening, closing = style_for(self.path)
        if not closing:
            skipped.append(re.escape(opening) + r"[^\n]*")
        return re.compile("|".join(skipped) + r"|(?P<sign>[()\[\]{}])")

    @property
    def _single_is_char(self) -> bool:
        return self.extension in _QUOTE_IS_NO_STRING


def indent_of(line: str) -> int:
    """Returns the number of white-space characters that a line starts with."""
    return len(line) - len(line.lstrip(" \t"))


def is_weighty(line: str) -> bool:
    """Whether a line says enough for its repetition to be a fault: more than brackets or 'end'."""
    return sum(c.isalnum() for c in line) > 4
