"""Turns what goes wrong between us and llama.cpp's server into our errors, in one place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from assistant.errors import AssistantError, Busy, EngineUnreachable, RequestFailed


class ConnectionBroken(RequestFailed):
    """The connection ended in the middle; the embedded engine knows more about why."""


@contextmanager
def translate(where: str) -> Iterator[None]:
    """Turns every exception of the client, the most special first, into one of ours.

    ``where`` names the server at the start of a sentence.
    """
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise EngineUnreachable(
            f"{where} does not answer.", hint="Start it, or set engine = 'ollama'."
        ) from error
    except httpx.TimeoutException as error:
        raise RequestFailed(
            f"{where} sent nothing for too long.", hint="Try a smaller model."
        ) from error
    except (httpx.NetworkError, httpx.ProtocolError) as error:
        raise ended_early() from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RequestFailed(f"The request to llama.cpp failed: {error}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise RequestFailed(f"{where} sent an answer that can't be read.") from error


def ended_early() -> ConnectionBroken:
    return ConnectionBroken("llama.cpp closed the connection in the middle of an answer.")


def refused(status: int, raw: bytes) -> AssistantError:
    """Returns the error that an answer without success stands for."""
    detail = _detail(raw)
    message = " ".join(str(detail.get("message") or "").split())[:300] or f"HTTP {status}"
    if detail.get("type") == "exceed_context_size_error":
        return RequestFailed(
            f"The prompt has {detail.get('n_prompt_tokens')} tokens, "
            f"the model's window only {detail.get('n_ctx')}.",
            hint="Lower completion.context_tokens, or ask about less.",
        )
    if status == 503:
        return Busy(f"llama.cpp is not ready: {message}", hint="Try again in a moment.")
    return RequestFailed(f"llama.cpp: {message}", hint="See the log.")


def _detail(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {"message": raw[:200].decode("utf-8", "replace")}
    detail = body.get("error", body) if isinstance(body, dict) else {}
    return detail if isinstance(detail, dict) else {"message": str(detail)}
