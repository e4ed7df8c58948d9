"""The daemon: one per user, many editors, many projects. Its event loop never computes."""
