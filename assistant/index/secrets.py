"""What looks like a secret: by its name, or by a token in its text. Neither is ever indexed."""

from __future__ import annotations

import re
from pathlib import PurePath

_NAMES = re.compile(
    r"""
    \.env(\..+)? | .+\.env | \.envrc | \.netrc | _netrc | \.git-credentials | \.npmrc | \.yarnrc
    | \.pypirc | \.pgpass | \.my\.cnf | \.htpasswd | \.dockercfg | \.vault-token | \.boto | \.s3cfg
    | id_(rsa|dsa|ecdsa|ed25519)([._-].*)? | .*\.(pem|key|p12|pfx|pkcs12|jks|keystore|kdbx|ppk|asc|gpg)
    | credentials(\.(json|ya?ml|toml|ini|xml|csv))? | client_secrets?.*\.json
    | service[_-]?account.*\.json | (.*[._-])?secrets?\.(json|ya?ml|toml|ini|env|txt|properties)
    | (.*[._-])?(passwords?|passwd|tokens?)\.(json|ya?ml|toml|ini|txt|csv)
    | kubeconfig | terraform\.tfstate.* | .*\.tfvars | \.?vault[_-]?pass(word)?(\.txt)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PUBLIC = re.compile(
    r"\.env\.(example|sample|template|dist|defaults?)|id_\w+\.pub|example\.env", re.IGNORECASE
)
_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".azure", ".gcloud", ".password-store"})

_TOKENS = re.compile(
    rb"""
    \b(AKIA|ASIA)(?![0-9A-Z]{9}EXAMPLE)[0-9A-Z]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{36,}\b | \bgithub_pat_[A-Za-z0-9_]{60,}
    | \bglpat-[A-Za-z0-9_-]{20,} | \bxox[abprs]-[0-9A-Za-z]{8,}-[0-9A-Za-z-]{10,}
    | \bAIza[0-9A-Za-z_-]{35}\b | \bsk_live_[0-9a-zA-Z]{20,} | \brk_live_[0-9a-zA-Z]{20,}
    | \bsk-(ant-|proj-)[A-Za-z0-9_-]{32,} | \bsk-[A-Za-z0-9]{40,}\b
    | \bnpm_[A-Za-z0-9]{36}\b | \bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{40,}
    | \bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43} | \bhf_[A-Za-z]{34}\b
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY(\ BLOCK)?-----
      (\s|\\[rn]|["'+,])*([A-Za-z-]+:\ [^\n]*\n\s*)*[A-Za-z0-9+/=]{32,}
    """,
    re.VERBOSE,
)
_HINTS = (
    *(b"AKIA", b"ASIA", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-"),
    *(b"xox", b"AIza", b"k_live_", b"sk-", b"npm_", b"pypi-", b"SG.", b"hf_", b"PRIVATE KEY"),
)


def is_secret_path(path: PurePath) -> bool:
    """Whether a path looks like a secret by its names alone. Touches no disk."""
    name = path.name
    if _NAMES.fullmatch(name) and not _PUBLIC.fullmatch(name):
        return True
    return not _FOLDERS.isdisjoint(path.parts[:-1])


def has_secret(data: bytes) -> bool:
    """Whether the text holds a private key or a token of a known shape."""
    # Plain substring searches first: they are several times faster than the pattern.
    return any(hint in data for hint in _HINTS) and _TOKENS.search(data) is not None
