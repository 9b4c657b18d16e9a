"""Likely secrets in a command: what their place, or their own form, gives away.

A record is published, so that a command stands in it without them. The forms of tokens are those
that GitHub's secret scanning and gitleaks look for; the list is short, and not complete. What
refers to a secret (``$TOKEN``, ``env:TOKEN``) is none. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

#: What stands for a secret.
MASK = "***"

_KEY = r"[\w-]*(?:password|passwd|passphrase|token|secret|api[_-]?key|access[_-]?key|credentials?)"
#: Letters of a value, up to what ends it in a shell, in a URL and in a list.
_VALUE = r"[^\s'\"&;,|<>]+"
#: Secrets inside a word; each expression has one group, the secret.
_INSIDE = tuple(
    re.compile(expression, re.IGNORECASE)
    for expression in (
        rf"\bauthorization['\"]?\s{{0,9}}[:=]\s{{0,9}}(?:bearer|basic|token|digest)\s{{1,9}}({_VALUE})",
        rf"\b(?:x-api-key|x-auth-token|private-token|cookie)\s{{0,9}}:\s{{0,9}}({_VALUE})",
        rf"(?<![\w-]){_KEY}=['\"]?({_VALUE})",
        rf"(?<![\w-])--{_KEY}\s{{1,9}}['\"]?(?!-)({_VALUE})",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,100}:([^\s/@'\"]{1,500})@",
    )
) + tuple(
    re.compile(rf"(?<![A-Za-z0-9])({form})")
    for form in (
        r"gh[pousr]_[A-Za-z0-9]{20,}",
        r"github_pat_\w{20,}",
        r"glpat-[\w-]{20,}",
        r"hf_[A-Za-z0-9]{20,}",
        r"sk-[\w-]{20,}",
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",
        r"xox[abeprs]-[\w-]{10,}",
        r"eyJ[\w-]{8,2000}\.[\w-]{8,2000}(?:\.[\w-]*)?",
    )
)
_FLAG = re.compile(rf"--{_KEY}", re.IGNORECASE)
_REFERENCE = re.compile(r"\$|env:|file:|\{|\*\*\*$")


def masked(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command whose likely secrets are masked."""
    return replaced(words, lambda _: MASK)


def replaced(words: Sequence[str], change: Callable[[str], str]) -> tuple[str, ...]:
    """Return a command with each likely secret as `change` has it."""
    return tuple(_replaced(words, change))


def _replaced(words: Sequence[str], change: Callable[[str], str]) -> Iterator[str]:
    before = ""
    for word in words:
        if _FLAG.fullmatch(before) and word and not word.startswith("--"):
            yield word if _REFERENCE.match(word) else change(word)
        else:
            yield _changed(word, change)
        before = word


def _changed(word: str, change: Callable[[str], str]) -> str:
    """Return a word with the secrets inside it as `change` has them."""
    for expression in _INSIDE:
        word = expression.sub(lambda found: _change(found, change), word)
    return word


def _change(found: re.Match[str], change: Callable[[str], str]) -> str:
    """Return a match whose group is changed."""
    secret = found.group(1)
    if _REFERENCE.match(secret):
        return found.group()
    begin, end = (place - found.start() for place in found.span(1))
    return found.group()[:begin] + change(secret) + found.group()[end:]
