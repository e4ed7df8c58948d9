"""The releases of Neovim that the suite runs on, and a running one.

A release that this machine does not have is skipped by name, never silently::

    @every_neovim
    def test_x(neovim_build: NeovimBuild) -> None:
        with running_neovim(neovim_build, "--clean") as nvim: ...
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pynvim
import pytest

from tools.neovim import NeovimBuild, builds

__all__ = ["NEOVIM_BUILDS", "NeovimBuild", "every_neovim", "neovim_params", "running_neovim"]

NEOVIM_BUILDS: list[NeovimBuild] = builds()
START_TIMEOUT_S = 30


def neovim_params(*names: str) -> list[object]:
    """Returns one pytest parameter per build, or per build of the named releases ("0.7")."""
    return [
        pytest.param(
            build,
            id=f"nvim-{build.name}",
            marks=[pytest.mark.nvim]
            + (
                [pytest.mark.skip(reason=f"Neovim {build.name}: {build.missing_reason}")]
                if build.missing_reason
                else []
            ),
        )
        for build in NEOVIM_BUILDS
        if not names or any(f"{build.name}.".startswith(f"{name}.") for name in names)
    ]


every_neovim = pytest.mark.parametrize("neovim_build", neovim_params())


@contextmanager
def running_neovim(
    build: NeovimBuild, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[pynvim.Nvim]:
    """Runs a headless Neovim and yields a session with it; both are gone afterwards.

    ``env`` replaces the whole environment. Attach a UI (``nvim.ui_attach``) to have a screen. It
    listens on a socket of its own, because pynvim leaves a child's pipes open when it closes.
    """
    with tempfile.TemporaryDirectory(prefix="nvim-", dir="/tmp") as folder:
        address = str(Path(folder) / "s")
        process = subprocess.Popen(
            [*build.argv, "--headless", "--listen", address, *arguments],
            env={**(os.environ if env is None else env), **build.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            nvim = _attach(address, process)
            try:
                yield nvim
            finally:
                _close(nvim)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _attach(address: str, process: subprocess.Popen[bytes]) -> pynvim.Nvim:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not os.path.exists(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Neovim does not listen (exit status {process.returncode})")
        time.sleep(0.005)
    return pynvim.attach("socket", path=address)


def _close(nvim: pynvim.Nvim) -> None:
    # pynvim closes its loop in the same breath as the transport, which then never closes its
    # socket; one turn of the loop between the two lets it.
    nvim._session.loop._transport.close()
    nvim.loop.stop()
    nvim.loop.run_forever()
    nvim.close()
