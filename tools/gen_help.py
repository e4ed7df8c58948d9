"""Writes the generated sections of doc/assistant.txt: commands, keys of the chat, options.

They come from plugin/assistant.lua, lua/assistant/chat/actions.lua and lua/assistant/config.lua as
a real Neovim has loaded them. ``--check`` writes nothing and exits 1 where the file is out of date.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from tools.neovim import NeovimBuild, builds  # noqa: E402

HELP = REPO / "doc" / "assistant.txt"
WIDTH = 78
_RULE = "=" * WIDTH
_DUMP = """
local path = vim.env.HELP_DUMP
local commands = {}
for name, command in pairs(vim.api.nvim_get_commands({})) do
  if name:match('^AI%u') then
    commands[name] = {
      nargs = command.nargs,
      bang = command.bang,
      range = command.range ~= nil and command.range ~= vim.NIL,
      text = command.definition,
      desc = command.desc,
    }
  end
end
local keys = {}
for _, key in ipairs(require('assistant.chat.actions').keys) do
  table.insert(keys, { mode = key[1], lhs = key[2], text = key[4] })
end
local options = {}
for _, entry in ipairs(require('assistant.config').schema) do
  table.insert(options, {
    key = entry.key,
    type = entry.type,
    choices = entry.choices,
    default = vim.inspect(entry.default),
    description = entry.description,
    editor = entry.editor,
  })
end
local file = io.open(path, 'w')
file:write(vim.fn.json_encode({ commands = commands, keys = keys, options = options }))
file:close()
"""
_KINDS = {
    "flags": "a table of filetype = true or false",
    "integer": "a whole number",
    "key": "a key or false",
    "list": "a list of strings",
}
# What a command's one line leaves out.
_DETAILS = {
    "AIChat": "A question is sent at once. Without one the cursor goes to the prompt.",
    "AIExplain": "The answer streams into the chat; the cursor stays in the code.",
    "AIIndex": "Emits |AssistantIndexProgress| and |AssistantIndexDone|.",
    "AISearch": "By meaning and by words. |:cnext| goes through the hits.",
    "AIStop": "Text that is there stays.",
    "AIModel": (
        "In a chat the role is chat, elsewhere completion. <Tab> completes the names of the"
        " installed models. The choice holds for this Neovim; to keep it, set"
        " |assistant-option-completion.model| or |assistant-option-chat.model|."
    ),
    "AIContext": "Word for word, with token counts and the places that the snippets are from.",
    "AILog": "The editor's log, and below it the daemon's.",
    "AIInstall": (
        "Runs in the background, with uv where it is installed, else with python3 and pip. An"
        " environment that is not whole is never used."
    ),
}


def load(build: NeovimBuild) -> dict[str, Any]:
    """Returns what a running Neovim says about commands, keys and options."""
    with tempfile.TemporaryDirectory() as folder:
        script, dump = Path(folder, "dump.lua"), Path(folder, "dump.json")
        script.write_text(_DUMP, "utf-8")
        subprocess.run(
            [
                *build.argv,
                *("--clean", "--headless", "--cmd", f"set rtp^={REPO}"),
                *("-c", f"luafile {script}", "-c", "qall!"),
            ],
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "HELP_DUMP": str(dump), **build.env},
            check=True,
            timeout=60,
            capture_output=True,
        )
        found: dict[str, Any] = json.loads(dump.read_text("utf-8"))
        return found


def tagged(left: str, tag: str) -> str:
    """Returns a line with the tag at its right end, or on a line of its own where both don't fit."""
    mark = f"*{tag}*"
    if len(left) + len(mark) + 1 <= WIDTH:
        return left + mark.rjust(WIDTH - len(left))
    return f"{mark.rjust(WIDTH)}\n{left}"


def wrapped(text: str, indent: int) -> str:
    space = " " * indent
    return textwrap.fill(
        text, WIDTH, initial_indent=space, subsequent_indent=space, break_on_hyphens=False
    )


def commands_section(commands: dict[str, dict[str, Any]]) -> str:
    arguments = {"AIChat": "[question]", "AISearch": "{query}", "AIModel": "[name]"}
    parts = ["`AI` is the default of |assistant-option-command_prefix|.", ""]
    for name, command in sorted(commands.items()):
        head = f":{'[range]' if command['range'] else ''}{name}{'[!]' if command['bang'] else ''}"
        if command["nargs"] != "0":
            head += f" {arguments[name]}"
        text = (command.get("desc") or command["text"]).rstrip(".") + "."
        parts += [tagged(head, f":{name}"), wrapped(text, 4)]
        if name in _DETAILS:
            parts.append(wrapped(_DETAILS[name], 4))
        parts.append("")
    return "\n".join(parts)


def keys_section(keys: list[dict[str, str]]) -> str:
    modes = {"n": "normal", "i": "insert"}
    rows = [f"    {key['lhs']:8}{modes[key['mode']]:8}{key['text']}" for key in keys]
    return "\n".join(["All are local to the chat.", "", *rows, ""])


def options_section(options: list[dict[str, Any]]) -> str:
    parts = [
        "Set them with `require('assistant').setup()` or in |g:assistant|; a dot is a",
        "nested table. An unknown option or a wrong type is named in one warning, and",
        "the default is used.",
        "",
    ]
    for option in options:
        choices = option.get("choices")
        kinds = [kind for kind in option["type"].split("|") if not (kind == "string" and choices)]
        shown = [repr(choice) for choice in choices or []]
        shown += [_KINDS.get(kind, kind) for kind in kinds]
        default = "none" if option["default"] == "nil" else option["default"].replace('"', "'")
        parts += [
            tagged(option["key"], f"assistant-option-{option['key']}"),
            wrapped(f"{', '.join(shown)}; default: {default}", 4),
            wrapped(option["description"], 4),
            "",
        ]
    return "\n".join(parts)


def replace_section(text: str, tag: str, body: str) -> str:
    """Puts ``body`` between the heading that holds ``*tag*`` and the next rule."""
    heading = text.index(f"*{tag}*")
    start = text.index("\n", heading) + 1
    end = text.index(_RULE, start)
    return f"{text[:start]}\n{body}\n{text[end:]}"


def generate(text: str, found: dict[str, Any]) -> str:
    """Returns the help with its generated sections as they have to be."""
    text = replace_section(text, "assistant-commands", commands_section(found["commands"]))
    text = replace_section(text, "assistant-chat-keys", keys_section(found["keys"]))
    return replace_section(text, "assistant-options", options_section(found["options"]))


def newest() -> NeovimBuild:
    """Returns the newest Neovim that is here. Raises SystemExit where there is none."""
    present = [build for build in builds() if build.missing_reason is None]
    if not present:
        raise SystemExit("No Neovim here; run 'make neovim'.")
    return present[-1]


def main() -> int:
    old = HELP.read_text("utf-8")
    new = generate(old, load(newest()))
    if "--check" in sys.argv[1:]:
        return int(new != old)
    if new != old:
        HELP.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
