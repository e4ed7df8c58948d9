"""How each model family wants a hole in code described. Pure: a table and a look-up.

The order of the parts can't be read from a model's metadata, so it belongs to the family. A model
that no row knows still gets the tokens that its own metadata names, in the usual order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assistant.engine.base import FimOrder, FimTokens, ModelInfo


@dataclass(frozen=True)
class RepoFormat:
    """Says how a family marks whole files around the hole.

    ``head`` takes {repo}; ``file`` takes {path} and {text}; ``current`` and ``prefix_head`` take
    {path}. ``inside`` puts head, files and current at the start of the prefix instead of before
    the first FIM token; ``prefix_head`` always stands at the start of the prefix.
    """

    file: str
    head: str = ""
    current: str = ""
    prefix_head: str = ""
    inside: bool = False
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class FimProfile:
    """Holds everything that a fill-in-the-middle prompt for one family depends on.

    ``tokens`` carry the spaces that belong to them. ``stops`` end an answer. ``max_context`` is in
    tokens. ``languages`` None is any. ``min_mean_logprob`` is the confidence below which nothing is
    shown, ``min_token_logprob`` that at which a suggestion ends (see ``complete.confidence``). ``bytes_per_token`` is where the estimate starts before the engine has counted any.
    """

    name: str
    tokens: FimTokens
    stops: tuple[str, ...]
    order: FimOrder = "psm"
    repo: RepoFormat | None = None
    takes_snippets: bool = True
    max_context: int | None = None
    single_line: bool = False
    languages: frozenset[str] | None = None
    min_mean_logprob: float | None = None
    min_token_logprob: float | None = None
    bytes_per_token: float = 3.0
    literals: tuple[str, ...] = field(default=())

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Every text that the model reads as a control token, longest first."""
        parts = {t.strip() for t in (self.tokens.prefix, self.tokens.suffix, self.tokens.middle)}
        parts.update(self.stops, self.literals, self.repo.tokens if self.repo else ())
        return tuple(sorted((p for p in parts if p.strip()), key=lambda p: (-len(p), p)))

    @property
    def wants_logprobs(self) -> bool:
        return self.min_mean_logprob is not None or self.min_token_logprob is not None

    def render(self, prefix: str, suffix: str) -> str:
        tokens = self.tokens
        before = tokens.prefix + prefix
        after = tokens.suffix + suffix
        return (before + after if self.order == "psm" else after + before) + tokens.middle


_QWEN = FimTokens("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_STAR = FimTokens("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_QWEN_STOPS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|im_start|>",
    "<|im_end|>",
)
_STAR_STOPS = ("<|endoftext|>", "<file_sep>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_QWEN_REPO = RepoFormat(
    head="<|repo_name|>{repo}\n",
    file="<|file_sep|>{path}\n{text}\n",
    current="<|file_sep|>{path}\n",
)

POCKET = FimProfile(
    name="pocket",
    tokens=_QWEN,
    order="spm",
    stops=("<|endoftext|>", "\n"),
    literals=(*_QWEN_STOPS[:4], "<|file_sep|>"),
    takes_snippets=False,
    max_context=768,
    single_line=True,
    languages=frozenset({"python"}),
    min_token_logprob=-0.7,
    bytes_per_token=2.9,
)

QWEN_CODER = FimProfile("qwen-coder", _QWEN, _QWEN_STOPS, repo=_QWEN_REPO)

CODEQWEN = FimProfile(
    "codeqwen",
    _STAR,
    ("<|endoftext|>", "<file_sep>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>"),
    repo=RepoFormat(
        head="<reponame>{repo}\n",
        file="<file_sep>{path}\n{text}\n",
        current="<file_sep>{path}\n",
        tokens=("<reponame>",),
    ),
)

CODELLAMA = FimProfile(
    "codellama",
    FimTokens("<PRE> ", " <SUF>", " <MID>"),
    ("<EOT>",),
    literals=("<s>", "</s>"),
)

STARCODER2 = FimProfile(
    "starcoder2",
    _STAR,
    _STAR_STOPS,
    # arXiv 2402.19173, section 5.1: the current file's path stands inside the prefix.
    repo=RepoFormat(
        head="<repo_name>{repo}",
        file="<file_sep>{path}\n{text}\n",
        current="<file_sep>",
        prefix_head="{path}\n",
        tokens=("<repo_name>",),
    ),
)

STARCODER = FimProfile("starcoder", _STAR, _STAR_STOPS, literals=("<reponame>", "<filename>"))

STABLE_CODE = FimProfile("stable-code", _STAR, (*_STAR_STOPS, "<fim_pad>"))

DEEPSEEK_CODER = FimProfile(
    "deepseek-coder",
    FimTokens("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("<｜end▁of▁sentence｜>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    repo=RepoFormat(file="#{path}\n{text}\n", current="#{path}\n", inside=True),
    literals=("<｜begin▁of▁sentence｜>", "<|EOT|>"),
)

CODEGEMMA = FimProfile(
    "codegemma",
    _QWEN,
    ("<|file_separator|>", "<end_of_turn>", "<eos>", *_QWEN_STOPS[1:4]),
    repo=RepoFormat(file="{path}\n{text}<|file_separator|>", current="{path}\n"),
    literals=("<bos>", "<start_of_turn>"),
)

CODESTRAL = FimProfile(
    "codestral",
    FimTokens("[PREFIX]", "[SUFFIX]", ""),
    ("[PREFIX]", "[SUFFIX]", "\n+++++ "),
    order="spm",
    repo=RepoFormat(file="+++++ {path}\n{text}\n\n", current="+++++ {path}\n", inside=True),
    literals=("[MIDDLE]", "[INST]", "[/INST]", "<s>", "</s>"),
)

GRANITE_CODE = FimProfile("granite-code", _STAR, _STAR_STOPS)

GRANITE = FimProfile(
    "granite",
    _QWEN,
    ("<|end_of_text|>", "<|fim_pad|>", *_QWEN_STOPS[1:4]),
    literals=("<|start_of_role|>", "<|end_of_role|>"),
)

SEED_CODER = FimProfile(
    "seed-coder",
    FimTokens("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"),
    ("<[end▁of▁sentence]>", "<[PAD▁TOKEN]>", "<[SEP▁TOKEN]>"),
    order="spm",
    literals=("<[begin▁of▁sentence]>",),
)

MELLUM = FimProfile(
    "mellum",
    _STAR,
    ("<|endoftext|>", "<filename>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    order="spm",
    repo=RepoFormat(file="<filename>{path}\n{text}\n", current="<filename>{path}\n"),
    literals=("<reponame>",),
)

_TABLE: tuple[tuple[re.Pattern[str], FimProfile], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), profile)
    for pattern, profile in (
        (r"\bpocket(-py)?\b", POCKET),
        (r"qwen-?2\.5-?coder|qwen-?3-?coder", QWEN_CODER),
        (r"codeqwen", CODEQWEN),
        (r"code-?llama", CODELLAMA),
        (r"starcoder-?2", STARCODER2),
        (r"starcoder", STARCODER),
        (r"stable-?code", STABLE_CODE),
        (r"deepseek-?coder", DEEPSEEK_CODER),
        (r"codegemma", CODEGEMMA),
        (r"codestral", CODESTRAL),
        (r"granite-?code|granite-(3b|8b|20b|34b)-code", GRANITE_CODE),
        (r"granite-?(3\.[3-9]|4)", GRANITE),
        (r"seed-?coder", SEED_CODER),
        (r"mellum", MELLUM),
    )
)

_WITHOUT_FIM = re.compile(
    r"codestral-?mamba|mamba-?codestral|codegemma.*(instruct|-it\b)|starcoder2.*instruct"
    r"|code-?llama.*(python|34b|70b)",
    re.IGNORECASE,
)
"""Members of a family in the table that were not trained to fill in, or lost it afterwards."""


def profile_for(info: ModelInfo) -> FimProfile | None:
    """Returns how to ask this model for a middle, or None where it was not trained for it.

    The person's name for the model decides, then the name inside its file, then its metadata.
    """
    names = [name for name in (info.name, info.base_name) if name]
    if any(_WITHOUT_FIM.search(name) for name in names):
        return None
    for name in names:
        for pattern, profile in _TABLE:
            if pattern.search(name):
                return profile
    return _from_metadata(info)


def _from_metadata(info: ModelInfo) -> FimProfile | None:
    tokens = info.fim_tokens
    if tokens is None:
        return None
    stops = ("<|endoftext|>", *filter(None, (tokens.prefix, tokens.suffix, tokens.middle)))
    return FimProfile(
        "metadata",
        tokens,
        stops,
        order=info.fim_order or "psm",
        literals=("<|im_start|>", "<|im_end|>"),
    )


KNOWN_TOKENS: tuple[FimTokens, ...] = tuple(
    dict.fromkeys(
        profile.tokens for _, profile in _TABLE if profile.tokens.middle and profile.order == "psm"
    )
)
"""Token sets to try on an engine that can tokenize but tells no metadata."""
