"""Writes language models with random weights: real files for real engines, of any size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content "
    "+ '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}"
)


@dataclass(frozen=True)
class TinyModel:
    """Says what to write. ``fim`` are prefix, suffix and middle token; the rest is the size."""

    name: str = "tiny-random"
    fim: tuple[str, str, str] | None = None
    chat_template: str | None = None
    context: int = 2048
    width: int = 64
    blocks: int = 2
    feed_forward: int = 128
    heads: int = 2
    seed: int = 7


SLOW = TinyModel("slow", context=4096, width=256, blocks=4, feed_forward=1024, heads=4)
"""Reads some thousand tokens a second on two cores, so that a prompt takes a while."""


def write_tiny_gguf(path: Path, model: TinyModel = TinyModel()) -> Path:
    """Writes a model with a vocabulary of bytes: every text is as many tokens as it has bytes."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(model.fim or ())]
    vocabulary = special + _byte_characters() + ["ĠĠ"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(model.name)
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.width)
    writer.add_block_count(model.blocks)
    writer.add_feed_forward_length(model.feed_forward)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(model.width // model.heads)
    writer.add_vocab_size(len(vocabulary))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, model, vocabulary, len(special))
    _add_tensors(writer, model, len(vocabulary))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(
    writer: gguf.GGUFWriter, model: TinyModel, vocabulary: list[str], special: int
) -> None:
    control, normal = int(gguf.TokenType.CONTROL), int(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([control] * special + [normal] * (len(vocabulary) - special))
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(False)
    for key, token in zip(("pre", "suf", "mid"), model.fim or (), strict=False):
        writer.add_uint32(f"tokenizer.ggml.fim_{key}_token_id", vocabulary.index(token))
    if model.chat_template:
        writer.add_chat_template(model.chat_template)


def _add_tensors(writer: gguf.GGUFWriter, model: TinyModel, vocabulary: int) -> None:
    random = np.random.default_rng(model.seed)
    width, hidden = model.width, model.feed_forward

    def add(name: str, *shape: int) -> None:
        values = random.standard_normal(shape, dtype=np.float32) * 0.1
        writer.add_tensor(name, values)

    def add_norm(name: str) -> None:
        writer.add_tensor(name, np.ones(width, dtype=np.float32))

    add("token_embd.weight", vocabulary, width)
    add("output.weight", vocabulary, width)
    add_norm("output_norm.weight")
    for block in range(model.blocks):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{block}.{part}.weight", width, width)
        add(f"blk.{block}.ffn_gate.weight", hidden, width)
        add(f"blk.{block}.ffn_up.weight", hidden, width)
        add(f"blk.{block}.ffn_down.weight", width, hidden)
        add_norm(f"blk.{block}.attn_norm.weight")
        add_norm(f"blk.{block}.ffn_norm.weight")


def _byte_characters() -> list[str]:
    """Returns GPT-2's printable stand-ins for the 256 bytes, in order of the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
