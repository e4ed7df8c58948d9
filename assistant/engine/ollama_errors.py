"""Turns the exceptions of Ollama's client into ours, in one place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import ollama
from pydantic import ValidationError

from assistant.errors import (
    AssistantError,
    Busy,
    EngineUnreachable,
    ModelMissing,
    RemoteForbidden,
    RequestFailed,
)


@contextmanager
def translate(url: str, model: str = "") -> Iterator[None]:
    """Turns every exception of the client, the most special first, into one of ours."""
    try:
        yield
    except ollama.ResponseError as error:
        raise _refused(error.error, error.status_code, model) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError) as error:
        raise EngineUnreachable(f"Ollama does not answer at {url}.") from error
    except httpx.TimeoutException as error:
        raise RequestFailed(
            "Ollama sent nothing for too long.",
            hint="Try a smaller model, or look at 'ollama ps'.",
        ) from error
    except (httpx.NetworkError, httpx.ProtocolError) as error:
        raise ended_early() from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RequestFailed(f"The request to Ollama failed: {error}") from error
    except (json.JSONDecodeError, ValidationError, AttributeError, TypeError) as error:
        raise RequestFailed(
            "Ollama sent an answer that can't be read.",
            hint=f"Is {url} really Ollama? See the log.",
        ) from error


def _refused(message: str, status: int, model: str) -> AssistantError:
    text = " ".join(message.split())[:300] or f"HTTP {status}"
    model = model.removesuffix(":latest")
    if status == 404 and model:
        return ModelMissing(
            f"Ollama has no model '{model}'.", hint=f"Fetch it with 'ollama pull {model}'."
        )
    if status == 503:
        return Busy(f"Ollama is busy: {text}", hint="Try again in a moment.")
    return RequestFailed(f"Ollama: {text}", hint="See the log of Ollama for more.")


def ended_early() -> RequestFailed:
    return RequestFailed(
        "Ollama closed the connection in the middle of an answer.",
        hint="Look at its log; a model too large for the memory ends like this.",
    )


def cloud(model: str) -> RemoteForbidden:
    return RemoteForbidden(f"The model '{model}' runs on another machine.")
