"""Names from a folder of somebody else are text: terminals and pages obey none of them."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from calibrate import analyze, cli
from calibrate.cli.console import SafeConsole, plain_table
from tests.helpers.campaigns import Fake, build, domain, truth
from tests.helpers.hostile import HOSTILE, label


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    place = tmp_path_factory.mktemp("hostile") / "campaign"
    made = build(place, {"truth": truth(), "half": half}, {"idle": 20.0, "gemm": 60.0}, (2.0,))
    label(made, " ".join(HOSTILE))
    return made


@pytest.mark.parametrize("words", HOSTILE)
def test_a_terminal_gets_no_orders(words: str) -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, width=200, color_system=None)
    table = plain_table("name", title=words)
    table.add_row(words)
    console.print(table)
    console.print(words)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()) if "\x1b[" not in words else ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert "\x1b]" not in file.getvalue() and "\x1b[31m" not in file.getvalue()
    if words.startswith("[red]"):
        assert file.getvalue().count("[red]bold[/red]") == 3


def test_commands_print_no_control_characters(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["analyze", str(folder)]) in {0, 2}
    said = capsys.readouterr()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said.out + said.err)


def test_markdown_has_no_markup_of_theirs(folder: Path) -> None:
    page = analyze(folder).report("markdown")
    html = MarkdownIt("commonmark", {"linkify": False}).enable("table").render(page)
    assert "<script" not in html and "onerror" not in re.sub(r"&lt;img.*?>", "", html)
    assert "<img" not in html and "<a " not in html and 'javascript:alert(1)"' not in html
    assert not re.search(r"(?<![\w\\])(https?://|www\.)evil", page)
    assert not re.search(r"[@#]\w|\bGH-\d", re.sub(r"\[.*?\]", "", page))


def test_pages_run_their_own_scripts_and_load_nothing(folder: Path) -> None:
    page = analyze(folder).report("html")
    head = html.unescape(page.split("<style>")[0])
    policy = re.search(r'Security-Policy" content="([^"]*)"', head)
    assert policy is not None
    assert policy[1].startswith(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:;"
    )
    assert "unsafe-eval" not in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert policy[1].split("script-src ")[1] == " ".join(f"'sha256-{each}'" for each in hashes)
    kinds = set(re.findall(r"<script[^>]*>", page))
    assert kinds == {"<script>", '<script type="application/json">'}
    data = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    for each in data:
        assert "<" not in each
        json.loads(each)
    assert "<img src=x" not in page and "<script>alert" not in page
