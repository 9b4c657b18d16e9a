"""Names and sentences as text in what other programs read: XML, Markdown, the log of a CI runner.

A name is data. What it would be to a reader of the format, an order, a tag, a link or a mention, is
taken from it here and nowhere else.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: What XML 1.0 has no way to write, section 2.2; libraries write it all the same.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: What starts a heading, a quote, a list, or makes the line above a heading.
_BLOCK = re.compile(r"^(?:#(?=[#\s])|>|[+-](?=\s)|[=-](?=[=-]+$)|\d+(?=[.)]\s))")


def xml_text(words: str) -> str:
    """Return text that XML can hold: control characters are replaced."""
    return _NO_XML.sub(_REPLACEMENT, words)


def one_line(words: str) -> str:
    """Return text in one line that can be printed."""
    line = " ".join(words.split())
    return "".join(each if each.isprintable() else _REPLACEMENT for each in line)


def markdown_text(words: str) -> str:
    """Return text in one line that Markdown, HTML and GitHub take for text."""
    words = one_line(words).replace("&", "&amp;").replace("<", "&lt;")
    # An underscore inside a word is no markup, and names of columns are full of them.
    words = re.sub(r"[\\|*`\[\]~$]|(?<!\w)_|_(?!\w)", r"\\\g<0>", words)
    words = _BLOCK.sub(_unmark, words)
    words = re.sub(r"(?<=\w):(?=//)|(?<=www)\.|(?<=mailto):", r"\\\g<0>", words, flags=re.I)
    # A comment parts what GitHub takes for a person, an address or an issue.
    return re.sub(r"[@#](?=\w)|\bGH-(?=\d)", r"\g<0><!-- -->", words)


def _unmark(found: re.Match[str]) -> str:
    """Return what would start a block as text."""
    word = found.group()
    return f"{word}<!-- -->" if word.isdigit() else f"\\{word}"


def web_address(link: str) -> str:
    """Return an address of the web, with nothing in it that ends it; empty for anything else."""
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return ""
    return quote(link.strip(), safe=":/?#@!$&+,;=%-._~")


def workflow_message(words: str) -> str:
    """Return text for the message of a workflow command of GitHub, ``::error::MESSAGE``."""
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(words: str) -> str:
    """Return text for a property of a workflow command of GitHub, ``::error file=PROPERTY::``."""
    return workflow_message(words).replace(":", "%3A").replace(",", "%2C")
