"""Line comments by file name. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

_BY_STYLE: dict[tuple[str, str], str] = {
    (
        "#",
        "",
    ): "py pyi sh bash zsh fish rb pl pm r jl yml yaml toml tcl cmake nim ex exs mk awk ps1 tf gd",
    ("//", ""): "c h cc cpp cxx hpp hh cs java js jsx mjs cjs ts tsx go rs swift kt kts scala dart "
    "php zig v proto groovy gradle scss less sol m mm vue svelte",
    ("--", ""): "lua sql hs elm ads adb vhd vhdl",
    (";", ""): "el lisp clj cljs scm rkt asm s ini",
    ("%", ""): "tex erl hrl pro",
    ('"', ""): "vim vimrc",
    ("!", ""): "f90 f95 f03",
    ("<!--", " -->"): "html htm xml md markdown svg",
    ("/*", " */"): "css",
    ("(*", " *)"): "ml mli pas",
}
_STYLES = {ext: style for style, exts in _BY_STYLE.items() for ext in exts.split()}
_BY_NAME = {"makefile": ("#", ""), "dockerfile": ("#", ""), "cmakelists.txt": ("#", "")}
_DEFAULT = ("#", "")


def style_for(path: str) -> tuple[str, str]:
    """Returns how a comment line opens and closes in a file of this name."""
    name = PurePosixPath(path).name.lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    return _STYLES.get(name.rpartition(".")[2], _DEFAULT)


def comment_out(text: str, path: str) -> str:
    """Returns ``text`` with every line as a comment, in the style of the file at ``path``."""
    opening, closing = style_for(path)
    lines = (line.replace(closing.strip(), "") if closing else line for line in text.split("\n"))
    return "\n".join(f"{opening} {line}".rstrip() + closing for line in lines)
