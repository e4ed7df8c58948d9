"""Which files are indexed, and the reason for each that is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.index.discover import (
    Discovery,
    Found,
    discover,
    examine,
    is_secret_path,
    text_reason,
)
from assistant.index.ignore import Rules
from assistant.index.secrets import has_secret
from tests.support.projects import git, index_home, repository, tree, write

__all__ = ["index_home", "repository", "tree"]


def look(root: Path, exclude: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> Discovery:
    return discover(root, Rules(root, exclude, secrets), lambda: False)


def names(found: Discovery) -> set[str]:
    return {file.path for file in found.files}


@pytest.mark.parametrize("has_git", [True, False])
def test_ignore_files_count_with_and_without_git(tree: Path, has_git: bool) -> None:
    if has_git:
        git(tree, "init", "-q")
    write(
        tree,
        {
            ".gitignore": "build/\n*.log\n/only-here.py\n!important.log\n",
            "a.py": "",
            "x.log": "",
            "important.log": "",
            "only-here.py": "",
            "sub/only-here.py": "",
            "sub/.gitignore": "*.tmp\n!x.log\n",
            "sub/x.log": "",
            "sub/b.tmp": "",
            "build/c.py": "",
            "node_modules/m/index.js": "",
        },
    )
    assert names(look(tree)) == {
        *(".gitignore", "a.py", "important.log", "sub/.gitignore", "sub/only-here.py", "sub/x.log"),
    }


@pytest.mark.parametrize("has_git", [True, False])
def test_the_own_ignore_file_takes_out_and_brings_back(tree: Path, has_git: bool) -> None:
    if has_git:
        git(tree, "init", "-q")
    write(
        tree,
        {
            ".gitignore": "generated/\n",
            ".assistantignore": "docs/\n!generated/api.py\n!vendor/ours/\n!yarn.lock\n!.env\n",
            "docs/a.md": "",
            "generated/api.py": "",
            "generated/other.py": "",
            "vendor/ours/x.py": "",
            "vendor/theirs/y.py": "",
            "yarn.lock": "",
            ".env": "A=1",
        },
    )
    found = look(tree)
    assert names(found) == {
        *(".gitignore", ".assistantignore", "generated/api.py", "vendor/ours/x.py", "yarn.lock"),
    }
    assert found.skipped["secret"] == 1, "only include_secrets brings a secret back"


def test_every_reason_is_counted(repository: Path) -> None:
    write(
        repository,
        {
            "ok.py": "",
            "logo.png": b"\x89PNG",
            "app.min.js": "",
            "poetry.lock": "",
            "third_party/x.c": "",
            "id_rsa": "",
            "big.txt": "x" * (1024 * 1024 + 1),
            "made/x.py": "",
            "gone.py": "",
        },
    )
    git(repository, "add", ".")
    (repository / "gone.py").unlink()
    (repository / "link.py").symlink_to("ok.py")
    (repository / "out").symlink_to("/etc")
    os.mkfifo(repository / "made" / "pipe")
    found = look(repository, exclude=("made/*.py",))
    assert names(found) == {"ok.py"}
    assert found.skipped == {
        "binary": 1,
        "minified": 1,
        "lock": 1,
        "vendored": 1,
        "secret": 1,
        "large": 1,
        "excluded": 1,
        "missing": 1,
        "symlink": 2,
    }


def test_without_git_symlinks_are_not_followed_out_of_the_root(tree: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret_plan.py": ""})
    (tree / "link").symlink_to(tmp_path / "outside")
    (tree / "loop").symlink_to(tree)
    assert look(tree).files == []


def test_a_name_that_is_no_unicode_is_left_out(tree: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9.py"))).write_text("x")
    assert look(tree).skipped == {"encoding": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_can_not_be_read_is_counted(tree: Path) -> None:
    write(tree, {"closed/a.py": ""})
    (tree / "closed").chmod(0)
    try:
        assert look(tree).skipped == {"unreadable": 1}
    finally:
        (tree / "closed").chmod(0o700)


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "prod.env", "id_ed25519", "server.pem", "tls.key", ".netrc"),
        *("credentials.json", "secrets.yaml", "app-secrets.toml", ".ssh/config", ".aws/config"),
        *(
            "terraform.tfstate",
            "prod.tfvars",
            "client_secret_1.json",
            "deep/.kube/config",
            ".npmrc",
        ),
    ],
)
def test_secrets_by_name(name: str) -> None:
    assert is_secret_path(Path("/project") / name)


@pytest.mark.parametrize(
    "name",
    [
        *("env.py", ".env.example", "id_rsa.pub", "keys.py", "settings.json", "config.json"),
        *("secrets.py", "tokenizer.py", "private/x.py", "keys/x.lua", "password_reset.ts"),
    ],
)
def test_ordinary_files_are_no_secrets(name: str) -> None:
    assert not is_secret_path(Path("/project") / name)


SHAPES: dict[str, Callable[[], str]] = {
    "aws": lambda: "AKIA" + "Q" * 16,
    "github": lambda: "ghp_" + "a1" * 18,
    "slack": lambda: "xoxb-" + "12345678901-" + "a" * 24,
    "google": lambda: "AIza" + "b" * 35,
    "openai": lambda: "sk-proj-" + "c" * 40,
    "key": lambda: "-----BEGIN RSA PRIVATE " + "KEY-----\n" + "M" * 64 + "\n",
    "key in code": lambda: 'K = "-----BEGIN PRIVATE ' + "KEY-----\\n" + "M" * 64 + '"',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_secrets_by_shape(shape: str, tree: Path) -> None:
    data = f"x = 1\n{SHAPES[shape]()}\n".encode()
    rules = Rules(tree, (), ("kept/*",))
    assert has_secret(data)
    assert text_reason("a.py", data, rules) == "secret"
    assert text_reason("kept/a.py", data, rules) is None


def test_what_only_talks_of_secrets_is_none() -> None:
    text = b"""AKIAIOSFODNN7EXAMPLE ghp_short sk-learn "-----BEGIN PRIVATE KEY-----" npm_config_x"""
    assert not has_secret(text)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.py", b"x = 1\n", None),
        ("a.py", b"\xef\xbb\xbfx = 1\n", None),
        ("a.py", "x = 'é'\n".encode("latin-1"), "encoding"),
        ("a.py", "x = 1\n".encode("utf-16"), "binary"),
        ("a.dat2", b"abc\0def", "binary"),
        ("a.go", b"// Code generated by protoc. DO NOT EDIT.\n", "generated"),
        ("a.py", b'MARK = "@generated"\n', None),
        ("a.js", b"var a=1;" * 2000, "minified"),
        ("a.md", b"A long paragraph. " * 400, None),
        ("a.json", b"[" + b"1," * 20_000 + b"1]", "minified"),
        ("a.py", b"", None),
    ],
)
def test_reasons_of_the_content(tree: Path, name: str, data: bytes, reason: str | None) -> None:
    assert text_reason(name, data, Rules(tree, (), ())) == reason


@pytest.mark.parametrize("has_git", [True, False])
def test_one_file_is_judged_as_in_the_whole_run(tree: Path, has_git: bool) -> None:
    if has_git:
        git(tree, "init", "-q")
    write(tree, {".gitignore": "out/\n", "a.py": "", "out/b.py": "", ".env": ""})
    rules = Rules(tree, (), ())
    assert isinstance(examine(tree, tree / "a.py", rules), Found)
    assert examine(tree, tree / "out/b.py", rules) == "ignored"
    assert examine(tree, tree / ".env", rules) == "secret"
    assert examine(tree, tree / "none.py", rules) == "missing"
    assert examine(tree, tree.parent / "elsewhere.py", rules) == "outside"


def test_stopping_ends_the_walk(tree: Path) -> None:
    write(tree, {"a.py": "", "b.py": ""})
    assert discover(tree, Rules(tree, (), ()), lambda: True).files == []
