"""Searching, definitions and completion snippets on small indexed projects."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assistant.index.indexer import clear
from assistant.index.ledger import ledger_path, open_ledger
from assistant.retrieve.query import Retriever
from assistant.retrieve.rank import Candidate, Question, fuse, rank
from assistant.retrieve.snippets import query_terms
from tests.support.projects import index, index_home, tree, update, write

__all__ = ["index_home", "tree"]

SHAPES = '''\
class Circle:
    """A round shape."""

    def area(self):
        return 3.14 * self.radius**2


def load_shapes(path):
    """Reads shapes from a file."""
    return [Circle(line) for line in open(path)]
'''
CONFIG = '''\
def parse_config(text):
    """Turns the text of a configuration file into a mapping."""
    return dict(line.split("=") for line in text.splitlines())
'''
TEST = "def test_parse_config():\n    assert parse_config('a=1') == {'a': '1'}\n"


@pytest.fixture
def retriever() -> Iterator[Retriever]:
    made = Retriever()
    yield made
    made.close()


@pytest.fixture
def project(tree: Path) -> Path:
    write(tree, {"shapes.py": SHAPES, "app/config.py": CONFIG, "tests/test_config.py": TEST})
    index(tree)
    return tree


def paths_of(retriever: Retriever, root: Path, query: str, limit: int = 10) -> list[str]:
    return [hit.path for hit in retriever.search(root, query, limit, None)]


def test_a_question_finds_the_code_that_answers_it(retriever: Retriever, project: Path) -> None:
    hit = retriever.search(project, "how are configuration files parsed?", 5, None)[0]
    assert (hit.path, hit.symbol, hit.kind) == ("app/config.py", "parse_config", "function")
    assert (hit.start_line, hit.end_line) == (1, 3)
    assert hit.text == CONFIG and "words" in hit.why and hit.score > 0


@pytest.mark.parametrize("query", ["parse_config", "parseConfig", "parse config"])
def test_every_spelling_of_a_name_finds_its_definition(
    retriever: Retriever, project: Path, query: str
) -> None:
    assert paths_of(retriever, project, query)[:2] == ["app/config.py", "tests/test_config.py"]


def test_asking_for_the_test_finds_the_test(retriever: Retriever, project: Path) -> None:
    assert paths_of(retriever, project, "test of parse_config")[0] in (
        *("tests/test_config.py", "app/config.py"),
    )
    assert paths_of(retriever, project, "test_parse_config")[0] == "tests/test_config.py"


def test_vectors_join_in_and_unknown_ids_do_no_harm(retriever: Retriever, project: Path) -> None:
    with open_ledger(project) as ledger:
        ledger.put_vectors("m", [(key, b"v") for key, _ in ledger.missing_vectors("m")])
        ids = {number for number, _ in ledger.chunk_vectors("m")}
    by_text = {hit.text: hit for hit in retriever.search(project, "circle", 9, None)}
    assert by_text
    hits = retriever.search(project, "zzz nothing", 5, [(min(ids), 0.9), (12345, 0.8)])
    assert len(hits) == 1 and hits[0].why.startswith("meaning")


@pytest.mark.parametrize(
    "query", ["", "???", '" OR * NEAR(', "a" * 5000, "'; DROP TABLE", "  ", "x\ud800", "a\0b"]
)
def test_any_query_is_safe(retriever: Retriever, project: Path, query: str) -> None:
    assert isinstance(retriever.search(project, query, 5, None), list)
    assert retriever.definitions(project, query) == []


def test_definitions_by_name_and_scope(retriever: Retriever, project: Path) -> None:
    (hit,) = retriever.definitions(project, "Circle.area")
    assert (hit.path, hit.symbol, hit.kind) == ("shapes.py", "area", "method")
    assert [h.symbol for h in retriever.definitions(project, "circle")] == ["Circle"]
    assert retriever.definitions(project, "nothing_of_the_kind") == []


def test_hits_follow_lines_that_moved_since(retriever: Retriever, project: Path) -> None:
    (project / "app/config.py").write_text("import os\n\n" + CONFIG)
    hit = retriever.search(project, "parse_config", 1, None)[0]
    assert (hit.start_line, hit.end_line, hit.text) == (3, 5, CONFIG)


def test_text_that_is_gone_is_no_hit(retriever: Retriever, project: Path) -> None:
    (project / "app/config.py").write_text("def other():\n    pass\n")
    (project / "tests/test_config.py").unlink()
    assert "app/config.py" not in paths_of(retriever, project, "parse_config")
    assert retriever.definitions(project, "parse_config") == []


def test_one_file_does_not_fill_the_list(retriever: Retriever, tree: Path) -> None:
    many = "".join(
        f"def render_page_{n}(page):\n" + "    draw(page, 'render')\n" * 20 for n in range(9)
    )
    write(tree, {"many.py": many, "one.py": "def render_page(page):\n    return draw(page)\n"})
    index(tree)
    assert "one.py" in paths_of(retriever, tree, "how is a page rendered", 3)


def test_without_an_index_there_is_nothing(retriever: Retriever, tree: Path) -> None:
    assert retriever.search(tree, "x", 5, None) == []
    assert retriever.definitions(tree, "x") == []
    assert retriever.status(tree).state == "none"
    nothing = retriever.snippets(tree, path=None, prefix="x", suffix="", budget_chars=999)
    assert nothing == []
    assert not ledger_path(tree).exists(), "looking makes no ledger"


def test_the_state_of_an_index(retriever: Retriever, project: Path) -> None:
    status = retriever.status(project)
    assert (status.state, status.files, status.vectors) == ("lexical", 3, 0)
    index(project, lexical_only=False)
    status = retriever.status(project)
    assert (status.state, status.vectors) == ("ready", status.chunks)
    assert status.fingerprint and status.last_run
    write(project, {"new.py": "def new():\n    return 1\n"})
    update(project, "new.py")
    assert retriever.status(project).state == "lexical", "one vector is missing"


def test_a_ledger_that_is_replaced_is_opened_anew(retriever: Retriever, project: Path) -> None:
    assert paths_of(retriever, project, "parse_config")
    clear(project)
    assert paths_of(retriever, project, "parse_config") == []
    index(project)
    assert paths_of(retriever, project, "parse_config")


def test_a_damaged_ledger_is_no_index(retriever: Retriever, project: Path) -> None:
    ledger_path(project).write_bytes(b"garbage" * 1000)
    assert retriever.status(project).state == "none"
    assert paths_of(retriever, project, "x") == []


def test_many_threads_search_while_one_process_writes(retriever: Retriever, project: Path) -> None:
    def search(number: int) -> bool:
        found = paths_of(retriever, project, "parse_config circle")
        retriever.status(project)
        return "app/config.py" in found

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(search, number) for number in range(100)]
        for number in range(10):
            write(project, {f"extra{number}.py": f"value = {number}\n"})
            index(project)
        assert all(answer.result() for answer in answers)
    retriever.close()
    assert paths_of(retriever, project, "parse_config"), "closing only drops idle connections"


# -- completion ----------------------------------------------------------------------------

PREFIX = "from app.config import parse_config\n\n\ndef main(text):\n    mapping = parse_config(text)\n    "


def snippets(
    retriever: Retriever, root: Path, prefix: str = PREFIX, **changed: object
) -> list[str]:
    values: dict[str, object] = {"path": "main.py", "suffix": "", "budget_chars": 2000, **changed}
    found = retriever.snippets(root, prefix=prefix, **values)  # type: ignore[arg-type]
    return [snippet.path for snippet in found]


def test_snippets_come_from_other_files(retriever: Retriever, project: Path) -> None:
    assert snippets(retriever, project)[0] == "app/config.py"
    assert "app/config.py" not in snippets(retriever, project, path="app/config.py")


def test_snippets_do_not_change_while_a_line_is_typed(retriever: Retriever, project: Path) -> None:
    first = snippets(retriever, project)
    for typed in ("retur", "return circle.area", "return load_shapes(pa"):
        assert snippets(retriever, project, PREFIX + typed) == first


def test_what_the_file_shows_already_is_left_out(retriever: Retriever, project: Path) -> None:
    assert "app/config.py" not in snippets(retriever, project, CONFIG + PREFIX)
    assert "app/config.py" not in snippets(retriever, project, suffix="\n" + CONFIG)


def test_the_budget_holds(retriever: Retriever, project: Path) -> None:
    found = retriever.snippets(project, path=None, prefix=PREFIX, suffix="", budget_chars=200)
    assert found and sum(len(snippet.text) for snippet in found) <= 200
    assert snippets(retriever, project, budget_chars=10) == []


def test_code_that_shares_nothing_gets_nothing(retriever: Retriever, project: Path) -> None:
    assert snippets(retriever, project, "zeta = omega(7)\n") == []
    assert snippets(retriever, project, "") == []


def test_the_query_takes_whole_lines_around_the_cursor() -> None:
    terms = query_terms("far = 1\n" * 30 + "first_name = get()\n    typ", "ing\nafter_it = 2\n")
    assert terms[:2] == ["firstname", "get"] and "afterit" in terms
    assert "typ" not in terms and "ing" not in terms and "return" not in terms


# -- ranking, which is pure ---------------------------------------------------------------


def ranked(candidates: list[Candidate], words: str, ids: list[int]) -> list[int]:
    question = Question(frozenset(words.split()), tuple(words.split()), frozenset(words.split()))
    fused = fuse([(number, 1.0 - place / 100) for place, number in enumerate(ids)])
    return [r.id for r in rank(candidates, fused, question, {}, 10)]


def test_a_definition_beats_a_mention() -> None:
    candidates = [Candidate(1, "a.py", None), Candidate(2, "b.py", "run", ("run",))]
    assert ranked(candidates, "run", [1, 2]) == [2, 1]


@pytest.mark.parametrize("path", ["tests/a.py", "examples/a.py", "compat/a.py", "a.d.ts", "a.md"])
def test_lesser_places_come_after_equal_ones(path: str) -> None:
    candidates = [Candidate(1, path, None), Candidate(2, "src/a.py", None)]
    assert ranked(candidates, "zebra", [1, 2]) == [2, 1]


def test_fusing_rewards_what_several_lists_have() -> None:
    scores = fuse([(1, 9.0), (2, 8.0)], [(2, 0.6), (3, 0.55)], [4]).scores
    assert max(scores, key=lambda number: scores[number][0]) == 2
    assert scores[2][1] == "meaning + words" and scores[4][1] == "definition"


def test_a_better_meaning_beats_a_better_word() -> None:
    scores = fuse([(1, 9.0), (2, 1.0)], [(2, 0.8), (1, 0.4)]).scores
    assert scores[2][0] > scores[1][0]
    alone = fuse([(1, 9.0), (2, 1.0)]).scores
    assert alone[1] == (1.0, "words") and alone[1][0] > alone[2][0] > 0


def test_searching_loads_nothing_heavy() -> None:
    heavy = {"numpy", "chromadb", "torch", "onnxruntime", "tokenizers", "tree_sitter"}
    code = f"import sys, assistant.retrieve.query; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
