"""Where the daemon and its children write what a person need not see."""

from __future__ import annotations

import contextvars
import logging
import logging.handlers

from assistant import paths

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
"""The request that the current task works for; on every line of the log."""

_LIMIT_BYTES = 5 * 1024 * 1024


class _RequestFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request = request_id.get()
        return True


def setup_logging(level: str, role: str) -> None:
    """Sends the log of this process to ``daemon.log``, rotated at 5 MiB, for this user alone."""
    path = paths.log_path()
    paths.private_dir(path.parent)
    handler: logging.Handler
    if role == "daemon":
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=_LIMIT_BYTES, backupCount=1, encoding="utf-8", delay=True
        )
    else:
        # Only the daemon rotates, the children follow: two that rename one file lose lines.
        handler = logging.handlers.WatchedFileHandler(path, encoding="utf-8", delay=True)
    handler.addFilter(_RequestFilter())
    handler.setFormatter(
        logging.Formatter(
            f"%(asctime)s %(levelname)s {role}[%(process)d] %(request)s %(name)s: %(message)s"
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("assistant").setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "chromadb", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
