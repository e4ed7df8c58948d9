"""Finds the files of a project that may be indexed, and says why each other one may not."""

from __future__ import annotations

from assistant.index.secrets import is_secret_path

__all__ = ["is_secret_path"]
