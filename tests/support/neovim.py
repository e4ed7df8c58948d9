"""The releases of Neovim that the suite runs on, and a running one.

A release that this machine does not have is skipped by name, never silently::

    @every_neovim
    def test_x(neovim_build: NeovimBuild) -> None:
        with running_neovim(neovim_build, "--clean") as nvim: ...
"""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from tools.neovim import NeovimBuild, builds
from tools.neovim_session import eventually, running_neovim, screen

__all__ = [
    "NEOVIM_BUILDS",
    "NeovimBuild",
    "eventually",
    "every_neovim",
    "neovim_params",
    "running_neovim",
    "screen",
]

NEOVIM_BUILDS: list[NeovimBuild] = builds()


def neovim_params(*names: str) -> list[ParameterSet]:
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
