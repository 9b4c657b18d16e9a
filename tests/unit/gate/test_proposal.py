"""A policy demands agreement, whatever the campaign shows; a fault is accepted by a person only."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate import analysis, gate, store
from calibrate.analysis import Analysis
from calibrate.errors import BadFile, CrosswattError
from calibrate.gate import Kind, Policy, PolicyMachine, Rule
from calibrate.store import CampaignRecord
from tests.helpers.campaigns import Fake, build, domain, truth
from tests.helpers.gating import LENGTHS, about, measured

MACHINE = '[machine]\nlabel = "m"\nsimulated = true\n'
RULE = '[[probe]]\nname = "a"\ncolumn = "b"\n'
HEAD = 'schema = 2\nreference = "truth"\n'
#: Names that would add a rule, or change one, if they were pasted into a document.
HOSTILE = (
    'a"\nneed = 0.9\n"',
    'a"\n[[probe]]\nname = "b',
    "a\nmin_runs = 2",
    "a\\",
    '"""',
    "a\x1b]52;c;aGk=\x07",
    "\x00\x7f",
    "# comment",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return measured(
        tmp_path_factory.mktemp("gate") / "campaign",
        good=about(1.01),
        kilo=about(1.04e-3, 0.01),
        offset=about(1.0, offset_w=8.0),
        dead=Fake(lambda _w, _s: 0.0, domain()),
    )


def read_back(policy: Policy, tmp_path: Path) -> Policy:
    path = tmp_path / "gate.toml"
    path.write_text(gate.policy_text(policy))
    return gate.load(path)


def test_a_policy_demands_agreement_and_not_what_was_found(tmp_path: Path) -> None:
    found = measured(tmp_path / "c", good=about(1.03, 0.005))
    policy, rulings = gate.propose(found, need=0.1)
    assert [(rule.ratio, rule.accepted) for rule in policy.probe] == [(1.0, None)]
    assert policy.need == 0.1
    assert [each.kind for each in rulings] == [Kind.WITHIN]
    assert read_back(policy, tmp_path) == policy


def test_the_need_is_that_of_the_campaign_unless_another_is_stated(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "good": about(1.0)}, lengths=LENGTHS)
    assert gate.propose(analysis.analyze(folder))[0].need == 0.05
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    store.save(folder / store.CAMPAIGN, record.model_copy(update={"need": 0.08}))
    assert gate.propose(analysis.analyze(folder))[0].need == 0.08
    assert gate.propose(analysis.analyze(folder), 0.03)[0].need == 0.03


def test_a_faulty_campaign_is_refused_with_every_column_that_fails(found: Analysis) -> None:
    with pytest.raises(CrosswattError, match="no policy was written") as refused:
        gate.propose(found)
    said = str(refused.value)
    for probe in ("kilo", "offset", "dead"):
        assert f"fail: {probe} package-0: " in said
    assert "good" not in said
    assert "--accept" in said


def test_what_is_accepted_keeps_its_reason_and_passes_as_it_is(
    found: Analysis, tmp_path: Path
) -> None:
    policy, rulings = gate.propose(found, accept="bought like this")
    assert gate.overall(rulings) == "pass"
    again = gate.judge(found, read_back(policy, tmp_path))
    assert [each.state for each in again] == ["pass"] * 4
    for each in again:
        assert ("accepted: bought like this" in each.sentence) == (each.probe != "good")
    assert {r.name: bool(r.accepted) for r in policy.probe}["good"] is False


@pytest.mark.parametrize(("change", "kind"), [(1.0, Kind.WITHIN), (1.1, Kind.OUTSIDE)])
def test_an_accepted_offset_is_held_to_itself_workload_by_workload(
    found: Analysis, tmp_path: Path, change: float, kind: Kind
) -> None:
    policy, _ = gate.propose(found, accept="bought like this")
    second = measured(
        tmp_path / "second",
        good=about(1.01),
        kilo=about(1.04e-3, 0.01, seed=11),
        offset=about(change, offset_w=8.0, seed=5),
        dead=Fake(lambda _w, _s: 0.0, domain()),
    )
    ruled = {each.probe: each.kind for each in gate.judge(second, policy)}
    assert ruled == {
        "good": Kind.WITHIN, "kilo": Kind.WITHIN, "dead": Kind.WITHIN, "offset": kind
    }  # fmt: skip


def test_a_probe_of_the_same_source_is_not_admitted_without_being_asked(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"rapl": about(1.0), "good": about(1.0)}, lengths=LENGTHS)
    found = analysis.analyze(folder)
    policy, [ruling] = gate.propose(found)
    assert (policy.consistency, ruling.kind) == (False, Kind.SAME_SOURCE)
    policy, [ruling] = gate.propose(found, consistency=True)
    assert (policy.consistency, ruling.kind) == (True, Kind.WITHIN)


def test_a_campaign_without_a_comparison_gives_no_policy(tmp_path: Path) -> None:
    found = measured(tmp_path / "c")
    with pytest.raises(CrosswattError, match="needs a column beside the reference"):
        gate.propose(found)


def named(*names: str, reason: str = "") -> Policy:
    accepted = {"accepted": {"reason": reason}} if reason else {}
    rules = [Rule.model_validate({"name": n, "column": n} | accepted) for n in names]
    return Policy(
        reference=names[0],
        machine=PolicyMachine(label=names[0], simulated=True),
        probe=tuple(rules),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_data_and_cannot_change_a_policy(name: str, tmp_path: Path) -> None:
    policy = named(name, "other", reason=name)
    assert read_back(policy, tmp_path) == policy


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_survives_a_policy(name: str) -> None:
    document = tomllib.loads(gate.policy_text(named(name, reason=name)))
    assert Policy.model_validate(document) == named(name, reason=name)


def test_a_line_of_the_gate_has_no_control_characters(found: Analysis) -> None:
    for name in HOSTILE:
        ruling = gate.Ruling(probe=name, column=name, kind=Kind.WITHIN, sentence=name)
        assert ruling.line.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reference = = 1\n", "not TOML.*line 1"),
        (HEAD + MACHINE, "probe: it is missing"),
        (HEAD + RULE, "machine: it is missing"),
        (f"{HEAD}{MACHINE}{RULE}need=-1", "probe.0.need: Input should"),
        (f"{HEAD}colour = 1\n{MACHINE}{RULE}", "colour: there is no such key"),
        (f"{HEAD}{MACHINE}{RULE}ratio = 0.8", "a ratio of 0.8 has to be accepted"),
        (f"{HEAD}{MACHINE}{RULE}{RULE}", "a b has two rules"),
        (f'schema = 1\nreference = "truth"\n{MACHINE}{RULE}', "schema: Input should be 2"),
    ],
)
def test_a_bad_policy_is_refused_by_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(BadFile, match=words):
        gate.load(path)
