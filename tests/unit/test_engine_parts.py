"""The pure parts of the engines: addresses, estimates, choice, reasoning, lines, metadata."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.engine import gguf, ollama_models, select
from assistant.engine.address import is_loopback, normalize, require_local
from assistant.engine.base import FimTokens, ModelInfo
from assistant.engine.thinking import ThinkSplitter
from assistant.engine.tokens import DEFAULT_BYTES_PER_TOKEN, TokenEstimator, was_cut
from assistant.engine.transport import _LineSafeStream
from assistant.errors import RemoteForbidden, RequestFailed
from tests.support.tiny_gguf import CHATML, TinyModel, write_tiny_gguf


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:5", "http://[::1]:5"),
        ("11500", "http://127.0.0.1:11500"),
        (":11500", "http://127.0.0.1:11500"),
        ("localhost", "http://localhost:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("https://127.0.0.1/ollama/", "https://127.0.0.1:443/ollama"),
        (' "127.0.0.1:1" ', "http://127.0.0.1:1"),
    ],
)
def test_address_as_people_write_it(address: str | None, url: str) -> None:
    assert normalize(address) == url
    assert is_loopback(url)


@pytest.mark.parametrize("address", ["ftp://x", "host:port", "a b", "127.0.0.1:99999"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(RequestFailed, match="no address"):
        normalize(address)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.8.9.1", True),
        ("[::ffff:127.0.0.1]", True),
        ("192.168.1.2", False),
        ("127.0.0.1.example.com", False),
        ("user@evil.example", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    url = normalize(host)
    assert is_loopback(url) is local
    if not local:
        with pytest.raises(RemoteForbidden):
            require_local(url, allow_remote=False)
    assert require_local(url, allow_remote=True) == url


def test_estimate_follows_what_the_engine_counts() -> None:
    estimator = TokenEstimator()
    assert estimator.estimate("m", "x" * 300) > 100, "with a margin"
    for _ in range(20):
        estimator.observe("m", 4000, 1000, 4096)
    assert 3.5 < estimator.bytes_per_token("m") < 4.0
    assert estimator.bytes_per_token("other") < DEFAULT_BYTES_PER_TOKEN


@pytest.mark.parametrize(("tokens", "num_ctx"), [(512, 512), (511, 512), (3, 512)])
def test_estimate_learns_nothing_from_a_cut_or_tiny_prompt(tokens: int, num_ctx: int) -> None:
    estimator = TokenEstimator()
    estimator.observe("m", 40_000, tokens, num_ctx)
    assert estimator.bytes_per_token("m") == TokenEstimator().bytes_per_token("m")


@given(st.text(), st.integers(100, 2000), st.integers(1000, 8000))
def test_estimate_counts_bytes(text: str, tokens: int, sent: int) -> None:
    estimator = TokenEstimator()
    estimator.observe("m", sent, tokens, 4096)
    assert (estimator.estimate("m", text) == 0) == (text == "")
    assert estimator.estimate("m", text + "é") >= estimator.estimate("m", text)


def test_cut_is_noticed() -> None:
    assert was_cut(3000, 1024, 1024)
    assert not was_cut(900, 880, 1024)
    assert was_cut(700, 1023, 1024)
    assert was_cut(1000, 480, 1024)
    assert not was_cut(900, 0, 1024)


def model(name: str, gb: float = 1.0, *capabilities: str, remote: bool = False) -> ModelInfo:
    return ModelInfo(
        name,
        size_bytes=int(gb * 10**9),
        capabilities=frozenset(capabilities or ("completion",)),
        is_remote=remote,
    )


CHATS = ("completion", "chat")


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ([], None),
        ([model("mistral:7b", 4, *CHATS), model("minilm", 0.1, "embedding")], None),
        ([model("pocket"), model("starcoder2:3b", 1.7)], "starcoder2:3b"),
        (
            [model("codellama:7b-code", 2), model("qwen2.5-coder:1.5b", 1, *CHATS)],
            "qwen2.5-coder:1.5b",
        ),
        (
            [model("qwen2.5-coder:1.5b"), model("qwen2.5-coder:0.5b-base", 0.4)],
            "qwen2.5-coder:0.5b-base",
        ),
        (
            [model("qwen2.5-coder:0.5b-base", 0.4), model("qwen2.5-coder:1.5b-base")],
            "qwen2.5-coder:1.5b-base",
        ),
        ([model("qwen2.5-coder:32b", 20), model("codegemma:2b", 1.6)], "codegemma:2b"),
        ([model("qwen2.5-coder:32b", 20), model("codestral:22b", 13)], "codestral:22b"),
        ([model("qwen3-coder:480b-cloud", 0, remote=True)], None),
    ],
)
def test_choice_for_completion(installed: list[ModelInfo], expected: str | None) -> None:
    chosen = select.best_for("completion", installed)
    assert (chosen.name if chosen else None) == expected


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ([model("pocket"), model("qwen2.5-coder:1.5b-base", 1, *CHATS)], None),
        ([model("phi3:mini", 2, *CHATS), model("mistral:7b", 4, *CHATS)], "mistral:7b"),
        (
            [model("qwen2.5-coder:1.5b", 1, *CHATS), model("qwen2.5-coder:7b", 5, *CHATS)],
            "qwen2.5-coder:7b",
        ),
        ([model("llama3.3:70b", 43, *CHATS), model("nobody-knows", 2, *CHATS)], "nobody-knows"),
    ],
)
def test_choice_for_chat(installed: list[ModelInfo], expected: str | None) -> None:
    chosen = select.best_for("chat", installed)
    assert (chosen.name if chosen else None) == expected


def test_hardware_sets_the_size() -> None:
    installed = [model("qwen2.5-coder:7b-base", 4.7), model("qwen2.5-coder:1.5b-base", 1)]
    best = select.best_for("completion", installed, size_limit_bytes=8 * 10**9)
    assert best is not None and best.name == "qwen2.5-coder:7b-base"


def test_model_that_chats_fills_holes_only_where_allowed() -> None:
    installed = [model("mistral:7b", 4, *CHATS)]
    best = select.best_for("completion", installed, allow_hole=True)
    assert best is not None and best.name == "mistral:7b"


def test_reason_is_one_plain_line_with_a_command() -> None:
    reason = select.embedded_reason("completion", "Ollama does not answer.")
    assert "\n" not in reason and "'ollama pull " in reason
    # Of chat there is nothing that stands in: the answer itself says how to get a model.
    assert select.embedded_reason("chat", "Ollama does not answer.") == "Ollama does not answer."


@given(st.text(alphabet="<>/thinkab \n", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_reasoning_is_told_apart_however_it_is_cut(text: str, cuts: list[int]) -> None:
    whole = ThinkSplitter()
    expected = whole.feed(text) + whole.flush()
    edges = sorted({0, len(text), *(min(c, len(text)) for c in cuts)})
    splitter, pieces = ThinkSplitter(), []
    for start, end in itertools.pairwise(edges):
        pieces += splitter.feed(text[start:end])
    pieces += splitter.flush()
    for is_thinking in (True, False):
        assert "".join(t for t, k in pieces if k is is_thinking).strip("\n") == "".join(
            t for t, k in expected if k is is_thinking
        ).strip("\n")


class Chunks(httpx.AsyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for chunk in self.chunks:
            yield chunk


@given(st.text(alphabet="a\u0085\u2028\u2029\u00c2\u2014\n"), st.lists(st.integers(0, 60)))
def test_separators_are_escaped_however_the_bytes_are_cut(text: str, cuts: list[int]) -> None:
    raw = text.encode()
    edges = sorted({0, len(raw), *(min(c, len(raw)) for c in cuts)})
    chunks = [raw[a:b] for a, b in itertools.pairwise(edges)]

    async def read() -> bytes:
        return b"".join([chunk async for chunk in _LineSafeStream(Chunks(chunks))])

    escaped = {"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    expected = "".join(escaped.get(c, c) for c in text)
    assert asyncio.run(read()).decode() == expected


def test_gguf_metadata(tmp_path: Path) -> None:
    path = write_tiny_gguf(
        tmp_path / "m.gguf", TinyModel("my-name", fim=("<p>", "<s>", "<m>"), chat_template=CHATML)
    )
    info = gguf.describe(path, "m")
    assert info.base_name == "my-name"
    assert info.context_length == 2048
    assert info.fim_tokens == FimTokens("<p>", "<s>", "<m>")
    assert info.capabilities == {"completion", "insert", "chat"}


@given(st.binary(max_size=64))
def test_no_bytes_upset_the_gguf_reader(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("gguf") / "x.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + raw)
    try:
        meta = gguf.read_metadata(path)
    except RequestFailed as error:
        assert "no whole GGUF file" in error.message
    else:
        assert isinstance(meta, dict)


@pytest.mark.parametrize(
    ("name", "cloud"),
    [
        ("gpt-oss:120b-cloud", True),
        ("x:cloud", True),
        ("cloud", False),
        ("my-cloud:7b", False),
        ("host:5000/x/y:1b-cloud", True),
        ("host:5000/cloud", False),
    ],
)
def test_cloud_by_name(name: str, cloud: bool) -> None:
    assert ollama_models.is_cloud_name(name) is cloud
    assert ":" in ollama_models.full_name(name).rpartition("/")[2]


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"size": 100, "size_vram": 0}, "CPU"),
        ({"size": 100, "size_vram": 100}, "GPU"),
        ({"size": 100, "size_vram": 60}, "GPU 60 %"),
    ],
)
def test_placement(entry: dict[str, int], place: str) -> None:
    assert ollama_models.placement(entry) == place


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{{- if .Suffix }}<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>{{ else }}"
            "{{ .Prompt }}{{ end }}",
            (FimTokens("<PRE> ", " <SUF>", " <MID>"), "psm"),
        ),
        (
            "{{ if .Suffix }}[SUFFIX]{{ .Suffix }}[PREFIX]{{ .Prompt }}{{ end }}",
            (FimTokens("[PREFIX]", "[SUFFIX]", ""), "spm"),
        ),
        ("{{ .Prompt }}{{ if .Suffix }}{{ .Suffix }}{{ end }}", None),
        ("{{ .Prompt }}", None),
        ("", None),
    ],
)
def test_template_tells_the_tokens_of_a_hole(
    template: str, expected: tuple[FimTokens, str] | None
) -> None:
    assert ollama_models.template_fim(template) == expected
