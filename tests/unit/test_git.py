"""git runs nothing of the repository's, and whatever it answers is used or done without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant.index import git as adapter
from tests.support.projects import git, index_home, repository, tree, write

__all__ = ["index_home", "repository", "tree"]


def files(root: Path, **extra: bool) -> set[str]:
    listing = adapter.list_files(root, **extra)
    assert listing is not None
    return set(listing.files)


def test_tracked_and_untracked_files_but_not_ignored_ones(repository: Path) -> None:
    write(repository, {"a.py": "", "b c\n.py": "", "out/x.py": "", ".gitignore": "out/\n*.log\n"})
    write(
        repository, {"é.py": "", "sub/.gitignore": "!keep.log\n", "sub/keep.log": "", "y.log": ""}
    )
    git(repository, "add", "a.py")
    assert files(repository) == {
        *("a.py", "b c\n.py", ".gitignore", "é.py", "sub/.gitignore", "sub/keep.log"),
    }


def test_a_folder_of_a_repository_lists_its_own_files(repository: Path) -> None:
    write(repository, {"a.py": "", "sub/b.py": ""})
    git(repository, "add", ".")
    assert files(repository / "sub") == {"b.py"}


def test_files_that_are_gone_are_still_tracked(repository: Path) -> None:
    write(repository, {"a.py": ""})
    git(repository, "add", ".")
    (repository / "a.py").unlink()
    assert files(repository) == {"a.py"}


def test_submodules_and_inner_repositories_are_listed(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    write(other, {"deep/inside.py": "", "skip.log": "", ".gitignore": "*.log\n"})
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "x")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", str(other), "lib/other")
    write(repository, {"lib/other/new.py": ""})
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    write(inner, {"own.py": ""})
    listed = files(repository)
    assert {"lib/other/deep/inside.py", "lib/other/new.py", "inner/own.py"} <= listed
    assert "lib/other" not in listed


def test_a_submodule_that_is_not_checked_out_is_no_file(repository: Path) -> None:
    write(repository, {"a.py": ""})
    nothing = "1" * 40
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{nothing},lib")
    (repository / "lib").mkdir()
    assert files(repository) == {"a.py"}


def test_conflicts_list_a_file_once(repository: Path) -> None:
    write(repository, {"a.py": "1\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    git(repository, "checkout", "-q", "-b", "other")
    write(repository, {"a.py": "2\n"})
    git(repository, "commit", "-q", "-a", "-m", "two")
    git(repository, "checkout", "-q", "-")
    write(repository, {"a.py": "3\n"})
    git(repository, "commit", "-q", "-a", "-m", "three")
    with pytest.raises(Exception, match="merge"):
        git(repository, "merge", "other")
    listing = adapter.list_files(repository)
    assert listing is not None and listing.files == ["a.py"]


def planted(tmp_path: Path) -> tuple[Path, Path]:
    """Returns a script that leaves a mark when it runs, and the mark."""
    mark = tmp_path / "it-ran"
    script = tmp_path / "planted"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    return script, mark


@pytest.mark.parametrize(
    "setting", ["core.fsmonitor", "diff.external", "diff.x.textconv", "diff.x.command"]
)
def test_no_command_of_the_repository_runs(repository: Path, tmp_path: Path, setting: str) -> None:
    script, mark = planted(tmp_path)
    write(repository, {"a.py": "1\n", ".gitattributes": "*.py diff=x\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    git(repository, "config", setting, str(script))
    write(repository, {"a.py": "2\n"})
    assert "a.py" in files(repository)
    assert adapter.is_listed(repository / "a.py")
    assert "+2" in adapter.diff(repository)
    assert not mark.exists()


def test_no_filter_of_the_repository_runs(repository: Path, tmp_path: Path) -> None:
    script, mark = planted(tmp_path)
    write(repository, {"a.py": "1\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    write(repository, {"a.py": "2\n", ".gitattributes": "*.py filter=x\n"})
    git(repository, "config", "filter.x.clean", str(script))
    git(repository, "config", "filter.x.required", "true")
    assert "+2" in adapter.diff(repository)
    assert not mark.exists()


def test_the_diff_has_staged_and_unstaged_changes_but_no_secrets(repository: Path) -> None:
    write(repository, {"a.py": "1\n", "b é.py": "1\n", ".env": "KEY=old\n", "sub/.env": "KEY=o\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    write(repository, {"a.py": "staged\n", ".env": "KEY=new\n", "sub/.env": "KEY=n\n"})
    git(repository, "add", ".")
    write(repository, {"b é.py": "unstaged\n"})
    diff = adapter.diff(repository)
    assert "+staged" in diff and "+unstaged" in diff
    assert "KEY" not in diff


def test_the_diff_before_the_first_commit_is_what_is_staged(repository: Path) -> None:
    write(repository, {"a.py": "new\n"})
    git(repository, "add", ".")
    assert "+new" in adapter.diff(repository)


def test_without_changes_or_repository_the_diff_is_empty(repository: Path, tmp_path: Path) -> None:
    assert adapter.diff(repository) == ""
    plain = tmp_path / "plain"
    plain.mkdir()
    assert adapter.diff(plain) == ""


def test_without_git_or_repository_there_is_no_list(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adapter.list_files(tree) is None
    assert adapter.is_listed(tree / "x") is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert adapter.list_files(tree) is None


def test_a_repository_that_git_does_not_trust_has_no_list(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert adapter.list_files(repository) is None


def test_another_repository_in_the_environment_is_not_asked(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository, {"a.py": ""})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert files(repository) == {"a.py"}
