"""The first sentence and the cards say the worst first, then what was lost and is not covered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import analysis
from calibrate.cli import main
from calibrate.reporting import digest, first_sentence
from calibrate.reporting.said import share
from tests.helpers.campaigns import Fake, build, domain, truth
from tests.unit.analysis.test_verdict import lose


def scaled(ratio: float, scope: str = "package-0") -> Fake:
    return Fake(lambda watts, seconds: ratio * watts * seconds, domain(scope))


def said(folder: Path, **fakes: Fake) -> str:
    return first_sentence(analysis.analyze(build(folder / "c", {"truth": truth(), **fakes})))


def test_what_cannot_be_trusted_comes_first(tmp_path: Path) -> None:
    sentence = said(tmp_path, a=scaled(1.0), b=scaled(1e-3), c=scaled(0.0))
    assert sentence == (
        "2 of 3 meters cannot be trusted here: c counts no energy; b reports a thousandth."
    )


def test_sound_meters_are_counted(tmp_path: Path) -> None:
    assert said(tmp_path, a=scaled(1.0), b=scaled(1.0)) == "No fault found in 2 of 2 meters."


def test_agreement_of_one_source_is_called_consistency(tmp_path: Path) -> None:
    fakes = {"rapl": scaled(1.0), "other": scaled(1.0)}
    found = analysis.analyze(build(tmp_path / "c", fakes), "rapl")
    assert first_sentence(found) == (
        "No fault found in 1 of 1 meter (consistency only: they read what rapl reads)."
    )


def test_without_a_comparison_it_says_so(tmp_path: Path) -> None:
    assert said(tmp_path, memory=scaled(1.0, "dram-0")) == (
        "No meter could be compared with truth."
    )


@pytest.fixture
def half_lost(tmp_path: Path) -> Path:
    """A probe that lost half of its runs and is right in the others."""
    folder = build(tmp_path / "c", {"truth": truth(), "rapl": scaled(1.0)})
    lose(folder, "rapl", "001-idle", "002-gemm", "003-square", "004-asr")
    return folder


def test_lost_runs_leave_no_tick_and_no_not_needed(half_lost: Path) -> None:
    found = analysis.analyze(half_lost)
    assert first_sentence(found) == "No meter can be cleared here. Lost runs: rapl 4 of 8."
    [card] = digest(found).cards
    assert (card.tone, card.symbol, card.badge) == ("open", "!", "4 of 8 runs lost")
    assert "needed" not in card.correct
    assert card.lines[0] == (
        "No figure in 001-idle, 002-gemm, 003-square, 004-asr: failed: went from 28890 J to 28917 "
        "J at once."
    )


def test_the_terminal_says_it_before_the_table(
    half_lost: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(half_lost)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == ("SIMULATED MACHINE. No meter can be cleared here. Lost runs: rapl 4 of 8.")
    assert "4 of 8 runs lost; in the others no fault found" in " ".join(lines)


def test_json_has_the_sentence_and_the_verdicts(half_lost: Path) -> None:
    document = json.loads(analysis.analyze(half_lost).report("json"))
    assert document["sentence"].startswith("No meter can be cleared")
    [verdict] = document["verdicts"]
    assert (verdict["severity"], verdict["column"]) == ("lost runs", "package-0")
    assert len(verdict["lost_runs"]) == 4


def test_the_worst_column_speaks_and_the_others_are_told(tmp_path: Path) -> None:
    def reference(*scopes: str) -> Fake:
        first, *others = (
            Fake(lambda watts, seconds: watts * seconds, domain(scope, "truth")) for scope in scopes
        )
        return replace(first, more=tuple(others))

    both = replace(scaled(1.0), more=(scaled(0.5, "dram-0"),))
    fakes = {"truth": reference("package-0", "dram-0"), "both": both}
    found = analysis.analyze(build(tmp_path / "c", fakes))
    assert first_sentence(found).startswith(
        "1 of 1 meter cannot be trusted here: both (dram-0) reports half of the energy"
    )
    [card] = digest(found).cards
    assert card.column.startswith("dram-0")
    assert any(line.startswith("Other columns:") and "package-0" in line for line in card.lines)
    bold = [row.cells[1] for row in digest(found).agreement.rows if row.main]
    assert bold == ["dram-0"]


def test_factors_have_words() -> None:
    assert [share(each) for each in (1e-3, 0.5, 3600.0, 1 / 3600)] == [
        "a thousandth", "half of the energy", "3,600 times the energy", "1/3,600 of the energy",
    ]  # fmt: skip
