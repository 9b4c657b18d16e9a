"""Conformance without a bench: commands that print joules, verdicts, and what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from calibrate.bench import Setup
from calibrate.conformance import (
    Command,
    Conformance,
    certificate_document,
    certificate_html,
    certificate_junit,
    load_certificate,
    load_scenarios,
    trials,
)
from calibrate.conformance.naming import KnownEnergy, Name, named
from calibrate.conformance.trials import Outcome, Scenario, Suspect, TrialFinding
from calibrate.energy import Column
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.store import Library


@pytest.mark.parametrize(
    ("pattern", "unit", "printed", "joules"),
    [
        (r"energy: ([0-9.]+)", "J", "energy: 3.5 J", 3.5),
        (r"energy: ([0-9.]+)", "kWh", "energy: 1\nenergy: 2e-0", 7.2e6),
        (".cpu.joules", "mJ", '{"cpu": {"joules": 2500}}', 2.5),
        (".0.j", "uJ", 'noise\n[{"j": "4e6"}]\n', 4.0),
        (".cpu", "J", '{"cpu": null}', None),
        (".gpu", "J", '{"cpu": 1}', None),
        (r"x=(\w+)", "J", "x=none", None),
        (r"x=(\w+)", "J", "", None),
    ],
)
def test_a_commands_energy(pattern: str, unit: str, printed: str, joules: float | None) -> None:
    assert Command(("meter",), pattern, unit).joules(printed) == joules


def test_a_pattern_or_unit_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(CrosswattError, match="one group"):
        Command(("meter",), "energy")
    with pytest.raises(CrosswattError, match="not a regular expression"):
        Command(("meter",), "(")
    with pytest.raises(UnknownName, match="kWh"):
        Command(("meter",), "(x)", "kwh")


def test_every_shipped_scenario_is_a_machine_that_can_be_had() -> None:
    scenarios = load_scenarios()
    assert len({each.name for each in scenarios.scenario}) == len(scenarios.scenario) >= 35
    for each in scenarios.scenario:
        Setup(each.model, each.faults, load=scenarios.load).check()
    healthy = {each.model for each in scenarios.scenario if not each.faults}
    assert {each.model for each in scenarios.scenario} == healthy
    assert len(healthy) >= 8


def test_scenarios_of_the_users_own(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="wrap"):
        load_scenarios(only=["wrp"])
    assert [e.name for e in load_scenarios(only=["vm", "wrap"]).scenario] == ["vm", "wrap"]
    path = tmp_path / "own.toml"
    path.write_text('seconds = "x"\n')
    with pytest.raises(BadFile, match=r"own\.toml"):
        load_scenarios(path)


HEALTHY = Scenario(name="desktop", about="a machine", model="desktop")
BROKEN = Scenario(name="stuck", about="a counter stops", model="desktop", faults=("stuck",))
HIDDEN = BROKEN.model_copy(update={"noticeable": False})


def done(joules: float, basis: str = "measured", **other: str) -> trials._Done:
    column = Column("package-0", "package-0", basis, "rapl", ("package-0",))  # type: ignore[arg-type]
    known = KnownEnergy({"package-0": 100.0}, {})
    right = abs(joules - 100) <= 1
    return trials._Done((trials._Figure(column, joules, known, right),), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scenario", "trial", "healthy", "verdict"),
    [
        (HEALTHY, done(100.2), None, "right"),
        (HEALTHY, done(90), None, "silent"),
        (HEALTHY, done(90, said="warning"), None, "silent"),
        (HEALTHY, done(90, basis="modelled"), None, "modelled"),
        (BROKEN, done(40), done(100), "silent"),
        (BROKEN, done(40, said="12:01 stuck!"), done(100, said="12:00 ready"), "noticed"),
        (BROKEN, done(40, said="12:01 ready"), done(100, said="12:00 ready"), "silent"),
        (HIDDEN, done(40), done(100), "misled"),
        (BROKEN, done(40, status="failed", reason="it stands still"), done(100), "refused"),
        (BROKEN, done(40, status="hung"), done(100), "stopped"),
        (BROKEN, trials._Done(()), done(100), "refused"),
    ],
)
def test_verdicts(
    scenario: Scenario,
    trial: trials._Done,
    healthy: trials._Done | None,
    verdict: str,
) -> None:
    assert trials._judge(scenario, trial, healthy).verdict == verdict


def test_a_command_that_cannot_be_run_is_stopped() -> None:
    trial = trials._Done((), "not started", "no energy in its output (exit code 127): not found")
    assert trials._judge(HEALTHY, trial, None).verdict == "stopped"


def test_a_meter_that_never_reports_has_not_passed() -> None:
    nothing = trials._Done((), "failed", "no licence", counters=True)
    bare = trials._Done((), "unavailable", "no counters", counters=False)
    both = (HEALTHY, BROKEN)
    assert trials._never_reported(both, (nothing, nothing))
    assert not trials._never_reported(both, (nothing, done(100.0)))
    assert not trials._never_reported((HEALTHY,), (bare,))  # to refuse is right where nothing is
    assert not trials._never_reported((BROKEN,), (nothing,))


def test_what_the_scenario_explains_is_not_guessed_at() -> None:
    outcome = trials._judge(BROKEN, done(40), done(100))
    assert outcome.words == "package-0: led astray: a counter stops"
    usual = trials._judge(BROKEN, done(0.04), done(0.1))
    assert usual.words.startswith("package-0: led astray: a counter stops; besides, a thousandth")


def test_reports_are_known_by_release() -> None:
    wrong = named("wrap", "the wrap is not corrected")
    outcome = Outcome(
        HEALTHY, "silent", "", (TrialFinding("cpu", "package", "measured", 1, 2, wrong),)
    )
    said = {
        release: trials._collect([outcome], Library("codecarbon", release))[0].reference
        for release in ("1.2.0", "2.0.0", "2.1.3", "2.1.4", "3.3.2")
    }
    assert [release for release, text in said.items() if "309" in text] == ["2.0.0", "2.1.3"]


def example() -> Conformance:
    name = named("scale-1e-3", "a thousandth & <more>")
    wrong = TrialFinding("cpu", "package", "measured", 0.1, 100.0, name)
    right = TrialFinding("cpu", "package", "measured", 100.0, 100.0)
    return Conformance(
        "meter-1.0",
        {"release": "1.0"},
        0.01,
        (
            Outcome(HEALTHY, "silent", "cpu: a thousandth & <more>", (wrong,)),
            Outcome(BROKEN, "right", "", (right,)),
        ),
        (Suspect("a thousandth & <more>", ("desktop",), "issue 286"),),
    )


def test_what_led_a_meter_astray_is_counted_and_not_listed(tmp_path: Path) -> None:
    outcome = trials._judge(BROKEN, done(40), done(100))
    suspects = trials._collect([outcome], Library("codecarbon", "2.0.0"))
    assert [each.unprotected for each in suspects] == [True]
    found = [Conformance("meter", {}, 0.01, (outcome,), suspects)]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(certificate_document(found)))
    for each in (found, load_certificate(path)):
        page = certificate_html(each)
        assert "<li>led astray by 1 fault <small>(stuck)</small></li>" in page
        assert "<li>led astray: a counter stops" not in page


def test_several_explanations_come_back_as_they_were(tmp_path: Path) -> None:
    either = Name((("mean-of-zones", "pue-1.58"), ("one-socket",)), "one or the other")
    wrong = TrialFinding("cpu", "package", "measured", 0.1, 100.0, either)
    found = [Conformance("meter", {}, 0.01, (Outcome(HEALTHY, "silent", "", (wrong,)),), ())]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(certificate_document(found)))
    [again] = load_certificate(path)
    assert again.outcomes[0].findings[0].name == either
    figure = json.loads(path.read_text())["meters"][0]["outcomes"][0]["figures"][0]
    assert figure["fault"] == "mean-of-zones, pue-1.58 or one-socket"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"/><failure message="b', 'a"/><failure message="b'),
        ("]]>&<!--", "]]>&<!--"),
        ("a\x1b]52;c;aGk=\x07\x00", "a\ufffd]52;c;aGk=\ufffd\ufffd"),
        ("\ud800\uffff", "\ufffd\ufffd"),
    ],
)
def test_junit_is_xml_whatever_a_meter_is_called(name: str, written: str) -> None:
    bad = replace(example(), meter=name, outcomes=(Outcome(HEALTHY, "silent", name, ()),))
    suite = ElementTree.fromstring(certificate_junit([bad]))[0]  # noqa: S314 - our own
    [case] = suite
    [failure] = case
    assert (suite.get("name"), case.get("classname")) == (written, written)
    assert written in str(failure.get("message"))


def test_json_junit_and_page(tmp_path: Path) -> None:
    found = [example()]
    meter = json.loads(json.dumps(certificate_document(found)))["meters"][0]
    assert meter["failed"] is True
    assert meter["repair"] == {"low": 1000, "high": 1000, "machines": ["desktop"]}
    assert meter["outcomes"][0]["figures"][0]["fault"] == "scale-1e-3"
    suite = ElementTree.fromstring(certificate_junit(found))[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = suite[0].find("failure")
    assert failure is not None
    assert "a thousandth & <more>" in str(failure.get("message"))
    path = tmp_path / "found.json"
    path.write_text(json.dumps(certificate_document(found)))
    assert certificate_document(load_certificate(path)) == certificate_document(found)
    page = certificate_html(found)
    assert "a thousandth &amp; &lt;more&gt;" in page
    assert "simulated machines" in page
    assert "1000 to 1000" in page
    path.write_text("{}")
    with pytest.raises(BadFile, match=r"conformance --out FILE\.json"):
        load_certificate(path)
