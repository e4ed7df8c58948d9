"""Measures indexing and searching on sources of the installed packages.

    python -m tests.bench.bench_index [--lines N] [--vectors N]

Times on a machine with other work vary; what a person feels is printed: until words and symbols
are searchable, a run that finds nothing new, one saved file, and single answers.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy

from assistant.index.embed import make_embedder
from assistant.index.indexer import Indexer, IndexOptions
from assistant.index.ledger import ledger_path, open_ledger
from assistant.retrieve.query import Retriever

OPTIONS = IndexOptions((), (), "auto", None, lexical_only=True, force=False)
QUESTIONS = (
    "how is a configuration file parsed",
    "convert array to list of strings",
    "where are http connections closed after an error",
    "retry with back off",
    "DataFrame",
    "open_connection",
)
BATCH = 64


def copy_sources(target: Path, lines: int) -> tuple[int, int]:
    """Copies Python and C sources of installed packages; returns files and lines."""
    source = Path(numpy.__file__).resolve().parents[1]
    files = total = 0
    for path in sorted(source.rglob("*")):
        if path.suffix not in (".py", ".pyi", ".c", ".h", ".js") or not path.is_file():
            continue
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        files, total = files + 1, total + path.read_bytes().count(b"\n")
        if total >= lines:
            break
    return files, total


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def percentiles(name: str, times: list[float]) -> None:
    ordered = sorted(time * 1000 for time in times)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(f"{name:34} p50 {statistics.median(ordered):6.1f} ms   p95 {p95:6.1f} ms")


def indexing(root: Path, files: int, lines: int) -> None:
    def run() -> None:
        Indexer().run(root, OPTIONS, lambda *_: None, lambda: False)

    first = seconds(run)
    print(f"{'words and symbols':34} {first:.1f} s for {files} files, {lines} lines")
    print(f"{'a run that finds nothing new':34} {seconds(run) * 1000:.0f} ms")
    saved = next(root.rglob("*.py"))
    saved.write_text(saved.read_text() + "\n# saved\n")

    def update() -> None:
        Indexer().update_files(root, [saved], OPTIONS, lambda *_: None, lambda: False)

    print(f"{'one saved file':34} {seconds(update) * 1000:.0f} ms")
    size = ledger_path(root).stat().st_size / 1e6
    print(f"{'ledger':34} {size:.0f} MB")


def answers(root: Path) -> None:
    retriever = Retriever()
    print(f"{'chunks':34} {retriever.status(root).chunks}")
    questions = QUESTIONS * 10
    percentiles(
        "a question, by words",
        [seconds(lambda q=q: retriever.search(root, q, 10, None)) for q in questions],
    )
    percentiles(
        "a definition",
        [seconds(lambda q=q: retriever.definitions(root, q)) for q in ("open", "main") * 20],
    )
    dice = random.Random(1)
    texts = [path.read_text("utf-8", "replace") for path in list(root.rglob("*.py"))[:200]]
    times = []
    for _ in range(100):
        lines = dice.choice(texts).split("\n")
        at = dice.randrange(len(lines))
        before, after = "\n".join(lines[:at]) + "\n", "\n".join(lines[at:])
        times.append(
            seconds(
                lambda before=before, after=after: retriever.snippets(
                    root, path=None, prefix=before, suffix=after, budget_chars=2000
                )
            )
        )
    percentiles("snippets for a completion", times)
    retriever.close()


def vectors(root: Path, count: int) -> None:
    embedder = make_embedder("auto")
    with open_ledger(root) as ledger:
        missing = ledger.missing_vectors(embedder.fingerprint)
        texts = [text for _, text in (next(missing) for _ in range(count))]
    embedder.embed(texts[:8])
    taken = seconds(lambda: [embedder.embed(texts[i : i + BATCH]) for i in range(0, count, BATCH)])
    print(f"{'vectors by the bundled model':34} {count / taken:.0f} a second")
    embedder.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--vectors", type=int, default=320)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        os.environ["ASSISTANT_HOME"] = f"{base}/home"
        root = Path(base) / "sources"
        root.mkdir()
        indexing(root, *copy_sources(root, chosen.lines))
        answers(root)
        if chosen.vectors:
            vectors(root, chosen.vectors)


if __name__ == "__main__":
    main()
