"""A judgement in every form: what CI systems read is valid, and a name stays a name in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from calibrate import analysis, gate
from calibrate.cli import main
from calibrate.errors import UnknownName
from calibrate.gate import FORMS, Judgement, Kind, Ruling, Shown
from tests.helpers.campaigns import build, truth
from tests.helpers.gating import about

SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
SARIF = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text())
JUNIT = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")
PROBE = '    { name = "good", column = "package-1", ratio = 1.0 },'
SHOWN = Shown(value=1.2, low=1.15, high=1.25, least=0.95, most=1.05)
#: Names that are an order, a tag, a link, a mention or no text at all to some reader.
HOSTILE = (
    "a\x1b]52;c;aGk=\x07\x00",
    "\ud800\uffff",
    '"/><failure message="b',
    "]]>&<!--",
    "x\n::error::owned",
    "x%0A::error::owned",
    "<script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "@someone fixes #1 https://example.org",
    "| a | b |",
)


def judgement(name: str = "codecarbon", **changes: Any) -> Judgement:
    rulings = (
        Ruling(probe=name, column=name, kind=Kind.OUTSIDE, sentence=name, shown=SHOWN),
        Ruling(probe=name, column=name, rule="workload", workload=name, kind=Kind.STRADDLES,
               sentence=name, shown=SHOWN),
        Ruling(probe=name, column=name, rule="overhead", kind=Kind.WITHIN, sentence=name,
               shown=Shown(quantity="share", value=0.01, low=None, high=None, most=0.02)),
        Ruling(probe="rapl", column=name, kind=Kind.WITHIN, sentence=name),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "campaign": name, "policy": "gate.toml", "machine": name, "simulated": False,
        "reference": "wall", "rulings": rulings, "not_judged": (name,),
        "report": "https://example.org/report.html", "lines": {(name, name): 12},
    }  # fmt: skip
    return Judgement(**(fields | changes))


def valid_sarif(text: str) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(text)
    jsonschema.Draft4Validator(SARIF, format_checker=jsonschema.FormatChecker()).validate(log)
    return log


def valid_junit(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text.encode())  # noqa: S314 - our own
    JUNIT.validate(text)
    return root


@pytest.mark.parametrize("name", ["codecarbon", *HOSTILE])
def test_every_form_is_valid_whatever_a_probe_is_called(name: str) -> None:
    found = judgement(name)
    assert {*FORMS} == {"text", "markdown", "junit", "sarif", "json", "github", "badge"}
    texts = {form: gate.write_form(found, form) for form in FORMS}
    for text in texts.values():
        assert text.endswith("\n")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
    valid_sarif(texts["sarif"])
    valid_junit(texts["junit"])
    assert json.loads(texts["json"])["rulings"][0]["probe"] == name
    assert json.loads(texts["badge"])["schemaVersion"] == 1
    commands = [line.split("::")[1].split()[0] for line in texts["github"].splitlines()]
    assert commands == ["error", "warning", "notice"]
    for tag in ("<script", "[a](", "@someone", "https://example.org "):
        assert tag not in texts["markdown"]
    # A name ends no cell and no row: all rows of a table have as many cells.
    rows = [line for line in texts["markdown"].splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}


@given(st.text(min_size=1))
def test_any_name_is_text_in_every_form(name: str) -> None:
    found = judgement(name)
    ElementTree.fromstring(gate.write_form(found, "junit").encode())  # noqa: S314 - our own
    for form in ("sarif", "json", "badge"):
        json.loads(gate.write_form(found, form))
    assert len(gate.write_form(found, "github").splitlines()) == 3
    gate.write_form(found, "markdown").encode()
    gate.write_form(found, "text").encode()


def test_junit_counts_failures_and_what_is_inconclusive() -> None:
    root = valid_junit(gate.write_form(judgement(), "junit"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")
    suite = root[0]
    assert [case.get("name") for case in suite.iter("testcase")] == [
        "codecarbon codecarbon",
        "codecarbon codecarbon, workload codecarbon",
        "codecarbon codecarbon, overhead",
    ]
    assert "Next: repair the meter" in str(next(suite.iter("failure")).get("message"))
    assert next(suite.iter("error")).get("type") == "straddles"
    facts = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert facts["report"] == "https://example.org/report.html"


def test_sarif_has_a_result_for_every_rule_at_its_line() -> None:
    [run] = valid_sarif(gate.write_form(judgement(), "sarif"))["runs"]
    assert [(each["kind"], each["level"]) for each in run["results"]] == [
        ("fail", "error"),
        ("open", "none"),
        ("pass", "none"),
        ("pass", "none"),
    ]
    [place] = run["results"][0]["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "gate.toml"},
        "region": {"startLine": 12},
    }
    ids = [each["id"] for each in run["tool"]["driver"]["rules"]]
    for each in run["results"]:
        assert ids[each["ruleIndex"]] == each["ruleId"]
        assert each["hostedViewerUri"] == "https://example.org/report.html"
    prints = [each["partialFingerprints"]["crosswattRule/v1"] for each in run["results"]]
    assert len({*prints}) == 4


def test_sarif_tells_a_wrong_log_from_a_right_one() -> None:
    log = json.loads(gate.write_form(judgement(), "sarif"))
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        valid_sarif(json.dumps(log))


def test_a_policy_elsewhere_has_an_address_of_its_own(tmp_path: Path) -> None:
    path = str(tmp_path / "my gate.toml")
    [run] = valid_sarif(gate.write_form(judgement(policy=path), "sarif"))["runs"]
    where = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert where.startswith("file:///")
    assert where.endswith("/my%20gate.toml")


@pytest.mark.parametrize(
    ("report", "link"),
    [
        ("https://example.org/a b", "[Report](<https://example.org/a%20b>)"),
        ("https://example.org/x>) [y](z", "[Report](<https://example.org/x%3E%29%20%5By%5D%28z>)"),
        ("javascript:alert(1)", "Report: javascript:alert(1)."),
        ("second/report.html", "Report: second/report.html."),
    ],
)
def test_a_report_is_a_link_only_where_it_is_on_the_web(report: str, link: str) -> None:
    assert link in gate.write_form(judgement(report=report), "markdown")


def test_what_is_simulated_says_so_in_every_form_for_people() -> None:
    found = judgement(simulated=True)
    for form in ("markdown", "github", "junit", "badge"):
        assert "simulated" in gate.write_form(found, form).lower()


def test_annotations_name_the_file_and_the_line() -> None:
    first = gate.write_form(judgement(), "github").splitlines()[0]
    title = "title=outside%3A codecarbon codecarbon"
    assert first.startswith(f"::error file=gate.toml,line=12,{title}::codecarbon. Next: ")
    assert first.endswith("Report: https://example.org/report.html")


def test_a_badge_has_the_state_and_its_colour() -> None:
    badge = json.loads(gate.write_form(judgement(), "badge"))
    assert badge["message"] == "1 fail, 1 inconclusive, 2 pass"
    assert badge["color"] == "red"
    sound = judgement(rulings=judgement().rulings[2:])
    assert json.loads(gate.write_form(sound, "badge"))["message"] == "pass"


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UnknownName, match="junit"):
        gate.write_form(judgement(), "junt")


@pytest.fixture
def campaign(tmp_path: Path) -> tuple[Path, Path]:
    """A campaign, and a policy that it passes."""
    folder = build(tmp_path / "c", {"truth": truth(), "good": about(1.0)}, lengths=(5.0, 8.0, 6.0))
    policy = tmp_path / "gate.toml"
    assert main(["gate", "--init", str(folder), "--out", str(policy)]) == 0
    return folder, policy


def test_the_command_prints_one_form_and_writes_others(
    campaign: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, policy = campaign
    policy.write_text(policy.read_text().replace("package-0", "package-1"))
    capsys.readouterr()
    line = ["gate", str(folder), "--policy", str(policy), "--format", "json"]
    files = {form: tmp_path / f"gate.{form}" for form in FORMS}
    outputs = [word for form, path in files.items() for word in ("--output", f"{form}={path}")]
    assert main([*line, *outputs, "--report", "https://example.org/r"]) == 1
    printed = capsys.readouterr().out
    assert printed == files["json"].read_text()
    document = json.loads(printed)
    assert (document["state"], document["report"]) == ("fail", "https://example.org/r")
    assert [each["kind"] for each in document["rulings"]] == ["column gone", "within"]
    lines = policy.read_text().splitlines()
    assert [each["line"] for each in document["rulings"]] == [1 + lines.index(PROBE), 1]
    valid_sarif(files["sarif"].read_text())
    valid_junit(files["junit"].read_text())
    assert files["text"].read_text().splitlines()[-1] == "fail"


def test_each_rule_is_found_in_its_line(campaign: tuple[Path, Path]) -> None:
    _, path = campaign
    head, rest = path.read_text().split("probe = [")
    rules = f"{head}[machine]{rest.split('[machine]')[1]}"
    table = '[[probe]]\nname = "{}"\ncolumn = "package-0"\n'
    path.write_text(rules + table.format("good") + "# more\n" + table.format("other"))
    found = gate.judged(analysis.analyze(campaign[0]), gate.load(path), path)
    starts = [n for n, line in enumerate(path.read_text().splitlines(), 1) if line == "[[probe]]"]
    assert [found.line_of(each) for each in found.rulings] == starts


def test_out_takes_the_form_that_would_be_printed(
    campaign: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, policy = campaign
    capsys.readouterr()
    target = tmp_path / "gate.xml"
    line = ["gate", str(folder), "--policy", str(policy), "-f", "junit", "--out", str(target)]
    assert main(line) == 0
    assert "pass: 1 pass. Written:" in " ".join(capsys.readouterr().out.split())
    assert valid_junit(target.read_text()).get("errors") == "0"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--format", "junt"], "did you mean junit"),
        (["--output", "gate.xml"], "write --output junit=gate.xml"),
        (["--output", "xml=gate.xml"], "There is no form of a judgement named 'xml'"),
    ],
)
def test_a_form_that_there_is_not_is_refused_before_anything_is_judged(
    campaign: tuple[Path, Path], more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, policy = campaign
    capsys.readouterr()
    assert main(["gate", str(folder), "--policy", str(policy), *more]) == 64
    assert words in " ".join(capsys.readouterr().err.split())
