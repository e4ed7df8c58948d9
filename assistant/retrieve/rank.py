"""Ranking of search results. Pure: lists and texts in, order out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WORDS_SHARE = 0.2
"""What the best match of words is worth beside a cosine. Scores are added, not ranks: reciprocal
ranks of both lists gave less than the vectors alone (CoSQA .51, sum .70, vectors .70; docstring to
function .41, sum .47, words .43 without rules)."""
_FILE_DECAY = 0.97
_DEFINITION_BOOST = 1.0
_NAME_BOOST = 0.3
_PATH_BOOST = 0.2
"""Of the best match of words, for a name and a path that the question is made of."""

_PENALTIES: tuple[tuple[re.Pattern[str], float, frozenset[str]], ...] = (
    (
        re.compile(
            r"(^|/)(tests?|specs?|__tests__|testdata)/|(^|/)(test_|conftest)|[._-](test|spec)\.\w+$",
            re.IGNORECASE,
        ),
        0.7,
        frozenset(("test", "tests", "spec", "fixture", "testing", "assert")),
    ),
    (
        re.compile(r"(^|/)(examples?|samples?|demos?|benchmarks?)/", re.IGNORECASE),
        0.7,
        frozenset(("example", "examples", "sample", "demo", "benchmark", "usage")),
    ),
    (re.compile(r"(^|/)_?(compat|legacy|deprecated|vendored)", re.IGNORECASE), 0.8, frozenset()),
    (re.compile(r"(^|/)__init__\.py$"), 0.95, frozenset(("init", "exports", "package"))),
    (re.compile(r"\.(d\.ts|pyi)$"), 0.8, frozenset(("type", "types", "stub", "declaration"))),
    (
        re.compile(r"\.(md|rst|txt|json|ya?ml|toml|xml|html|ini|cfg)$", re.IGNORECASE),
        0.8,
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
"""Path, factor, and the words of a question that lift it. Weaker than the .3 to .7 of a public
benchmark's winner: those were made for whole files and ranks, these scores lie close together, and
here tests are part of what a person works on."""


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


@dataclass(frozen=True)
class Fused:
    """Holds for each chunk its score and who found it; ``unit`` is the best match of words."""

    scores: Mapping[int, tuple[float, str]]
    unit: float


def fuse(
    words: Sequence[tuple[int, float]],
    meaning: Sequence[tuple[int, float]] = (),
    defined: Sequence[int] = (),
) -> Fused:
    """Joins BM25 scores, cosines and definitions, each best first.

    What the vectors did not find counts as the least of what they did.
    """
    unit = _WORDS_SHARE if meaning else 1.0
    least = max(0.0, min((cosine for _, cosine in meaning), default=0.0))
    most = max((score for _, score in words), default=0.0) or 1.0
    scores = {number: max(least, cosine) for number, cosine in meaning}
    found_by = {number: ["meaning"] for number, _ in meaning}
    for number, score in words:
        scores[number] = scores.get(number, least) + unit * score / most
        found_by.setdefault(number, []).append("words")
    for place, number in enumerate(defined):
        # In the order of the look-up, which knows scopes.
        scores[number] = scores.get(number, least) + unit / (1 + place)
        found_by.setdefault(number, []).append("definition")
    return Fused({n: (score, " + ".join(found_by[n])) for n, score in scores.items()}, unit)


def rank(
    candidates: Sequence[Candidate],
    fused: Fused,
    question: Question,
    parts_of: Mapping[str, frozenset[str]],
    limit: int,
) -> list[Ranked]:
    """Applies the rules for definitions, names, paths, tests and repeated files; best first.

    ``parts_of`` gives the stemmed parts of every name and path among the candidates.
    """
    scored = []
    for candidate in candidates:
        score, why = fused.scores[candidate.id]
        is_defined, share, symbol = _name_match(candidate, question, parts_of)
        path_share = _share(parts_of.get(candidate.path, frozenset()), question.terms)
        factor = _penalty(candidate.path, question.words)
        boost = fused.unit * (_NAME_BOOST * share + _PATH_BOOST * path_share)
        total = (score + boost + _DEFINITION_BOOST * is_defined) * factor
        reason = "definition" if is_defined else "name" if share else ""
        reasons = [why, "" if reason in why else reason, "path" if path_share else ""]
        scored.append(Ranked(candidate.id, total, ", ".join(r for r in reasons if r), symbol))
    paths = {candidate.id: candidate.path for candidate in candidates}
    return _spread(sorted(scored, key=lambda r: (-r.score, r.id)), paths, limit)


def _name_match(
    candidate: Candidate, question: Question, parts_of: Mapping[str, frozenset[str]]
) -> tuple[bool, float, str | None]:
    """Returns whether the chunk defines what is asked for, how much of a name the question has,
    and that name.
    """
    # Asked for 'Class.method', the ledger has 'method' in the scope 'Class'.
    asked = {*question.identifiers, *map(_last_part, question.identifiers)}
    for name in candidate.names:
        if name in asked or _last_part(name) in asked:
            return True, 0.0, name
    best, found = 0.0, candidate.symbol
    for name in candidate.names:
        parts = parts_of.get(name, frozenset())
        share = _share(parts, question.terms) * min(1.0, len(parts & question.terms) / 2)
        if share > best:
            best, found = share, name
    return (False, best, found) if best >= 0.5 else (False, 0.0, candidate.symbol)


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
    """Lowers each further chunk of a file, so that one file does not fill the list."""
    seen: dict[str, int] = {}
    spread = []
    for ranked in ordered:
        path = paths[ranked.id]
        factor = _FILE_DECAY ** seen.get(path, 0)
        seen[path] = seen.get(path, 0) + 1
        spread.append(Ranked(ranked.id, ranked.score * factor, ranked.why, ranked.symbol))
    return sorted(spread, key=lambda r: (-r.score, r.id))[:limit]
