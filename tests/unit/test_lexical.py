"""Words of code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.index import lexical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parseHTTPResponse", ["parsehttpresponse", "pars", "http", "respons"]),
        ("total_area", ["totalarea", "total", "area"]),
        ("__init__", ["init"]),
        ("utf8Decoder2", ["utf8decoder2", "utf", "decod"]),
        ("x = y + 1", []),
        ("été naïve", ["été", "naïve"]),
        ("检索代码", ["检索", "索代", "代码"]),
        ("", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert [term for term in lexical.terms(text) if len(term) > 1] == expected


@pytest.mark.parametrize(
    "family",
    [
        ("parse", "parses", "parsed", "parsing", "parser", "parsers"),
        ("retry", "retries"),
        ("file", "files"),
        ("type", "types", "typed", "typing"),
        ("run", "running"),
        ("index", "indexing", "indexed", "indexer"),
        ("cache", "cached", "caches", "caching"),
    ],
)
def test_forms_of_a_word_meet(family: tuple[str, ...]) -> None:
    assert len({lexical.stem(word) for word in family}) == 1


def test_spellings_of_a_compound_meet() -> None:
    assert {lexical.whole(word) for word in ("totalArea", "total_area", "TotalArea")} == {
        "totalarea"
    }


def test_questions_lose_filler_words_but_keep_their_order() -> None:
    assert lexical.question_terms("Where is the config file parsed, and by which parser?") == [
        *("config", "fil", "pars"),
    ]


def test_identifiers_are_kept_as_written() -> None:
    assert lexical.identifiers("self.totalArea(x, total_area) + 12") == [
        *("self", "totalArea", "total_area", "12"),
    ]


@given(st.text())
def test_terms_are_single_words_of_the_full_text_index(text: str) -> None:
    for term in lexical.terms(text):
        assert term and not any(c in term for c in ' "\n\0')
