"""Chooses what of the project a completion prompt carries. The choice is pure; asking is not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from assistant.index import lexical
from assistant.retrieve.reader import ChunkRow

LINES_BEFORE = 10
LINES_AFTER = 5
QUERY_TERMS = 10
MAX_ROWS = 1_500
CANDIDATES = 40
_VISIBLE_LINES = 200
_PER_FILE = 3
_MIN_MATCHES = 2
_VISIBLE_SHARE = 0.7

_KEYWORDS = frozenset(
    [
        "and",
        "as",
        "assert",
        "async",
        "await",
        "bool",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "def",
        "default",
        "del",
        "do",
        "elif",
        "else",
        "end",
        "enum",
        "except",
        "export",
        "extends",
        "false",
        "finally",
        "float",
        "fn",
        "for",
        "from",
        "func",
        "function",
        "global",
        "if",
        "impl",
        "import",
        "in",
        "int",
        "interface",
        "is",
        "let",
        "local",
        "match",
        "mut",
        "new",
        "nil",
        "none",
        "not",
        "null",
        "or",
        "package",
        "pass",
        "print",
        "private",
        "public",
        "raise",
        "require",
        "return",
        "self",
        "static",
        "str",
        "string",
        "struct",
        "super",
        "switch",
        "then",
        "this",
        "throw",
        "true",
        "try",
        "type",
        "undefined",
        "use",
        "using",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ]
)


def query_terms(prefix: str, suffix: str) -> list[str]:
    """Returns the terms around the cursor, nearest first, each once.

    Of the cursor's own line only what stood there before typing counts nothing: the answer is
    then the same for every key on a line, and the engine can keep what it has read.
    """
    before = prefix.split("\n")
    lines = before[:-1][-LINES_BEFORE:][::-1]
    after = suffix.split("\n")[1 : LINES_AFTER + 1]
    if not any(line.strip() for line in lines):
        lines = before[-1:]
    names = dict.fromkeys(word for line in (*lines, *after) for word in lexical.identifiers(line))
    wanted = (word for word in names if word.lower() not in _KEYWORDS)
    return list(dict.fromkeys(term for word in wanted for term in _terms_of(word)))


def _terms_of(word: str) -> list[str]:
    """Returns a compound identifier whole, another one stemmed: parts alone say too little."""
    return next(([term] for term in lexical.terms(word)), [])


def choose(
    ordered: Sequence[ChunkRow],
    *,
    path: str | None,
    prefix: str,
    suffix: str,
    matches: Mapping[int, int],
    budget_chars: int,
) -> list[ChunkRow]:
    """Takes chunks, best first, while they fit the budget.

    Leaves out the file itself, what the text around the cursor shows already, chunks with too few
    of the query's terms (``matches``), and a fourth chunk of one file.
    """
    visible = _lines_of("\n".join(prefix.split("\n")[-_VISIBLE_LINES:]))
    visible |= _lines_of("\n".join(suffix.split("\n")[:_VISIBLE_LINES]))
    taken: list[ChunkRow] = []
    per_file: dict[str, int] = {}
    shown: list[frozenset[str]] = [frozenset(visible)]
    for row in ordered:
        if row.path == path or matches.get(row.id, 0) < _MIN_MATCHES:
            continue
        lines = frozenset(_lines_of(row.text.decode("utf-8", "replace")))
        size = len(row.text)
        if not lines or size > budget_chars or per_file.get(row.path, 0) >= _PER_FILE:
            continue
        if any(len(lines & other) / len(lines) >= _VISIBLE_SHARE for other in shown):
            continue
        taken.append(row)
        shown.append(lines)
        per_file[row.path] = per_file.get(row.path, 0) + 1
        budget_chars -= size
    return taken


_SPACE = re.compile(r"\s+")


def _lines_of(text: str) -> set[str]:
    """Returns the lines that say something, without their white space."""
    squeezed = (_SPACE.sub("", line) for line in text.split("\n"))
    return {line for line in squeezed if len(line) > 3}
