"""What a policy asks beside agreement: workloads, forbidden faults, spread, overhead, drift."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibrate import gate
from calibrate.analysis import Analysis
from calibrate.diagnosis import NO_FAULT
from calibrate.errors import BadFile
from calibrate.gate import Kind, Policy, Ruling
from calibrate.gate.forbidding import forbidden
from calibrate.gate.limits import overhead
from calibrate.store import CampaignRecord
from tests.helpers.campaigns import LOADS, MACHINE, Fake, domain
from tests.helpers.gating import about, measured


def policy(probe: dict[str, Any] | None = None, **changes: Any) -> Policy:
    rule = {"name": "good", "column": "package-0", **(probe or {})}
    machine = {"label": MACHINE.label, "simulated": True}
    return Policy.model_validate(
        {"reference": "truth", "machine": machine, "probe": [rule], **changes}
    )


def ruled(found: Analysis, rules: Policy, name: str) -> Ruling:
    [ruling] = [each for each in gate.judge(found, rules) if each.rule == name]
    return ruling


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    idle_off = Fake(lambda w, s: w * s * (1.06 if w == LOADS["idle"] else 1.0), domain())
    return measured(
        tmp_path_factory.mktemp("rules") / "campaign",
        good=about(1.0),
        kilo=about(1e-3),
        uneven=idle_off,
        wild=about(1.0, 0.1, seed=5),
    )


def test_nothing_more_is_judged_than_is_asked(found: Analysis) -> None:
    assert [each.rule for each in gate.judge(found, policy())] == ["agreement"]


@pytest.mark.parametrize(
    ("need", "name", "kind"),
    [
        (0.1, "idle", Kind.WITHIN),
        (0.02, "idle", Kind.WORKLOAD),
        (0.02, "gemm", Kind.WITHIN),
        (0.02, "nobody", Kind.NOT_MEASURED),
    ],
)
def test_a_workload_can_have_a_need_of_its_own(
    found: Analysis, need: float, name: str, kind: Kind
) -> None:
    rules = policy({"name": "uneven", "workload": [{"name": name, "need": need}]})
    ruling = ruled(found, rules, "workload")
    assert (ruling.kind, ruling.workload) == (kind, name)
    assert ruling.name == f"uneven package-0, workload {name}"


def test_a_forbidden_fault_fails_though_it_was_accepted(found: Analysis) -> None:
    accepted = {"name": "kilo", "ratio": 1e-3, "accepted": {"reason": "it has always been"}}
    assert ruled(found, policy(accepted), "agreement").kind is Kind.WITHIN
    rules = policy(accepted, forbid=["scale"])
    assert ruled(found, rules, "agreement").kind is Kind.WITHIN
    ruling = ruled(found, rules, "forbid")
    assert (ruling.kind, ruling.state) == (Kind.FORBIDDEN, "fail")
    assert "scale 1e-3" in ruling.sentence
    assert ruled(found, policy(accepted, forbid=["wrap"]), "forbid").kind is Kind.WITHIN


def test_a_rule_takes_back_what_the_policy_forbids(found: Analysis) -> None:
    rules = policy({"forbid": []}, forbid=["scale"])
    assert [each.rule for each in gate.judge(found, rules)] == ["agreement"]


def test_a_forbidden_fault_among_others_is_not_settled(found: Analysis) -> None:
    kilo = found["kilo"].diagnosis
    both = replace(kilo, keys=(("scale-1e-3",), ("one-socket",)))
    assert forbidden(both, ["scale"]).kind is Kind.UNDECIDED
    assert forbidden(both, ["scale", "count"]).kind is Kind.FORBIDDEN
    perhaps = replace(both, alternatives=(NO_FAULT,))
    assert forbidden(perhaps, ["scale", "count"]).kind is Kind.UNDECIDED


@pytest.mark.parametrize(
    ("probe", "admitted", "kind"),
    [("good", 0.05, Kind.WITHIN), ("wild", 0.01, Kind.SPREAD), ("wild", 0.22, Kind.STRADDLES)],
)
def test_single_runs_have_limits_of_agreement(
    found: Analysis, probe: str, admitted: float, kind: Kind
) -> None:
    ruling = ruled(found, policy({"name": probe, "max_spread": admitted}), "spread")
    assert ruling.kind is kind, ruling.sentence
    assert ruling.shown and ruling.shown.most == 1 + admitted


def test_overhead_is_the_cpu_time_while_recording(found: Analysis) -> None:
    share = found.comparison.probes["good"].cpu_share
    assert share is not None
    for admitted, kind in ((2 * share, Kind.WITHIN), (share / 2, Kind.OVERHEAD)):
        assert ruled(found, policy(max_overhead=admitted), "overhead").kind is kind
    assert overhead(None, 0.1).kind is Kind.NOT_MEASURED


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the calibration of a probe that reads 20 % low, and one with an offset."""
    folder = tmp_path_factory.mktemp("calibrated") / "campaign"
    before = measured(folder, good=about(0.8), offset=about(1.0, offset_w=8.0))
    before.write()
    return folder / "calibration.json"


@pytest.mark.parametrize(
    ("gain", "kind"), [(0.8, Kind.WITHIN), (0.88, Kind.DRIFT), (0.832, Kind.STRADDLES)]
)
def test_a_stored_calibration_has_to_hold_still(
    calibrated: Path, tmp_path: Path, gain: float, kind: Kind
) -> None:
    now = measured(tmp_path / "now", good=about(gain, 0.004, seed=11))
    rules = policy(calibration=str(calibrated), max_drift=0.04)
    ruling = ruled(now, rules, "drift")
    assert ruling.kind is kind, ruling.sentence
    assert ruling.shown and ruling.shown.value == pytest.approx(gain / 0.8, rel=0.01)
    assert ruled(now, rules, "agreement").state == "fail"  # it is 20 % low all the same


def test_an_offset_that_grows_is_a_drift(calibrated: Path, tmp_path: Path) -> None:
    rules = policy({"name": "offset"}, calibration=str(calibrated))
    for watts, kind in ((8.0, Kind.WITHIN), (16.0, Kind.DRIFT)):
        now = measured(tmp_path / f"{watts}", offset=about(1.0, seed=13, offset_w=watts))
        assert ruled(now, rules, "drift").kind is kind


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"machine": "simulated machine: made by hand"', '"machine": "EPYC"', "another machine"),
        ('"reference": "truth"', '"reference": "wall"', "another reference, wall"),
        ('"expires": "', '"expires": "2001-01-01', "expired on 2001-01-01"),
        ('"column": "package-0"', '"column": "gpu-0"', "no correction of this column"),
    ],
)
def test_a_calibration_of_something_else_says_nothing(
    calibrated: Path, tmp_path: Path, found: Analysis, old: str, new: str, words: str
) -> None:
    text = calibrated.read_text()
    assert old in text
    changed = tmp_path / "calibration.json"
    changed.write_text(text.replace(old, new))
    ruling = ruled(found, policy(calibration=str(changed)), "drift")
    assert (ruling.kind, ruling.state) == (Kind.NO_CALIBRATION, "inconclusive")
    assert words in ruling.sentence


HEAD = """\
schema = 2
reference = "truth"
calibration = "stored/calibration.json"

[machine]
label = "m"
simulated = true

[[probe]]
name = "a"
column = "b"
"""


def test_a_calibration_is_found_from_the_folder_of_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(HEAD)
    assert gate.load(path).calibration == str(tmp_path / "stored" / "calibration.json")


def test_a_calibration_that_is_not_there_is_an_error(found: Analysis, tmp_path: Path) -> None:
    with pytest.raises(BadFile):
        gate.judge(found, policy(calibration=str(tmp_path / "none.json")))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('forbid = ["scael"]', "no kind of fault named 'scael'; did you mean scale"),
        ("max_overhead = 0", "max_overhead: Input should be greater than 0"),
        ("max_drift = 5", "max_drift: Input should be less than 1"),
        ("workload = [{name = 'x', need = 0.1}, {name = 'x', need = 0.2}]", "has two rules"),
        ("workload = [{name = 'x'}]", "need: it is missing"),
    ],
)
def test_a_bad_rule_is_refused_by_key(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(HEAD + line + "\n")
    with pytest.raises(BadFile, match=f"(?i){words}"):
        gate.load(path)


def test_few_sessions_are_inconclusive_where_the_policy_wants_more(found: Analysis) -> None:
    ruling = ruled(found, policy(min_sessions=3), "agreement")
    assert ruling.kind is Kind.TOO_FEW
    assert "1 session; the policy wants 3" in ruling.sentence


def test_the_example_of_the_page_is_a_policy(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "gate.md").read_text()
    path = tmp_path / "gate.toml"
    path.write_text(page.split("```toml\n")[1].split("```")[0])
    rules = gate.load(path)
    [rule] = rules.probe
    asked = rules.limits_of(rule)
    assert asked.forbid == ("scale", "wrap")
    assert (asked.max_overhead, asked.max_spread, asked.max_drift) == (0.02, 0.1, 0.02)
    assert [each.name for each in rule.workload] == ["idle"]


def test_everything_that_does_not_pass_has_a_next_step() -> None:
    assert {*Kind} - {*gate.NEXT} == {Kind.WITHIN}


def test_the_date_of_a_campaign_is_what_a_calibration_expires_by(
    calibrated: Path, found: Analysis, tmp_path: Path
) -> None:
    record: CampaignRecord = found.campaign.record
    assert record.created.startswith("2026-01-01")
    assert ruled(found, policy(calibration=str(calibrated)), "drift").kind is Kind.DRIFT
