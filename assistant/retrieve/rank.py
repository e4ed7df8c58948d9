"""Ranking of search results. Pure: lists and texts in, order out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RRF_K = 60
_FILE_DECAY = 0.5
_DEFINITION_BOOST = 1.5
_NAME_BOOST = 0.6
_PATH_BOOST = 0.4

_PENALTIES: tuple[tuple[re.Pattern[str], float, frozenset[str]], ...] = (
    (
        re.compile(
            r"(^|/)(tests?|specs?|__tests__|testdata)/|(^|/)(test_|conftest)|[._-](test|spec)\.\w+$",
            re.IGNORECASE,
        ),
        0.5,
        frozenset(("test", "tests", "spec", "fixture", "testing", "assert")),
    ),
    (
        re.compile(r"(^|/)(examples?|samples?|demos?|benchmarks?)/", re.IGNORECASE),
        0.5,
        frozenset(("example", "examples", "sample", "demo", "benchmark", "usage")),
    ),
    (re.compile(r"(^|/)_?(compat|legacy|deprecated|vendored)", re.IGNORECASE), 0.5, frozenset()),
    (re.compile(r"(^|/)__init__\.py$"), 0.7, frozenset(("init", "exports", "package"))),
    (re.compile(r"\.(d\.ts|pyi)$"), 0.7, frozenset(("type", "types", "stub", "declaration"))),
    (
        re.compile(r"\.(md|rst|txt|json|ya?ml|toml|xml|html|ini|cfg)$", re.IGNORECASE),
        0.7,
        frozenset(
            (
                "readme",
                "docs",
                "documentation",
                "config",
                "changelog",
                "license",
                "install",
                "setting",
            )
        ),
    ),
)
"""Path, factor, and the words of a question that lift it. The factors follow those of a public
benchmark's winner (.3 to .7), weakened because here tests are part of what a person works on."""


@dataclass(frozen=True)
class Candidate:
    """Is a chunk to be ranked; ``names`` are what it defines, ``words`` their parts, stemmed."""

    id: int
    path: str
    symbol: str | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """Is a query taken apart: raw words in lower case, identifiers as written, stemmed terms."""

    words: frozenset[str]
    identifiers: tuple[str, ...]
    terms: frozenset[str]


@dataclass(frozen=True)
class Ranked:
    id: int
    score: float
    why: str
    symbol: str | None


def fuse(
    lists: Mapping[str, Sequence[int]], weights: Mapping[str, float]
) -> dict[int, tuple[float, str]]:
    """Joins ranked lists by reciprocal rank; returns the score, 1 at best, and who found it."""
    scores: dict[int, float] = {}
    found_by: dict[int, list[str]] = {}
    best = sum(weights[name] for name, ids in lists.items() if ids) / (RRF_K + 1)
    for name, ids in lists.items():
        for place, number in enumerate(ids):
            scores[number] = scores.get(number, 0.0) + weights[name] / (RRF_K + 1 + place)
            found_by.setdefault(number, []).append(name)
    return {
        number: (score / best, " + ".join(found_by[number])) for number, score in scores.items()
    }


def rank(
    candidates: Sequence[Candidate],
    fused: Mapping[int, tuple[float, str]],
    question: Question,
    parts_of: Mapping[str, frozenset[str]],
    limit: int,
) -> list[Ranked]:
    """Applies the rules for definitions, names, paths, tests and repeated files; best first.

    ``parts_of`` gives the stemmed parts of every name and path among the candidates.
    """
    scored = []
    for candidate in candidates:
        score, why = fused[candidate.id]
        boost, reason, symbol = _name_match(candidate, question, parts_of)
        path_share = _share(parts_of.get(candidate.path, frozenset()), question.terms)
        factor = _penalty(candidate.path, question.words)
        total = (score + boost + _PATH_BOOST * path_share) * factor
        reasons = [why, reason, "path" if path_share else ""]
        scored.append(Ranked(candidate.id, total, ", ".join(r for r in reasons if r), symbol))
    paths = {candidate.id: candidate.path for candidate in candidates}
    return _spread(sorted(scored, key=lambda r: (-r.score, r.id)), paths, limit)


def _name_match(
    candidate: Candidate, question: Question, parts_of: Mapping[str, frozenset[str]]
) -> tuple[float, str, str | None]:
    """Returns the boost for what the chunk defines, the reason, and the name that matched."""
    # Asked for 'Class.method', the ledger has 'method' in the scope 'Class'.
    asked = {*question.identifiers, *map(_last_part, question.identifiers)}
    for name in candidate.names:
        if name in asked or _last_part(name) in asked:
            return _DEFINITION_BOOST, "definition", name
    best, found = 0.0, candidate.symbol
    for name in candidate.names:
        parts = parts_of.get(name, frozenset())
        share = _share(parts, question.terms) * min(1.0, len(parts & question.terms) / 2)
        if share > best:
            best, found = share, name
    return (_NAME_BOOST * best, "name", found) if best >= 0.5 else (0.0, "", candidate.symbol)


def _last_part(name: str) -> str:
    return re.split(r"[.:#]+", name)[-1]


def _share(parts: frozenset[str], terms: frozenset[str]) -> float:
    return len(parts & terms) / len(parts) if parts else 0.0


def _penalty(path: str, words: frozenset[str]) -> float:
    factor = 1.0
    for pattern, weight, lifting in _PENALTIES:
        if pattern.search(path) and words.isdisjoint(lifting):
            factor *= weight
    return factor


def _spread(ordered: Sequence[Ranked], paths: Mapping[int, str], limit: int) -> list[Ranked]:
    """Halves the score of each further chunk of a file, so that one file does not fill the list."""
    seen: dict[str, int] = {}
    spread = []
    for ranked in ordered:
        path = paths[ranked.id]
        factor = _FILE_DECAY ** seen.get(path, 0)
        seen[path] = seen.get(path, 0) + 1
        spread.append(Ranked(ranked.id, ranked.score * factor, ranked.why, ranked.symbol))
    return sorted(spread, key=lambda r: (-r.score, r.id))[:limit]
