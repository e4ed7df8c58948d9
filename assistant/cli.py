"""The command line. Lines and columns are 1-based here, ranges inclusive, columns in characters.

Exit codes: 0 done, 1 failed with one plain line on stderr, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from assistant.errors import AssistantError

app = typer.Typer(
    name="assistant",
    help="A local AI coding assistant for Neovim. Nothing leaves this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="Project; default: the nearest folder with .git.")
]
Batch = Annotated[
    str | None, typer.Option("--batch", help="JSON requests, one a line; '-' is stdin.")
]


@app.command()
def serve(
    socket: Annotated[Path | None, typer.Option(help="Socket to listen on.")] = None,
    idle_minutes: Annotated[
        int | None, typer.Option(min=0, help="Minutes alone before it ends.")
    ] = None,
    foreground: Annotated[bool, typer.Option(help="Stay in this process.")] = False,
) -> None:
    """Starts the daemon, or says that one runs."""
    from assistant.commands import daemon

    daemon.serve(socket, idle_minutes, foreground)


@app.command()
def index(
    root: Annotated[Path | None, typer.Argument(help="Project; default: the current one.")] = None,
    force: Annotated[bool, typer.Option(help="Rebuild from nothing.")] = False,
    lexical_only: Annotated[bool, typer.Option(help="Without embeddings.")] = False,
    explain: Annotated[Path | None, typer.Option(help="Say why a file is in or out.")] = None,
    as_json: Json = False,
) -> None:
    """Updates the index of a project and waits for it."""
    from assistant.commands import project

    project.index(root, force, lexical_only, explain, as_json)


@app.command()
def search(
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    root: Root = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 10,
    batch: Batch = None,
    as_json: Json = False,
) -> None:
    """Searches the project by meaning and by words."""
    from assistant.commands import project

    project.search(query, root, limit, batch, as_json)


@app.command()
def context(
    where: Annotated[str | None, typer.Argument(metavar="FILE:LINE:COL")] = None,
    root: Root = None,
    batch: Batch = None,
    as_json: Json = False,
) -> None:
    """Shows exactly what a completion at a place would send to the model."""
    from assistant.commands import completion

    completion.context(where, root, batch, as_json)


@app.command()
def complete(
    where: Annotated[str | None, typer.Argument(metavar="FILE:LINE:COL")] = None,
    root: Root = None,
    batch: Batch = None,
    as_json: Json = False,
) -> None:
    """Completes the code at a place."""
    from assistant.commands import completion

    completion.complete(where, root, batch, as_json)


@app.command()
def chat(
    question: Annotated[str | None, typer.Argument(help="Default: read from stdin.")] = None,
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Asks about the project."""
    from assistant.commands import chatting

    chatting.chat(question, root, as_json)


@app.command()
def explain(
    where: Annotated[str, typer.Argument(metavar="FILE[:START[-END]]")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Explains a file or some of its lines."""
    from assistant.commands import chatting

    chatting.explain(where, root, as_json)


@app.command()
def status(as_json: Json = False) -> None:
    """Shows the state of the daemon."""
    from assistant.commands import daemon

    daemon.status(as_json)


@app.command()
def stop() -> None:
    """Ends the daemon for every editor."""
    from assistant.commands import daemon

    daemon.stop()


@app.command()
def doctor(as_json: Json = False) -> None:
    """Checks what usually breaks and says what to do about it."""
    from assistant.commands import doctor as checks

    checks.check(as_json)


@app.command()
def config(root: Root = None, as_json: Json = False) -> None:
    """Prints the options in force and where each came from."""
    from assistant.commands import daemon

    daemon.config(root, as_json)


def main() -> None:
    """Runs the command line and exits with its code."""
    try:
        app()
    except AssistantError as error:
        print(f"assistant: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read us has seen enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
