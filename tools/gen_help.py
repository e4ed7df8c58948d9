"""Writes the parts of doc/assistant.txt that the code knows better than a person does.

    python tools/gen_help.py            write them
    python tools/gen_help.py --check    exit 1 where they are not what the code says

Commands come from plugin/assistant.lua, options and keys from lua/assistant/config.lua, the keys of
the chat from lua/assistant/chat/actions.lua; all are read by a Neovim. A generated section begins
below its heading and ends at the next rule.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from tools.neovim import builds  # noqa: E402
from tools.neovim_session import running_neovim  # noqa: E402

HELP = REPO / "doc" / "assistant.txt"
WIDTH = 78
INDENT = " " * 8
TOPICS = {
    "Chat": "chat",
    "Explain": "chat",
    "Index": "index",
    "Search": "index",
    "Toggle": "completion",
    "Context": "privacy",
    "Model": "models",
    "Install": "install",
    "Status": "troubleshooting",
    "Log": "troubleshooting",
}
"""Section of the help that says more about a command."""

ARGUMENTS = {"Chat": "[question]", "Search": "{query}", "Model": "[name]"}

READ = """
vim.cmd('runtime plugin/assistant.lua')
local commands = {}
for name, command in pairs(vim.api.nvim_get_commands({})) do
  if vim.startswith(name, 'AI') then
    commands[name:sub(3)] = {
      bang = command.bang,
      range = command.range ~= nil,
      description = command.definition,
    }
  end
end
return {
  commands = commands,
  options = require('assistant.config').schema,
  chat_keys = require('assistant.chat.actions').keys,
}
"""


def read() -> dict[str, Any]:
    """Returns the commands, the options and the chat's keys as the plugin has them."""
    build = next(build for build in builds() if build.missing_reason is None)
    with running_neovim(build, "--clean", "--cmd", f"set rtp^={REPO}") as nvim:
        found: dict[str, Any] = nvim.exec_lua(READ)
        return found


def headed(left: str, tag: str) -> str:
    """Returns a line with its tag at the right, as help files have it."""
    return f"{left} {tag.rjust(WIDTH - len(left) - 1)}"


def indented(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
    )


def sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def commands(found: dict[str, Any]) -> str:
    blocks = []
    for name, command in sorted(found["commands"].items()):
        left = f":{'[range]' if command['range'] else ''}AI{name}{'[!]' if command['bang'] else ''}"
        if name in ARGUMENTS:
            left += f" {ARGUMENTS[name]}"
        more = f" See |assistant-{TOPICS[name]}|." if name in TOPICS else ""
        text = indented(sentence(command["description"]) + more)
        blocks.append(f"{headed(left, f'*:AI{name}*')}\n{text}\n")
    return "\n".join(blocks)


def literal(value: Any) -> str:
    if value in ([], {}):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def kind_of(entry: dict[str, Any]) -> str:
    kinds = entry["type"].split("|")
    words = {"key": "key or false", "list": "list of strings", "flags": "table of booleans"}
    if entry.get("choices"):
        kinds = [*(literal(c) for c in entry["choices"]), *(k for k in kinds if k != "string")]
    return " | ".join(words.get(kind, kind) for kind in kinds)


def limits_of(entry: dict[str, Any]) -> str:
    if "max" in entry:
        return f" From {entry['min']} to {entry['max']}."
    return f" At least {entry['min']}." if "min" in entry else ""


def options(found: dict[str, Any]) -> str:
    blocks = []
    for entry in found["options"]:
        key = entry["key"]
        default = literal(entry["default"]) if "default" in entry else "not set"
        about = f"{kind_of(entry)}; default {default}"
        blocks.append(
            f"{headed(key, f'*assistant-option-{key}*')}\n{indented(about)}\n"
            f"{indented(entry['description'] + limits_of(entry))}\n"
        )
    return "\n".join(blocks)


def keys(found: dict[str, Any]) -> str:
    rows = []
    for entry in found["options"]:
        section, _, name = entry["key"].partition(".")
        if section == "keymaps":
            plug = f"<Plug>(assistant-{name.replace('_', '-')})"
            rows.append(headed(f"{entry['default']:<8}", f"*{plug}*"))
            rows.append(indented(entry["description"]))
    return "\n".join(rows) + "\n"


def chat_keys(found: dict[str, Any]) -> str:
    mode = {"n": "", "i": "insert"}
    rows = [f"{key:<9} {mode[m]:<8} {text}" for m, key, _, text in found["chat_keys"]]
    return "\n".join(rows) + "\n"


SECTIONS = {
    "assistant-commands": commands,
    "assistant-options": options,
    "assistant-ghost-keys": keys,
    "assistant-chat-keys": chat_keys,
}


def generated(text: str, found: dict[str, Any]) -> str:
    """Returns the help file with every generated section written anew."""
    for tag, write in SECTIONS.items():
        heading = re.search(rf"^[^\n]*\*{re.escape(tag)}\*\n", text, re.MULTILINE)
        rule = heading and re.compile(rf"^[=-]{{{WIDTH}}}$", re.MULTILINE).search(
            text, heading.end()
        )
        if not heading or not rule:
            raise ValueError(f"{HELP.name} has no section *{tag}* with a rule below it")
        text = f"{text[: heading.end()]}\n{write(found)}\n{text[rule.start() :]}"
    return text


def main(arguments: list[str]) -> int:
    before = HELP.read_text("utf-8")
    after = generated(before, read())
    if arguments == ["--check"]:
        if before != after:
            print(f"{HELP.relative_to(REPO)} is not what the code says; run 'make doc'")
        return int(before != after)
    HELP.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
