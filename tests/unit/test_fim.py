"""The table of model families."""

from __future__ import annotations

import pytest

from assistant.engine import fim
from assistant.engine.base import FimTokens, ModelInfo


def rendered(name: str, base_name: str = "") -> str | None:
    profile = fim.profile_for(ModelInfo(name, base_name=base_name))
    return profile.render("P", "S") if profile else None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2.5-coder:1.5b-base", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("qwen2.5-coder:7b", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        (
            "hf.co/bartowski/Qwen2.5-Coder-3B-GGUF:Q4_K_M",
            "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>",
        ),
        ("qwen3-coder:30b", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("codeqwen:7b-code", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
        ("codellama:7b-code", "<PRE> P <SUF>S <MID>"),
        ("starcoder2:3b", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
        ("stable-code:3b", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
        ("deepseek-coder:6.7b-base", "<｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>"),
        ("deepseek-coder-v2:16b", "<｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>"),
        ("codegemma:2b", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("codestral:22b", "[SUFFIX]S[PREFIX]P"),
        ("granite-code:3b", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
        ("granite3.3:8b", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("granite4:tiny-h", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("hf.co/x/Seed-Coder-8B-Base-GGUF", "<[fim-suffix]>S<[fim-prefix]>P<[fim-middle]>"),
        ("JetBrains/Mellum-4b-sft-all", "<fim_suffix>S<fim_prefix>P<fim_middle>"),
        ("pocket", "<|fim_suffix|>S<|fim_prefix|>P<|fim_middle|>"),
    ],
)
def test_each_family_gets_its_own_prompt(name: str, expected: str) -> None:
    assert rendered(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("phi3:mini", "phi4", "mistral:7b", "llama3.2:3b", "gemma3:4b", "qwen3:8b", "gpt-oss:20b"),
        *("granite3.1-dense:8b", "codellama:7b-python", "codellama:34b", "starcoder2:instruct"),
        *("codegemma:7b-instruct", "mamba-codestral", "deepseek-r1:8b", "qwen2.5:7b"),
    ],
)
def test_model_without_fim_gets_none(name: str) -> None:
    assert fim.profile_for(ModelInfo(name, capabilities=frozenset({"completion", "chat"}))) is None


def test_name_inside_the_file_counts_where_the_persons_name_says_nothing() -> None:
    assert rendered("my-favourite", base_name="Qwen2.5-Coder") == rendered("qwen2.5-coder:7b")


def test_the_persons_name_goes_before_the_name_inside_the_file() -> None:
    assert rendered("codestral", base_name="Qwen2.5-Coder") == rendered("codestral")


def test_unknown_model_gets_the_tokens_of_its_metadata() -> None:
    info = ModelInfo("new", fim_tokens=FimTokens("<a>", "<b>", "<c>"))
    profile = fim.profile_for(info)
    assert profile is not None
    assert profile.render("P", "S") == "<a>P<b>S<c>"
    assert {"<a>", "<b>", "<c>"} <= set(profile.stops)


def test_metadata_may_name_the_order() -> None:
    info = ModelInfo("new", fim_tokens=FimTokens("<a>", "<b>", "<c>"), fim_order="spm")
    profile = fim.profile_for(info)
    assert profile is not None and profile.render("P", "S") == "<b>S<a>P<c>"


ALL_PROFILES = {
    value.name: value for value in vars(fim).values() if isinstance(value, fim.FimProfile)
}


@pytest.mark.parametrize("name", sorted(ALL_PROFILES))
def test_every_token_that_a_family_sends_is_a_control_token(name: str) -> None:
    profile = ALL_PROFILES[name]
    tokens = profile.tokens
    for token in (tokens.prefix, tokens.suffix, tokens.middle, *profile.stops):
        assert not token.strip() or any(c in token for c in profile.control_tokens), token


@pytest.mark.parametrize("name", sorted(ALL_PROFILES))
def test_repository_format_uses_control_tokens_only(name: str) -> None:
    repo = ALL_PROFILES[name].repo
    if repo is None:
        return
    text = repo.head.format(repo="R") + repo.file.format(path="A", text="T")
    text += repo.current.format(path="C") + repo.prefix_head.format(path="C")
    for token in ALL_PROFILES[name].control_tokens:
        text = text.replace(token, "")
    assert set(text) <= set("RATC\n#+ "), text


def test_pocket_is_what_its_card_says() -> None:
    pocket = fim.POCKET
    assert pocket.order == "spm"
    assert set(pocket.stops) == {"\n", "<|endoftext|>"}
    assert pocket.max_context == 768
    assert pocket.languages == {"python"}
    assert pocket.single_line and not pocket.takes_snippets
    assert pocket.wants_logprobs and pocket.min_token_logprob is not None
