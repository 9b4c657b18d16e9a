"""The verdict on a probe is its worst column, then what it lost, then what is not covered."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import analysis, store
from calibrate.analysis import Analysis
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
