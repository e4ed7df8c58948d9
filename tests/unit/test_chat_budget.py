"""Fitting a conversation into the window: what goes first, what never goes, what is said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.base import Hit
from assistant.chat import budget, prompts
from assistant.chat.attachments import Attached
from assistant.chat.budget import Conversation, fit, size
from assistant.engine.base import ChatMessage
from assistant.engine.tokens import was_cut


def count(text: str) -> int:
    return len(text) // 3 + 1


def hit(number: int, length: int = 300) -> Hit:
    return Hit(path=f"m{number}.py", start_line=1, end_line=9, score=1.0, text="x" * length)


def turns(pairs: int, length: int = 300) -> tuple[ChatMessage, ...]:
    return tuple(
        ChatMessage(role, f"{role} {number} " + "y" * length)
        for number in range(pairs)
        for role in ("user", "assistant")
    )


def conversation(*, hits: int = 0, pairs: int = 0, attached: int = 0) -> Conversation:
    text = "\n".join(f"line {number}" for number in range(attached))
    items = (Attached("a.py:1-9", text, "a.py", 1, attached),) if attached else ()
    return Conversation("system", turns(pairs), "the question", tuple(map(hit, range(hits))), items)


def test_what_fits_is_left_alone() -> None:
    whole = conversation(hits=2, pairs=2, attached=10)
    fitted = fit(whole, 100_000, count)
    assert fitted.conversation == whole and fitted.dropped == ()


def test_excerpts_go_first_worst_first() -> None:
    whole = conversation(hits=4, pairs=1)
    fitted = fit(whole, size(conversation(hits=2, pairs=1), count), count)
    assert [h.path for h in fitted.conversation.found] == ["m0.py", "m1.py"]
    assert fitted.conversation.turns == whole.turns
    assert fitted.dropped == ("2 excerpts of the project (m2.py:1, m3.py:1)",)


def test_then_the_oldest_turns_a_question_with_its_answer() -> None:
    whole = conversation(hits=1, pairs=3)
    fitted = fit(whole, size(conversation(pairs=1), count) + 5, count)
    assert [t.content.split(" y")[0] for t in fitted.conversation.turns] == [
        "user 2",
        "assistant 2",
    ]
    assert fitted.dropped[1] == "the 4 oldest messages of this chat"


def test_then_the_end_of_what_was_attached() -> None:
    fitted = fit(conversation(attached=500), 400, count)
    (item,) = fitted.conversation.attached
    assert item.text.startswith("line 0\nline 1") and "line 499" not in item.text
    assert item.end_line == item.text.count("\n") + 1
    # The model cites the heading: it must name no line that is not there.
    assert item.label == f"a.py:1-{item.end_line}"
    assert "of 500" in fitted.dropped[0]
    assert fitted.tokens <= 400


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 300), st.integers(300, 5000))
def test_the_question_and_the_system_prompt_always_stay(
    hits: int, pairs: int, attached: int, limit: int
) -> None:
    fitted = fit(conversation(hits=hits, pairs=pairs, attached=attached), limit, count)
    messages = fitted.conversation.messages()
    assert messages[0].content == "system"
    assert messages[-1].content.endswith("the question")
    assert fitted.tokens <= limit
    everything = size(conversation(hits=hits, pairs=pairs, attached=attached), count)
    assert bool(fitted.dropped) == (everything > limit)


def test_one_very_long_line_is_cut_too() -> None:
    item = Attached("a.py:1-1", "z" * 100_000, "a.py", 1, 1)
    fitted = fit(Conversation("s", (), "q", (), (item,)), 500, count)
    assert fitted.tokens <= 500
    kept = len(fitted.conversation.attached[0].text)
    assert fitted.dropped == (f"a.py:1-1: what comes after its first {kept} characters",)


@given(st.lists(st.integers(1, 400), max_size=40), st.integers(300, 4000))
def test_any_number_of_attachments_fits(lengths: list[int], limit: int) -> None:
    items = tuple(
        Attached(f"f{number}.py:1-{length}", "\n".join(["value"] * length), "f.py", 1, length)
        for number, length in enumerate(lengths)
    )
    fitted = fit(Conversation("system", (), "the question", (), items), limit, count)
    assert fitted.tokens <= limit
    kept = fitted.conversation.attached
    changed = len(items) - sum(part in items for part in kept)
    assert len(fitted.dropped) == changed
    assert all(any(said.startswith(i.label) for said in fitted.dropped) for i in items[len(kept) :])


def test_what_has_no_lines_is_marked_as_cut() -> None:
    item = Attached("uncommitted changes", "\n".join(["+x"] * 2000), language="diff")
    fitted = fit(Conversation("s", (), "q", (), (item,)), 500, count)
    assert fitted.conversation.attached[0].label == "uncommitted changes (the beginning)"
    assert fitted.dropped[0].startswith("uncommitted changes: lines after the first")


def test_each_turn_is_counted_a_bounded_number_of_times() -> None:
    calls = 0

    def counting(text: str) -> int:
        nonlocal calls
        calls += 1
        return count(text)

    fitted = fit(Conversation("s", turns(500, 40), "q"), 1000, counting)
    assert fitted.tokens <= 1000 and calls <= 4 * 1000


def test_a_small_prompt_is_not_taken_for_a_cut_one() -> None:
    assert not was_cut(2000, 700, 16384)
    assert was_cut(12_000, 700, 16384)


def test_what_stands_before_the_newest_question_does_not_change_with_it() -> None:
    first = conversation(hits=2, pairs=1).messages()
    second = Conversation("system", turns(1), "another", (hit(9),)).messages()
    assert first[:-1] == second[:-1]


def test_a_fence_in_the_text_can_not_close_its_block() -> None:
    rendered = prompts.block("a.md:1-3", "```python\nx\n```", "markdown")
    assert rendered.startswith("a.md:1-3\n````markdown\n") and rendered.endswith("````\n")


def test_markers_of_messages_are_counted() -> None:
    empty = Conversation("", (), "")
    assert size(empty, lambda text: 0) == 2 * budget.MESSAGE_TOKENS
