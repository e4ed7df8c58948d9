"""Names of languages: file name -> Neovim's filetype -> grammar. Pure tables."""

from __future__ import annotations

from pathlib import PurePath

_BY_SUFFIX = {
    **dict.fromkeys(("py", "pyi", "pyw"), "python"),
    **dict.fromkeys(("js", "mjs", "cjs"), "javascript"),
    "jsx": "javascriptreact",
    **dict.fromkeys(("ts", "mts", "cts"), "typescript"),
    "tsx": "typescriptreact",
    "lua": "lua",
    "go": "go",
    "rs": "rust",
    "java": "java",
    **dict.fromkeys(("kt", "kts"), "kotlin"),
    **dict.fromkeys(("scala", "sbt", "sc"), "scala"),
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("cc", "cpp", "cxx", "hh", "hpp", "hxx", "ipp", "inl", "cu", "cuh"), "cpp"),
    "cs": "cs",
    "m": "objc",
    "swift": "swift",
    "dart": "dart",
    "zig": "zig",
    "vue": "vue",
    "svelte": "svelte",
    **dict.fromkeys(("rb", "rake", "gemspec"), "ruby"),
    "php": "php",
    **dict.fromkeys(("pl", "pm"), "perl"),
    "r": "r",
    "jl": "julia",
    **dict.fromkeys(("ex", "exs"), "elixir"),
    **dict.fromkeys(("erl", "hrl"), "erlang"),
    "elm": "elm",
    "hs": "haskell",
    **dict.fromkeys(("ml", "mli"), "ocaml"),
    **dict.fromkeys(("fs", "fsx", "fsi"), "fsharp"),
    **dict.fromkeys(("clj", "cljs", "cljc"), "clojure"),
    **dict.fromkeys(("lisp", "lsp"), "lisp"),
    "el": "elisp",
    "vim": "vim",
    **dict.fromkeys(("f90", "f95", "f03", "f08", "for", "f"), "fortran"),
    **dict.fromkeys(("sh", "bash", "zsh", "ksh"), "sh"),
    "fish": "fish",
    "ps1": "ps1",
    "nix": "nix",
    **dict.fromkeys(("tf", "hcl"), "terraform"),
    "cmake": "cmake",
    **dict.fromkeys(("mk", "mak"), "make"),
    "dockerfile": "dockerfile",
    "sql": "sql",
    "proto": "proto",
    **dict.fromkeys(("graphql", "gql"), "graphql"),
    **dict.fromkeys(("html", "htm", "xhtml"), "html"),
    "css": "css",
    "scss": "scss",
    "less": "less",
    **dict.fromkeys(("json", "jsonc", "json5"), "json"),
    **dict.fromkeys(("yml", "yaml"), "yaml"),
    "toml": "toml",
    **dict.fromkeys(("ini", "cfg", "conf"), "dosini"),
    **dict.fromkeys(("xml", "xsd", "xsl", "svg"), "xml"),
    **dict.fromkeys(("md", "markdown", "mdx"), "markdown"),
    "rst": "rst",
    **dict.fromkeys(("tex", "sty", "cls"), "tex"),
    **dict.fromkeys(("txt", "text"), "text"),
}
_BY_NAME = {
    "dockerfile": "dockerfile",
    "containerfile": "dockerfile",
    "makefile": "make",
    "gnumakefile": "make",
    "cmakelists.txt": "cmake",
    "rakefile": "ruby",
    "gemfile": "ruby",
    "vagrantfile": "ruby",
    "go.mod": "gomod",
    ".bashrc": "sh",
    ".zshrc": "sh",
    ".profile": "sh",
    ".vimrc": "vim",
}
_GRAMMARS = {
    "javascriptreact": "javascript",
    "typescriptreact": "tsx",
    "cs": "c_sharp",
    "sh": "bash",
    "terraform": "hcl",
    "ps1": "powershell",
    "proto": "",
    "dosini": "",
    "text": "",
    "tex": "",
    "lisp": "commonlisp",
    "rst": "",
    "markdown": "",
    "html": "",
    "xml": "",
    "json": "",
    "yaml": "",
    "toml": "",
    "css": "css",
    "sql": "",
    "scss": "",
    "less": "",
    "gomod": "",
    "dockerfile": "",
    "make": "",
}
"""Filetypes whose grammar has another name, or ('') that are better cut as plain text."""
PROSE = frozenset(
    ("markdown", "rst", "text", "tex", "html", "xml", "json", "yaml", "toml", "dosini", "css")
)
"""Filetypes that hold text or data rather than code; they are embedded last."""


def language_for(path: PurePath) -> str | None:
    """Returns Neovim's filetype for a file name ('python', 'lua'), or None for an unknown one."""
    name = path.name.lower()
    found = _BY_NAME.get(name)
    if found is None and name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    return found or _BY_SUFFIX.get(path.suffix[1:].lower())


def grammar_for(language: str) -> str | None:
    """Returns the tree-sitter grammar of a filetype, or None where plain text does better."""
    return _GRAMMARS.get(language, language) or None
