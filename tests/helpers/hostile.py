"""Texts that terminals, Markdown and pages may take for orders, and folders that have them."""

from __future__ import annotations

import json
from pathlib import Path

#: Sets the clipboard, a title, colours; a link; a script; a picture; a person; an issue.
HOSTILE = (
    "\x1b]52;c;aGk=\x07", "\x1b[31mred", "\x9b31m", "\u202etxt.exe", "[red]bold[/red]",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))", "# head", "> quote", "1. list", "- list", "@everybody",
    "#123", "x@evil.example", "octocat/repo#1", "GH-1",
    "see http://evil.example", "www.evil.example", "`code`", "| cell |", "~~~", "$x$",
)  # fmt: skip


def label(folder: Path, words: str) -> None:
    """Have a folder say something where it is free to."""
    document = json.loads((folder / "campaign.json").read_text())
    document["machine"]["label"] = words
    document["machine"]["cpu"] = words
    document["command"] = ["crosswatt", words]
    (folder / "campaign.json").write_text(json.dumps(document))
    for path in folder.glob("*/half.jsonl"):
        first, *rest = path.read_text().splitlines(keepends=True)
        about = json.loads(first) | {"facts": {"release": words, words: words}}
        path.write_text(json.dumps(about) + "\n" + "".join(rest))
