"""Collects ``*_spec.lua`` and runs each in a real Neovim: the oldest release and the newest here."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.editor import REPO, environment
from tests.support.neovim import NEOVIM_BUILDS, NeovimBuild, running_neovim

_CASE = re.compile(r"""^it\((['"])((?:(?!\1)[^\\]|\\.)*)\1""", re.MULTILINE)
_RUN = "return dofile(...)"


def spec_builds() -> list[NeovimBuild]:
    present = [build for build in NEOVIM_BUILDS if build.missing_reason is None]
    return [present[0], present[-1]] if len(present) > 1 else present


class SpecFile(pytest.File):
    """Is one spec file; it runs once per release, when the first of its cases is asked for."""

    def collect(self) -> Iterator[SpecCase]:
        names = [name for _, name in _CASE.findall(self.path.read_text("utf-8"))]
        for build in spec_builds():
            results: dict[str, str] = {}
            for name in names:
                yield SpecCase.from_parent(
                    self, name=f"{name}[nvim-{build.name}]", case=name, build=build, results=results
                )


class SpecCase(pytest.Item):
    def __init__(
        self, *, case: str, build: NeovimBuild, results: dict[str, str], **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.case, self.build, self.results = case, build, results
        self.add_marker("nvim")

    def runtest(self) -> None:
        if not self.results:
            self.results.update(self._run_file())
        error = self.results.get(self.case, "the case did not run")
        if error:
            raise SpecFailed(error)

    def _run_file(self) -> dict[str, str]:
        home = _home(self.config)
        with running_neovim(
            self.build, "--clean", "--cmd", f"set rtp^={REPO}", env=environment(home)
        ) as nvim:
            nvim.ui_attach(80, 24)
            harness = str(REPO / "tests" / "lua" / "harness.lua")
            found: dict[str, str] = nvim.exec_lua(
                "return dofile(select(1, ...)).run(select(2, ...))", harness, str(self.path)
            )
            return found

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
        if isinstance(excinfo.value, SpecFailed):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class SpecFailed(Exception):
    """Carries what the spec said."""


_HOME: pytest.StashKey[Path] = pytest.StashKey()


def _home(config: pytest.Config) -> Path:
    if _HOME not in config.stash:
        home = config.stash[_HOME] = Path(tempfile.mkdtemp(prefix="spec-", dir="/tmp"))
        config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    return config.stash[_HOME]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    if file_path.name.endswith("_spec.lua"):
        return SpecFile.from_parent(parent, path=file_path)
    return None
