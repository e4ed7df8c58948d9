"""Words of code: what the full-text index holds and what a query looks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_][\w]*|_+[^\W\d_]\w*|\d{2,}")
_PART = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_MAX_WORD = 64
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "each",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "let",
        "me",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "should",
        "so",
        "some",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "too",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)
"""Dropped from questions only: in code, 'for' and 'is' cost little and their chunks are not rare."""


def stem(word: str) -> str:
    """Cuts the commonest English endings, so that 'parses', 'parsing' and 'parsed' meet."""
    if len(word) < 4 or not word.isascii():
        return word
    for ending, instead in (
        ("ization", "iz"),
        ("ations", "at"),
        ("ation", "at"),
        ("ingly", ""),
        ("ies", "y"),
        ("ing", ""),
        ("edly", ""),
        ("ers", ""),
        ("ed", ""),
        ("er", ""),
        ("es", ""),
        ("ly", ""),
        ("s", ""),
        ("e", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            base = word[: len(word) - len(ending)] + instead
            # 'running' and 'run' meet.
            is_doubled = len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz"
            return base[:-1] if ending in ("ing", "ed", "er") and is_doubled else base
    return word


def parts(word: str) -> list[str]:
    """Splits an identifier at case, underscore and digit borders, in lower case, unstemmed."""
    return [part.lower() for part in _PART.findall(word)]


def terms(text: str) -> Iterator[str]:
    """Yields the terms of a text: each part stemmed, and each compound whole as well."""
    for word in _WORD.findall(text):
        yield from _terms_of(word)


@lru_cache(maxsize=1 << 16)
def _terms_of(word: str) -> tuple[str, ...]:
    # Remembered: a project says the same words again and again.
    if len(word) > _MAX_WORD:
        return ()
    found = _PART.findall(word)
    kept = [whole(word)] if len(found) > 1 else []
    for part in found:
        lower = part.lower()
        if not lower.isascii() and _WIDE.fullmatch(lower):
            kept.extend(lower[i : i + 2] for i in range(len(lower) - 1))
        elif len(lower) > 1:
            kept.append(stem(lower))
    return tuple(kept)


def whole(word: str) -> str:
    """Returns the one term that stands for a whole compound identifier.

    Case and underscores don't count: ``total_area`` and ``totalArea`` are one.
    """
    return word.replace("_", "").lower()


def question_terms(question: str) -> list[str]:
    """Returns the terms of a question, each once, in order, without filler words."""
    kept = _WORD.sub(lambda m: " " if m[0].lower() in _STOP else m[0], question)
    return list(dict.fromkeys(terms(kept)))


def identifiers(code: str) -> list[str]:
    """Returns the identifiers of a piece of code, each once, in order."""
    return list(dict.fromkeys(word for word in _WORD.findall(code) if len(word) > 1))
