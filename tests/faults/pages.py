"""Open the pages of a hostile folder in Chromium, and render its Markdown as GitHub does.

    pip install playwright cmarkgfm; apt-get install chromium
    python tests/faults/pages.py

Every place of a campaign folder that may hold text holds payloads. Counted are scripts that ran,
dialogs, requests, links and pictures of theirs, and control characters that reach a terminal.
"""

from __future__ import annotations

import argparse
import functools
import html
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.apart import run
    from tests.helpers.campaigns import Fake, build, domain, truth
else:  # some distributions install a package "tests", which hides that of this project
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from faults.apart import run
    from helpers.campaigns import Fake, build, domain, truth

CHROMIUM = Path("/usr/bin/chromium")
#: A server that nobody has; each request to it is counted.
_HOST = "evil.example"
_RUN = "window.hit=(window.hit||0)+1;alert(1)"
PAYLOADS = (
    f"<script>{_RUN}</script>",
    f"<img src=x onerror='{_RUN}'>",
    f'"><svg onload="{_RUN}">',
    f"'><iframe srcdoc='<script>parent.{_RUN}</script>'>",
    f"<a href='javascript:{_RUN}'>x</a>",
    f"</style><script>{_RUN}</script>",
    f"]]></svg><script>{_RUN}</script>",
    f"<link rel=stylesheet href=http://{_HOST}/a.css>",
    f"<meta http-equiv=refresh content='0;url=http://{_HOST}/'>",
    f"<img src=http://{_HOST}/pixel.png>",
    f"<form action=http://{_HOST}/><input autofocus onfocus='{_RUN}'>",
    f"{{{{ ''.__class__ }}}} {{% for x in (1,) %}}{_HOST}{{% endfor %}}",
    f"![x](http://{_HOST}/y.png)",
    f"[x](http://{_HOST}/)",
    f"[x][1] and [1]: http://{_HOST}/",
    f"<http://{_HOST}/>",
    f"see http://{_HOST}/ and www.{_HOST} or x@{_HOST}",
    "@octocat and #1 and octocat/repo#1 and GH-1",
    "# head",
    "> quote",
    "- [ ] task",
    "1. list",
    "```\ncode",
    "~~~",
    "| a | b |\n|---|---|",
    "$x^2$ and $$y$$",
    "<details open><summary>x",
    "<!-- x",
    "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x1b]8;;http://evil.example\x07x",
    "\u202egnp.exe\u2066\u200f",
    "a\r\nSet-Cookie: x",
)


def fill(folder: Path, words: str) -> None:
    """Put a payload into every text of a folder that is free."""
    path = folder / "campaign.json"
    document = json.loads(path.read_text())
    document["machine"] |= dict.fromkeys(("label", "cpu", "kernel", "governor", "virtual"), words)
    document["command"] = ["crosswatt", words]
    document["plan"] |= {"title": words}
    path.write_text(json.dumps(document))
    for path in folder.glob("*/run.json"):
        record = json.loads(path.read_text())
        middle = (record["begin_ns"] + record["end_ns"]) // 2
        record["arguments"] = [words]
        record["result"] = {words: words, "accuracy": 0.5}
        record["phases"] = [
            {"name": words, "begin_ns": record["begin_ns"], "end_ns": middle, "work": 3.0,
             "unit": words, "values": {words: 0.5}},
        ]  # fmt: skip
        path.write_text(json.dumps(record))
    for path in folder.glob("*/half.jsonl"):
        first, *rest = path.read_text().splitlines(keepends=True)
        about = json.loads(first) | {"facts": {"release": words, words: words}}
        about["library"] = {"name": words, "version": words}
        path.write_text(json.dumps(about) + "\n" + "".join(rest))
    state = {"status": "unavailable", "reason": words, "fix": words}
    document = {"schema": 1, "kind": "probes", "probes": {"half": state}}
    (folder / "probes.json").write_text(json.dumps(document))


def made(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield a folder for each payload, and one with all."""
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    for number, words in enumerate((*PAYLOADS, " ".join(PAYLOADS))):
        folder = place / f"campaign{number}"
        loads = {"idle": 20.0, "gemm": 60.0}
        build(folder, {"truth": truth(), "half": half}, loads, (2.0, 3.0))
        fill(folder, words)
        yield words, folder


# ---- what a reader makes of them ----


def _dismiss(done: list[str], name: str, dialog: Any) -> None:
    done.append(f"{name}: a dialog")
    dialog.dismiss()


def _note(done: list[str], name: str, asked: Any) -> None:
    if not asked.url.startswith(("file:", "data:")):
        done.append(f"{name}: a request to {asked.url}")


def in_browser(pages: list[Path]) -> list[str]:
    """Open pages in Chromium; return what any of them did."""
    from playwright.sync_api import sync_playwright

    done: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in pages:
            page = browser.new_page()
            page.on("dialog", functools.partial(_dismiss, done, path.stem))
            page.on("request", functools.partial(_note, done, path.stem))
            page.goto(path.as_uri())
            page.wait_for_timeout(300)
            if page.evaluate("window.hit"):
                done.append(f"{path.stem}: a script ran")
            bad = page.eval_on_selector_all(
                "script, iframe, object, embed, form, link, base, img, [onload], [onerror], a",
                "all => all.filter(e => e.tagName != 'A' || !/^(#|https:|file:)/.test("
                "e.getAttribute('href') || '#')).map(e => e.outerHTML.slice(0, 80))",
            )
            done += [f"{path.stem}: {each}" for each in bad]
            page.close()
        browser.close()
    return done


_TAGS = ("script", "img", "a", "iframe", "svg", "form", "meta", "input", "style", "pre", "code",
         "ol", "h1", "h2")  # fmt: skip
#: What GitHub makes a link of in text that is parted by no tag or comment.
_REFERENCE = re.compile(r"@octocat|#1\b|\bGH-1\b")


def in_markdown(text: str) -> list[str]:
    """Render Markdown as GitHub does; return what is theirs in it."""
    import cmarkgfm

    page = cmarkgfm.github_flavored_markdown_to_html(text)
    found = [f"<{tag}>" for tag in _TAGS if re.search(rf"<{tag}[ >/]", page)]
    found += ["<blockquote>"] if page.count("<blockquote>") > 1 else []  # one is ours
    return found + _REFERENCE.findall(html.unescape(re.sub(r"<!--.*?-->|<[^>]+>", "\0", page)))


def in_terminal(words: str) -> list[str]:
    """Return the characters that command a terminal."""
    return re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200f\u202a-\u202e\u2066-\u2069]", words)


def _printed(words: str, folder: Path) -> Iterator[str]:
    """Run what prints of a folder; yield what went wrong."""
    at = str(folder)
    for line in (["analyze", at], ["plan", at], ["run", "--resume", at], ["diff", at, at]):
        _, error, said = run(line)
        if error or in_terminal(said):
            yield f"{words[:30]!r}: {line[0]}: {error} {in_terminal(said)[:3]}"


def main() -> int:
    """Print what hostile folders came to."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    bad: list[str] = []
    pages: list[Path] = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for words, folder in made(place):
            page, text = place / f"{folder.name}.html", place / f"{folder.name}.md"
            for form, target in (("html", page), ("markdown", text)):
                line = ["report", str(folder), "--format", form, "--out", str(target)]
                code, error, said = run(line)
                if error or code or in_terminal(said):
                    bad.append(f"{words[:30]!r}: {form}: {code} {error} {in_terminal(said)[:3]}")
            found = in_markdown(text.read_text(encoding="utf-8"))
            bad += [f"{words[:30]!r}: Markdown has {each!r}" for each in found]
            bad += _printed(words, folder)
            pages.append(page)
        bad += in_browser(pages)
    sys.stdout.writelines(f"{each}\n" for each in bad)
    sys.stdout.write(
        f"{len(pages)} folders: in Chromium, as Markdown and in a terminal {len(bad)} things\n"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
