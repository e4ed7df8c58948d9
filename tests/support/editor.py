"""Fixtures; see the module of the same name in the brief of the suite."""
