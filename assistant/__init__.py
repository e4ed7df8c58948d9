"""A local AI coding assistant for Neovim: the daemon behind the editor."""

__version__ = "0.1.0"
