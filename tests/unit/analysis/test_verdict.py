"""The verdict on a probe is its worst column, then what it lost, then what is not covered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import analysis, store
from calibrate.analysis import Analysis
from calibrate.analysis.verdict import not_seen
from calibrate.diagnosis import Severity
from calibrate.errors import UnknownName
from calibrate.store import ProbeState, RunRecord
from tests.helpers.campaigns import Fake, build, domain, truth


def scaled(ratio: float, scope: str = "package-0") -> Fake:
    return Fake(lambda watts, seconds: ratio * watts * seconds, domain(scope))


def lose(folder: Path, probe: str, *runs: str) -> None:
    """Let a probe fail in some runs."""
    for run in runs:
        place = folder / run
        record = store.read(place / store.RUN, RunRecord)
        failed = ProbeState(status="failed", reason="went from 28890 J to 28917 J at once")
        store.save(
            place / store.RUN, record.model_copy(update={"probes": record.probes | {probe: failed}})
        )
        log = place / f"{probe}.jsonl"
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:3]))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    fakes = {
        "truth": truth(),
        "good": scaled(1.0),
        "kilo": scaled(1e-3),
        "zero": scaled(0.0),
        "lost": scaled(1.0),
        "memory": scaled(1.0, "dram-0"),
    }
    folder = build(tmp_path_factory.mktemp("verdict") / "c", fakes)
    lose(folder, "lost", "001-idle", "002-gemm", "003-square")
    return analysis.analyze(folder)


def test_probes_are_sorted_from_the_worst_to_the_best(found: Analysis) -> None:
    order = [(each.probe, each.severity) for each in found.verdicts]
    assert order == [
        ("zero", Severity.DEAD),
        ("kilo", Severity.FAULT),
        ("lost", Severity.LOST_RUNS),
        ("good", Severity.SOUND),
        ("memory", Severity.NOT_COMPARED),
    ]


def test_a_probe_that_lost_runs_is_not_sound_and_says_which(found: Analysis) -> None:
    verdict = found.probe_verdict("lost")
    assert not verdict.sound
    assert list(verdict.lost_runs) == ["001-idle", "002-gemm", "003-square"]
    assert verdict.runs == 8
    assert all("28917 J" in why for why in verdict.lost_runs.values())


def test_a_probe_without_a_reference_has_no_finding_and_says_what_is_missing(
    found: Analysis,
) -> None:
    verdict = found.probe_verdict("memory")
    assert verdict.worst is None
    assert [each.missing_scope for each in verdict.not_covered] == ["dram-0"]


def test_an_unknown_probe_names_the_nearest(found: Analysis) -> None:
    with pytest.raises(UnknownName, match="did you mean kilo"):
        found.probe_verdict("kilos")


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        (("package-0", "package-1"), ()),
        (("package",), ()),
        (("package-0",), ("package-1",)),
        (("core-0",), ("package-0", "core-1", "package-1")),
        (("dram-0", "machine"), ()),
        (("gpu-0",), ()),
        (("process",), ()),
    ],
)
def test_what_a_meter_leaves_out_of_the_machine_is_told(
    scopes: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    machine = ("package-0", "core-0", "core-1", "package-1", "node", "package", "dram-0", "dram-1")
    assert not_seen(scopes, machine) == missing


def test_a_sound_column_of_half_of_the_packages_gets_no_tick(tmp_path: Path) -> None:
    one = Fake(lambda w, s: w * s, domain("package-0", "truth"))
    both = replace(one, more=(Fake(lambda w, s: w * s, domain("package-1", "truth")),))
    found = analysis.analyze(build(tmp_path / "c", {"truth": both, "half": scaled(1.0)}))
    verdict = found.probe_verdict("half")
    assert (verdict.severity, verdict.not_seen) == (Severity.PART, ("package-1",))
    assert verdict.worst is not None and verdict.worst.severity is Severity.SOUND


def test_a_column_that_is_far_off_in_every_run_cannot_be_trusted_though_no_reason_is_named(
    tmp_path: Path,
) -> None:
    folder = build(
        tmp_path / "c", {"truth": truth(), "low": scaled(0.7)}, {"gemm": 60.0}, (5.0, 6.0, 8.0)
    )
    worst = analysis.analyze(folder).probe_verdict("low").worst
    assert worst is not None and not worst.diagnosis.conclusive
    assert worst.severity is Severity.UNEXPLAINED
