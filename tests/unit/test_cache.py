"""The completion cache: what it finds again, and what it must not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.complete.cache import LOOK_BACK_CHARS, CompletionCache


def get(cache: CompletionCache, before: str, after: str = "\n") -> str | None:
    return cache.get("m", "u", before, after)


def filled(text: str, before: str = "x = ", after: str = "\n") -> CompletionCache:
    cache = CompletionCache()
    cache.put("m", "u", before, after, text)
    return cache


def test_the_same_place_finds_the_whole_text() -> None:
    assert get(filled("foo(1)"), "x = ") == "foo(1)"


@given(st.text(min_size=2, max_size=40), st.integers(1, 39))
def test_typing_the_beginning_leaves_the_rest(text: str, typed: int) -> None:
    typed = min(typed, len(text) - 1)
    assert get(filled(text), "x = " + text[:typed]) == text[typed:]


def test_typing_something_else_finds_nothing() -> None:
    assert get(filled("foo(1)"), "x = b") is None


def test_typing_all_of_it_leaves_nothing_to_suggest() -> None:
    assert get(filled("foo"), "x = foo") is None


def test_another_text_after_the_cursor_finds_nothing() -> None:
    assert get(filled("foo"), "x = ", ")\n") is None


def test_another_document_or_model_finds_nothing() -> None:
    cache = filled("foo")
    assert cache.get("m", "other", "x = ", "\n") is None
    assert cache.get("other", "u", "x = ", "\n") is None


def test_an_edit_far_above_keeps_the_entry() -> None:
    padding = "line\n" * 200
    cache = filled("foo", padding + "x = ")
    assert get(cache, "edited\n" + padding + "x = ") == "foo"


def test_looking_back_ends_after_its_limit() -> None:
    text = "a" * (LOOK_BACK_CHARS + 10)
    assert get(filled(text), "x = " + text[: LOOK_BACK_CHARS + 1]) is None


def test_it_forgets_the_oldest_above_its_limit() -> None:
    cache = CompletionCache(limit=2)
    for name in "abc":
        cache.put("m", "u", name, "\n", "text")
    assert [cache.get("m", "u", name, "\n") for name in "abc"] == [None, "text", "text"]
