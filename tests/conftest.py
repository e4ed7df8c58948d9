"""Fixtures live in tests/support, one module per outside thing."""

pytest_plugins = [
    "tests.support.neovim",
    "tests.support.editor",
    "tests.support.daemon",
    "tests.support.ollama",
]
