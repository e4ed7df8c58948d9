"""Filters of completions: each by name, then the stream, then properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.complete import filters
from assistant.complete.filters import FilterContext
from assistant.complete.prompt import HOLE_CLOSE, HOLE_OPEN
from assistant.engine import fim

TOKENS = fim.QWEN_CODER.control_tokens


def place(
    prefix: str = "", suffix: str = "\n", path: str = "a.py", **more: object
) -> FilterContext:
    return FilterContext(prefix, suffix, path, TOKENS, **more)  # type: ignore[arg-type]


def shown(text: str, prefix: str = "", suffix: str = "\n", **more: object) -> str:
    return filters.run(text, place(prefix, suffix, **more)).text  # type: ignore[arg-type]


def reason(text: str, prefix: str = "", suffix: str = "\n", **more: object) -> str | None:
    return filters.run(text, place(prefix, suffix, **more)).dropped_by  # type: ignore[arg-type]


def test_plain_text_is_left_alone() -> None:
    result = filters.run("total = sum(values)", place("def f(values):\n    "))
    assert result == filters.FilterResult("total = sum(values)")


@pytest.mark.parametrize("token", ["<|endoftext|>", "<|fim_middle|>", "<|im_end|>", "<|file_sep|>"])
def test_leaked_token_ends_the_text(token: str) -> None:
    assert shown(f"foo(){token}more", "x = ") == "foo()"
    assert reason(f"{token}more", "x = ") == "control_token"


def test_reasoning_is_removed() -> None:
    assert shown("<think>\nlet me see\n</think>\n\nfoo()", "x = ") == "foo()"
    assert reason("<think>for ever", "x = ") == "think_block"


def test_fences_are_removed() -> None:
    assert shown("```python\nfoo()\n```\nThis calls foo.", "") == "foo()"
    assert shown("foo()\n```\nThis", "") == "foo()"
    assert shown("```sh\nls\n```", "", path="README.md") == "```sh\nls\n```"


def test_answer_of_a_chat_model_is_taken_out_of_its_tags() -> None:
    answer = f"Sure! {HOLE_OPEN}foo(){HOLE_CLOSE} does it."
    assert shown(answer, "x = ", hole=True) == "foo()"
    assert shown("foo()", "x = ", hole=True) == "foo()"


def test_echo_of_a_snippet_header_is_removed() -> None:
    assert shown("# Path: a/b.py\nfoo()", "") == "foo()"
    assert shown("foo()\n# Path: a/b.py\nbar()", "") == "foo()"


def test_echo_of_the_line_is_removed() -> None:
    assert shown("result = compute(1)", "    result = comp") == "ute(1)"


def test_blank_lines_at_the_start() -> None:
    assert shown("\n\nfoo()", "def f():\n    x = 1\n") == "foo()"
    assert shown("\n\n    foo()", "def f():") == "\n    foo()"


@pytest.mark.parametrize("text", ["", " ", "\n", "\n  \n\t"])
def test_white_space_is_nothing(text: str) -> None:
    assert reason(text, "x = 1") == "whitespace_only" or text == ""
    assert shown(text, "x = 1") == ""


def test_one_line_where_text_follows() -> None:
    assert shown("a, b\n    c", "foo(", ", last)\n") == "a, b"
    assert shown("a\nb", "", single_line=True) == "a"
    assert reason("\nfoo", "x = 1", single_line=True) == "one_line"


def test_closing_signs_are_not_text() -> None:
    assert "\n" in shown("{\n    a: 1,\n}", "foo(", ")\n", path="a.js")


def test_repetition_is_cut() -> None:
    line = "    values.append(1)\n"
    assert shown("values.append(1)\n" + line * 5, "def f():\n    ") == "values.append(1)"
    block = "if first:\n        go()\n    "
    assert shown(block * 3, "def f():\n    ") == "if first:\n        go()"
    assert shown("alpha, " * 9, "x = ") == "alpha,"


def test_honest_repetition_is_kept() -> None:
    assert shown("[0, 0, 0, 0, 0, 0, 0]", "x = ") == "[0, 0, 0, 0, 0, 0, 0]"
    closers = "        }\n    }\n}"
    text = "a()\n" + closers
    assert shown(text, "{\n    {\n        {\n        ", "\n", path="a.js") == text


def test_line_above_again() -> None:
    assert reason("return value", "    return value\n    ") == "repeats_above"
    assert reason("ue", "    return value\n    return val") == "repeats_above"
    assert reason("}", "    }\n    ", path="a.js") != "repeats_above"


def test_line_below_again() -> None:
    below = "\n    return result\n"
    assert reason("return result", "    ", below) == "repeats_below"
    assert shown("x = 1\n    return result", "    ", below) == "x = 1"
    assert shown("x = 1\n    return results", "    ", below) == "x = 1", "nearly the same"
    assert shown("x = 1\n    return other", "    ", below) == "x = 1\n    return other"


@pytest.mark.parametrize(
    ("text", "prefix", "suffix", "expected"),
    [
        ("path)", "x = foo(", ")\n", "path"),
        ("bar())", "x = foo(", ")\n", "bar()"),
        (")", "x = foo(bar(a", ")\n", ")"),
        ('key"]', 'd["', '"]\n', "key"),
        ("value, other=other_value)", "foo(", ", other=other_value)\n", "value"),
        ("b", "a", "bc\n", "b"),
        (
            "first()\nreturn compute_everything(1)",
            "",
            "\nreturn compute_everything(1)\n",
            "first()",
        ),
    ],
    ids=["closer", "one-of-two", "wanted", "quotes", "words", "coincidence", "next-line"],
)
def test_overlap_with_the_suffix(text: str, prefix: str, suffix: str, expected: str) -> None:
    assert shown(text, prefix, suffix) == expected


@pytest.mark.parametrize(
    ("text", "prefix", "suffix", "path", "expected"),
    [
        ("a))", "foo(", "\n", "a.py", "a)"),
        ("a)", "foo(", "\n", "a.py", "a)"),
        ("a]", "foo(", "\n", "a.py", "a"),
        ("x\n}\n}", "void f() {\n    ", "\n", "a.c", "x\n}"),
        ("x\n}", "class A {\n  f() {\n    ", "\n}\n", "a.ts", "x\n}"),
        ('")", 1)', "foo(", "\n", "a.py", '")", 1)'),
        ("x  # :)", "", "\n", "a.py", "x  # :)"),
        ("done :)", "", "\n", "notes.md", "done :)"),
        ("'a>(x: &'a str)", "fn f<", " {\n", "a.rs", "'a>(x: &'a str)"),
    ],
)
def test_brackets_close_only_what_is_open(
    text: str, prefix: str, suffix: str, path: str, expected: str
) -> None:
    assert shown(text, prefix, suffix, path=path) == expected


def test_scope_of_the_cursor() -> None:
    prefix = "class A:\n    def f(self):\n        "
    assert shown("x = 1\n        return x\n\n    def g(self):\n        pass", prefix) == (
        "x = 1\n        return x"
    )
    one = "import a\nimport b\nimport c"
    assert shown(one, "") == one
    two = "def f():\n    return 1\n\n\ndef g():\n    return 2"
    assert shown(two, "") == "def f():\n    return 1"
    loop = "for a in b:\n    use(a)\nreturn 1"
    assert shown(loop, "") == loop


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("    return x", "def f():\n    ", "return x"),
        (" return x", "def f():\n    ", "return x"),
        ("    return x", "def f():\n", "    return x"),
        ("    return x", "if a:\n    if b:\n    ", "    return x"),
        ("if a:\n\treturn 1", "def f():\n    x = 1\n    y = 2\n", "if a:\n    return 1"),
        ("if a:\n    return 1", "def f():\n\tx = 1\n\ty = 2\n\t", "if a:\n\treturn 1"),
        (" 1", "x = ", "1"),
        ("1", "x =", "1"),
        (" 1", "x =", " 1"),
    ],
)
def test_white_space_is_put_right(text: str, prefix: str, expected: str) -> None:
    assert shown(text, prefix) == expected


def test_no_more_lines_than_wanted() -> None:
    text = "\n".join(f"a{i} = {i}" for i in range(20))
    assert shown(text, "", max_lines=3) == "a0 = 0\na1 = 1\na2 = 2"


def test_space_at_the_end_stays_only_before_text() -> None:
    assert shown("a,  \n", "foo(", ")\n") == "a,"
    assert shown("a, ", "foo(", "b)\n") == "a, "


def test_low_confidence_shows_nothing() -> None:
    assert reason("foo()", "x = ", mean_logprob=-2.0, min_mean_logprob=-0.5) == "low_confidence"
    assert shown("foo()", "x = ", mean_logprob=-0.2, min_mean_logprob=-0.5) == "foo()"
    assert shown("foo()", "x = ", mean_logprob=None, min_mean_logprob=-0.5) == "foo()"


@pytest.mark.parametrize(
    ("text", "prefix", "suffix", "more", "expected", "stop"),
    [
        ("fo", "x = ", "\n", {}, "fo", None),
        ("foo(\n", "x = ", "\n", {}, "foo(", None),
        ("foo\n", "x = ", "\n", {"single_line": True}, "foo", "one_line"),
        ("a, b\n", "foo(", ", c)\n", {}, "a, b", "one_line"),
        ("foo()<|fim_", "x = ", "\n", {}, "foo()", None),
        ("a <", "x = ", "\n", {}, "a", None),
        ("foo()<|fim_middle|>", "x = ", "\n", {}, "foo()", "control_token"),
        ("1\n    return x\n", "    x = ", "\n    return x\n", {}, "1", "repeats_below"),
        ("1\n    return x", "    x = ", "\n    return y\n", {}, "1\n    return x", None),
        ("a = 1\nb = 2\nc = 3\nd", "", "\n", {"max_lines": 3}, "a = 1\nb = 2\nc = 3", "max_lines"),
        ("x = 1\n", "def f():\n    ", "\n", {}, "x = 1", None),
        ("x = 1\n  ", "def f():\n    ", "\n", {}, "x = 1", None),
        ("x = 1\n\ndef g", "def f():\n    ", "\n", {}, "x = 1", "scope"),
        ("a))", "foo(", "\n", {}, "a)", "brackets"),
        ('")', "x = ", "\n", {}, '"', None),
        ("<think>hm", "x = ", "\n", {}, "", None),
        ("```py", "", "\n", {}, "", None),
        ("# Path: a", "", "\n", {}, "", None),
        (f"{HOLE_OPEN}foo(</COMP", "x = ", "\n", {"hole": True}, "foo(", None),
        (f"{HOLE_OPEN}f(){HOLE_CLOSE}", "x = ", "\n", {"hole": True}, "f()", "hole_tags"),
    ],
)
def test_stream(
    text: str, prefix: str, suffix: str, more: dict[str, object], expected: str, stop: str | None
) -> None:
    result = filters.stream(text, place(prefix, suffix, **more))
    assert (result.text, result.stop_reason) == (expected, stop)


def test_low_confidence_hides_a_stream_without_stopping_it() -> None:
    unsure = place("x = ", mean_logprob=-2.0, min_mean_logprob=-0.5)
    assert filters.stream("foo", unsure) == filters.StreamResult("", None)


CODE = st.text("abcx =()[]{}\"'#:,.\n\t <|fim_prexsul>`", max_size=120)


@given(CODE, CODE, CODE, st.sampled_from(["a.py", "a.c", "a.rs", "a.md", ""]), st.booleans())
def test_filters_only_ever_take_away(
    text: str, prefix: str, suffix: str, path: str, hole: bool
) -> None:
    result = filters.run(text, place(prefix, suffix, path=path, hole=hole))
    assert (result.text == "") == (result.dropped_by is not None)
    assert bool(result.text.strip()) == bool(result.text)
    assert len("".join(result.text.split())) <= len("".join(text.split()))
    for token in TOKENS:
        assert token not in result.text


@given(CODE, st.text("abc =.\n", max_size=60), CODE, CODE)
def test_stopping_early_loses_nothing(text: str, more: str, prefix: str, suffix: str) -> None:
    """What a stream shows when it stops is what the whole answer would have come to."""
    here = place(prefix, suffix)
    early = filters.stream(text, here)
    if early.stop_reason is not None:
        assert filters.run(f"{text}go_on{more}", here).text == early.text
