"""A campaign is judged by a policy: every column, on its machine, with its uncertainty."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibrate import analysis, gate, store
from calibrate.analysis import Analysis
from calibrate.errors import CrosswattError
from calibrate.gate import Kind, Policy, Ruling
from calibrate.probe import Domain
from calibrate.store import ProbeState, RunRecord
from tests.helpers.campaigns import LOADS, MACHINE, Fake, build, domain, truth
from tests.helpers.gating import LENGTHS, about, measured

HOUR = 3600 * 10**9


def policy(probe: dict[str, Any] | None = None, **changes: Any) -> Policy:
    rule = {"name": "good", "column": "package-0", **(probe or {})}
    machine = {"label": MACHINE.label, "simulated": True}
    return Policy.model_validate(
        {"reference": "truth", "machine": machine, "probe": [rule], **changes}
    )


def kinds(found: Analysis, rules: Policy) -> dict[tuple[str, str], Kind]:
    return {(each.probe, each.column): each.kind for each in gate.judge(found, rules)}


def only(found: Analysis, rules: Policy) -> Ruling:
    [ruling] = gate.judge(found, rules)
    return ruling


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return measured(
        tmp_path_factory.mktemp("gate") / "campaign",
        good=about(1.0),
        kilo=about(1.04e-3, 0.02),
        gain=about(0.8),
        negative=Fake(lambda w, s: w * s - 262143.0, domain(kind="window")),
    )


ACCEPTED_GAIN = {"name": "gain", "ratio": 0.8, "accepted": {"reason": "old"}}


@pytest.mark.parametrize(
    ("probe", "changes", "kind"),
    [
        ({}, {}, Kind.WITHIN),
        ({"name": "gain"}, {}, Kind.FAULT),
        (ACCEPTED_GAIN, {}, Kind.WITHIN),
        ({"name": "gain", "accepted": {"reason": "old"}}, {}, Kind.OUTSIDE),
        (
            ACCEPTED_GAIN | {"accepted": {"reason": "old", "faults": ["scale-1e-3"]}},
            {},
            Kind.OTHER_FAULT,
        ),
        ({"name": "negative"}, {}, Kind.FAULT),
        ({"name": "negative", "accepted": {"reason": "old"}}, {}, Kind.NO_ENERGY),
        ({"name": "nobody"}, {}, Kind.NOT_MEASURED),
        ({"name": "truth"}, {}, Kind.NOT_COMPARED),
        ({}, {"min_runs": 100}, Kind.TOO_FEW),
        ({}, {"min_workloads": 9}, Kind.TOO_FEW),
        ({"need": 1e-9}, {}, Kind.STRADDLES),
        ({}, {"near_zero_w": 25}, Kind.WITHIN),
        ({"within_w": 1e-4}, {"near_zero_w": 25}, Kind.NEAR_ZERO),
    ],
)  # fmt: skip
def test_every_ruling_has_a_kind(
    found: Analysis, probe: dict[str, Any], changes: dict[str, Any], kind: Kind
) -> None:
    ruling = only(found, policy(probe, **changes))
    assert ruling.kind is kind, ruling
    assert ruling.state == gate.STATES[kind]


def test_the_interval_is_the_guard_band(tmp_path: Path) -> None:
    """Runs 3 % off with a scatter of 3 %: inside a need of 10 %, across 4 %, outside 0.5 %."""
    found = measured(tmp_path / "c", good=about(1.03, 0.005, seed=3))
    assert [
        only(found, policy(need=need, probe={"accepted": {"reason": "any"}})).kind
        for need in (0.1, 0.03, 0.005)
    ] == [Kind.WITHIN, Kind.STRADDLES, Kind.OUTSIDE]


def add_column(folder: Path, probe: str, ratio: float, scope: str = "dram-0") -> None:
    """Give a probe a second column, which says `ratio` times what the first says."""
    for path in folder.glob(f"*/{probe}.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if line["doc"] == "probe":
                [first] = line["domains"]
                line["domains"].append(first | {"name": scope, "scope": scope})
            elif line["doc"] == "reading":
                [value] = line["values"].values()
                line["values"][scope] = ratio * value
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_column_without_a_rule_is_judged_where_its_probe_has_one(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "good": about(1.0)}, lengths=LENGTHS)
    add_column(folder, "truth", 0.5)
    add_column(folder, "good", 0.25)
    ruled = kinds(analysis.analyze(folder), policy())
    assert ruled["good", "package-0"] is Kind.WITHIN
    assert ruled["good", "dram-0"] is Kind.FAULT


def test_a_column_that_the_probe_no_longer_has_fails(found: Analysis) -> None:
    assert only_of(found, policy({"column": "gpu-0"}), "gpu-0").kind is Kind.COLUMN_GONE
    assert gate.overall(gate.judge(found, policy({"column": "gpu-0"}))) == "fail"


def only_of(found: Analysis, rules: Policy, column: str) -> Ruling:
    [ruling] = [each for each in gate.judge(found, rules) if each.column == column]
    return ruling


def test_lost_runs_are_inconclusive_unless_the_policy_admits_them(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "good": about(1.0)}, lengths=LENGTHS)
    lose(folder, "good", "001-idle")
    found = analysis.analyze(folder)
    ruling = only(found, policy())
    assert (ruling.kind, ruling.state) == (Kind.LOST_RUNS, "inconclusive")
    assert "1 of 12 runs are lost (001-idle" in ruling.sentence
    assert only(found, policy(max_lost_runs=1)).kind is Kind.WITHIN


def lose(folder: Path, probe: str, run: str) -> None:
    """Let a probe fail in a run."""
    record = store.read(folder / run / store.RUN, RunRecord)
    failed = record.probes | {probe: ProbeState(status="failed", reason="it broke off")}
    store.save(folder / run / store.RUN, record.model_copy(update={"probes": failed}))
    log = folder / run / f"{probe}.jsonl"
    log.write_text(log.read_text().replace('"status": "ok"', '"status": "failed"'))


def test_runs_below_a_step_are_too_short_and_no_failure(tmp_path: Path) -> None:
    def plug(watts: float, seconds: float) -> float:
        return 3600.0 * int(watts * seconds / 3600)

    coarse = Fake(plug, replace(domain(kind="window"), resolution_j=3600.0))
    ruling = only(measured(tmp_path / "c", good=coarse), policy())
    assert (ruling.kind, ruling.state) == (Kind.TOO_SHORT, "inconclusive")
    assert "too short for this meter, whose step is 3600 J" in ruling.sentence


def test_a_fault_in_one_workload_is_not_hidden_in_the_mean(tmp_path: Path) -> None:
    bad = Fake(lambda w, s: w * s * (1.15 if w == LOADS["idle"] else 1.0), domain())
    found = measured(tmp_path / "c", good=bad)
    rules = policy({"accepted": {"reason": "its diagnosis is not what is tested here"}})
    ruling = only(found, rules)
    assert ruling.kind is Kind.WORKLOAD
    assert "idle is off by +15 %, more than 2 times 5 %" in ruling.sentence


def test_the_accuracy_of_the_reference_widens_the_guard_band(tmp_path: Path) -> None:
    def beside(u_relative: float) -> Ruling:
        wall = Domain(
            "package-0", "package-0", "counter", "measured", "wall", u_relative=u_relative
        )
        fakes = {"wall": Fake(lambda w, s: w * s, wall), "good": about(1.0)}
        folder = build(tmp_path / f"{u_relative}", fakes, lengths=LENGTHS)
        return only(analysis.analyze(folder), policy(reference="wall"))

    assert beside(0.01).kind is Kind.WITHIN
    coarse = beside(0.03)
    assert coarse.kind is Kind.REFERENCE
    assert "the reference is known to 6 % (95 %) only" in coarse.sentence


def test_a_reference_of_the_same_family_is_inconclusive_unless_admitted(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"rapl": about(1.0), "good": about(1.0)})
    found = analysis.analyze(folder)
    assert only(found, policy(reference="rapl")).kind is Kind.SAME_SOURCE
    assert only(found, policy(reference="rapl", consistency=True)).kind is Kind.WITHIN


def test_a_policy_is_for_its_machine(found: Analysis) -> None:
    other = policy(machine={"label": "AMD EPYC", "simulated": False, "cpus": 64})
    with pytest.raises(CrosswattError, match=r"'AMD EPYC', .* \(simulated, label, cpus differ\)"):
        gate.judge(found, other)


def on_days(folder: Path, effect: tuple[float, ...], **fakes: Fake) -> Analysis:
    """Build a campaign with a repeat a day, each day with an effect of its own on the probe."""
    build(folder, {"truth": truth(), **fakes}, lengths=(6.0,) * len(effect))
    for place in sorted(folder.glob("*/run.json")):
        record = store.read(place, RunRecord)
        day = record.repeat - 1
        then = {"epoch_ns": day * 24 * HOUR + record.number * 20 * 10**9}
        store.save(place, record.model_copy(update=then))
        log = place.with_name("good.jsonl")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            if line["doc"] == "reading":
                line["values"] = {k: v * (1 + effect[day]) for k, v in line["values"].items()}
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return analysis.analyze(folder)


def test_what_differs_between_sessions_is_part_of_the_uncertainty(tmp_path: Path) -> None:
    steady = on_days(tmp_path / "steady", (0.0,) * 4, good=about(1.0, 0.002))
    moved = on_days(tmp_path / "moved", (0.03, -0.03, 0.02, -0.02), good=about(1.0, 0.002))
    assert "4 sessions" in only(steady, policy()).sentence
    assert only(steady, policy(need=0.03)).kind is Kind.WITHIN
    wide = only(moved, policy(need=0.03))
    assert wide.kind is Kind.STRADDLES
    assert "most of it is what differs between sessions" in wide.sentence


def test_a_ruling_on_something_else_has_the_figure_too(found: Analysis) -> None:
    ruling = only(found, policy({"name": "gain"}))
    assert ruling.kind is Kind.FAULT
    assert ruling.sentence.startswith("diagnosis: constant gain; ratio 0.79")
    shown = ruling.shown
    assert shown and shown.low and shown.high and shown.low < 0.8 < shown.high


def test_one_session_is_said_to_be_one(found: Analysis) -> None:
    assert "; 1 session" in only(found, policy()).sentence


def test_a_pause_or_a_start_of_the_machine_ends_a_session(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "good": about(1.0)}, {"gemm": 60.0})
    record = store.read(folder / "002-gemm" / store.RUN, RunRecord)
    for changed in ({"epoch_ns": HOUR}, {"epoch_ns": 10**9, "begin_ns": record.begin_ns - 1}):
        store.save(folder / "002-gemm" / store.RUN, record.model_copy(update=changed))
        found = analysis.analyze(folder)
        assert gate_sessions(found) == {"001-gemm": 0, "002-gemm": 1}
    store.save(folder / "002-gemm" / store.RUN, record.model_copy(update={"epoch_ns": 10**9}))
    assert set(gate_sessions(analysis.analyze(folder)).values()) == {0}


def gate_sessions(found: Analysis) -> dict[str, int]:
    from calibrate.gate.sessions import sessions

    return sessions(found.campaign)


def test_overall_is_the_worst() -> None:
    def rulings(*kinds: Kind) -> list[Ruling]:
        return [Ruling(probe="a", column="b", kind=kind, sentence="") for kind in kinds]

    assert gate.overall(rulings(Kind.WITHIN, Kind.WITHIN)) == "pass"
    assert gate.overall(rulings(Kind.WITHIN, Kind.LOST_RUNS)) == "inconclusive"
    assert gate.overall(rulings(Kind.LOST_RUNS, Kind.COLUMN_GONE)) == "fail"
    assert gate.overall([]) == "inconclusive"


def test_the_page_on_the_gate_lists_every_kind_with_its_state() -> None:
    page = (Path(__file__).parents[3] / "docs" / "gate.md").read_text()
    listed = re.findall(r"^\| `([a-z ]+)` \| (pass|fail|inconclusive) \|", page, re.M)
    assert listed == [(kind.value, gate.STATES[kind]) for kind in Kind]
