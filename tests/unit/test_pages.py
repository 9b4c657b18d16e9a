"""The examples of the pages on the API and on probes are run, and print what they say."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from calibrate import campaign, store
from calibrate.campaign import Pause, Source, session
from calibrate.testing import check_probe
from tests.helpers.campaigns import Fake, build, domain, truth

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
STEADY = ROOT / "tests" / "adapters" / "steady.py"


def blocks(page: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the code, and what it prints, of every block of Python of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    pattern = r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```$)?"
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, found.start()) + 2, found[1], found[2] or ""


def check(page: str, line: int, code: str, said: str, names: dict[str, Any]) -> None:
    """Run a block among the names of those before it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile("\n" * (line - 1) + code, page, "exec"), names)  # noqa: S102 - that is the test
    example = doctest.Example(code, said)
    checker = doctest.OutputChecker()
    if not checker.check_output(said, out.getvalue(), doctest.ELLIPSIS):
        pytest.fail(
            f"{page}, line {line}: "
            + checker.output_difference(example, out.getvalue(), doctest.REPORT_NDIFF),
            pytrace=False,
        )


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a campaign, on a machine whose probes are replaced by one that works here."""
    factor = 1.0 / 800
    fakes = {
        "truth": truth(),
        "codecarbon": Fake(lambda w, s: (0.8 + factor * (w % 7 - 3) / 5) * w * s, domain()),
        "rapl": Fake(lambda w, s: w * s, domain()),
    }
    file = build(tmp_path / "campaign", fakes) / store.CAMPAIGN
    record = store.read(file, store.CampaignRecord)  # of today: a calibration expires in a year
    store.save(file, record.model_copy(update={"created": datetime.now(UTC).isoformat()}))

    def sources(names: Sequence[str], *_: object, **__: object) -> list[Source]:
        return [Source(name, STEADY) for name in names or ["rapl"]]

    monkeypatch.setattr(campaign, "sources", sources)
    monkeypatch.setattr(session, "PAUSE", Pause(0.1, 0.1))
    monkeypatch.chdir(tmp_path)


def test_the_examples_of_the_api(there: None) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    found = [*blocks("api.md")]
    assert len(found) > 8
    for line, code, said in found:
        check("api.md", line, code, said, names)


def test_the_probes_of_the_page_keep_their_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that defines a probe is a whole file; one that defines a test passes."""
    monkeypatch.chdir(tmp_path)
    probes, tests = 0, 0
    for line, code, said in blocks("probes.md"):
        if name := re.search(r'^    name = "([\w-]+)"$', code, re.MULTILINE):
            Path(f"{name[1]}.py").write_text(code)
            check_probe(f"./{name[1]}.py")
            probes += 1
            continue
        names: dict[str, Any] = {"__name__": "__main__"}
        check("probes.md", line, code, said, names)
        for test in [value for name, value in names.items() if name.startswith("test_")]:
            test(tmp_path)
            tests += 1
    assert probes >= 2 and tests >= 1


@pytest.mark.parametrize("page", ["api.md", "probes.md"])
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", text):
        there = (DOCS / target).read_text(encoding="utf-8")
        headings = [
            re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
            for heading in re.findall(r"(?m)^#+ (.*)$", there)
        ]
        assert not anchor or anchor in headings
