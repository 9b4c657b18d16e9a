"""Everything that follows from a campaign folder; computed again at any time, on any machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from calibrate import catalog, store
from calibrate.analysis.diagnosed import diagnose_pairs, with_parts_above
from calibrate.analysis.finding import Finding
from calibrate.analysis.frames import findings_frame, phases_frame, readings_frame, runs_frame
from calibrate.analysis.verdict import ProbeVerdict, probe_verdicts
from calibrate.calibration import NEED, Calibration, fit_calibration
from calibrate.campaign import Publication, remaining_disturbed
from calibrate.comparison import (
    ColumnDifferences,
    Comparison,
    RunPower,
    WorkloadSummary,
    compare,
    differences,
    power_traces,
    summarize_workloads,
)
from calibrate.costs import (
    Bill,
    Case,
    Claim,
    Footprint,
    Intensity,
    Learnings,
    Usage,
    asked_publication,
    bills,
    cases,
    find_intensity,
    footprint,
    judge_claims,
    learnings,
    own_workloads,
    workload_usage,
)
from calibrate.diagnosis import (
    Diagnosis,
)
from calibrate.energy import (
    MeasuredPhase,
    PhaseEnergy,
    PhasesDocument,
    campaign_phases,
    measured_phases,
    phases_to_show,
    run_meters,
)
from calibrate.errors import UnknownName
from calibrate.store import Campaign, Document, Saved

if TYPE_CHECKING:
    import pandas as pd

COMPARISON, DIAGNOSIS, CALIBRATION = "comparison.json", "diagnosis.json", "calibration.json"
PHASES, LEARNING = "phases.json", "learning.json"


class DiagnosisRecord(Document):
    """The diagnosis of one column, as a document has it."""

    probe: str
    column: str
    scope: str
    headline: bool
    diagnosis: Diagnosis


class DiagnosisDocument(Saved):
    """All diagnoses of a campaign, as ``diagnosis.json``."""

    kind: Literal["diagnosis"] = "diagnosis"
    simulated: bool
    machine: str
    reference: str
    findings: tuple[DiagnosisRecord, ...]


@dataclass(frozen=True)
class Analysis:
    """A campaign with everything that follows from it.

    An analysis is a mapping of findings: ``analysis["codecarbon"]`` is the headline column of a
    probe, ``analysis["codecarbon", "cpu"]`` another column, and iterating yields all findings.

    Parameters
    ----------
    campaign : its documents; the readings of its runs are left out, see `readings`.
    comparison : every column beside the reference.
    diagnoses : by (probe, column).
    calibration : a correction of every column.
    phase_document : energy of every phase, by probe.
    shown_phases : the phases that a reader can follow: of workloads that mark several, epochs
        together where they are many.
    learnings : energy against quality of workloads that learn in epochs.
    bills : energy of training beside energy of use, by model and probe.
    cases : energy and accuracy of learning algorithms, by probe.
    publication : what claims about them; None where no learning algorithm ran.
    claims : claims of the publication, judged by each probe.
    power : power over time, one run of each workload.
    workloads : what each workload did.
    differences : how far each column is off, workload by workload; by (probe, column).
    disturbed : runs that were compared despite disturbance, with the reason.
    footprint : CO2e, where an intensity was asked for.
    program : the energy of the user's own programs, by every probe.
    """

    campaign: Campaign
    comparison: Comparison
    diagnoses: dict[tuple[str, str], Diagnosis]
    calibration: Calibration
    phase_document: PhasesDocument
    shown_phases: tuple[PhaseEnergy, ...]
    learnings: Learnings
    bills: tuple[Bill, ...]
    cases: tuple[Case, ...]
    publication: Publication | None
    claims: dict[str, tuple[Claim, ...]]
    power: tuple[RunPower, ...]
    workloads: tuple[WorkloadSummary, ...]
    differences: dict[tuple[str, str], ColumnDifferences]
    disturbed: dict[str, str]
    footprint: Footprint | None = None
    program: tuple[Usage, ...] = ()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """One finding for every column that was compared, in the order of the comparison."""
        corrections = {(c.probe, c.column): c for c in self.calibration.corrections}
        return tuple(
            Finding(pair, self.diagnoses[key], corrections[key])
            for pair in self.comparison.pairs
            for key in [(pair.probe, pair.column)]
        )

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __contains__(self, key: object) -> bool:
        return any(key in (f.probe, (f.probe, f.column)) for f in self.findings)

    def __getitem__(self, key: str | tuple[str, str]) -> Finding:
        """Return the finding of a probe's headline column, or of (probe, column).

        Raises
        ------
        UnknownName : the probe or the column was not compared; names the nearest.
        """
        probe, column = (key, None) if isinstance(key, str) else key
        mine = [finding for finding in self.findings if finding.probe == probe]
        if not mine:
            known = {finding.probe for finding in self.findings}
            raise UnknownName("probe in this comparison", probe, known)
        for finding in mine:
            if finding.headline if column is None else finding.column == column:
                return finding
        columns = [finding.column for finding in mine]
        raise UnknownName(f"column of {probe} in this comparison", column or "", columns)

    @cached_property
    def verdicts(self) -> tuple[ProbeVerdict, ...]:
        """The verdict on every probe but the reference, the worst first."""
        good = [run.folder.name for run in self.campaign.runs if run.record.exit_code == 0]
        return tuple(probe_verdicts(self.comparison, self.findings, good))

    def probe_verdict(self, probe: str) -> ProbeVerdict:
        """Return the verdict on a probe: its worst column, what was lost, what is not covered.

        Parameters
        ----------
        probe : its name.

        Returns
        -------
        ProbeVerdict : its worst column first.

        Raises
        ------
        UnknownName : there is no such probe beside the reference; names the nearest.
        """
        for each in self.verdicts:
            if each.probe == probe:
                return each
        raise UnknownName("probe beside the reference", probe, [v.probe for v in self.verdicts])

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each column of each probe; see `findings_frame`."""
        return findings_frame(self.findings)

    def runs(self) -> pd.DataFrame:
        """Return one row for each run and column; see `runs_frame`."""
        return runs_frame(self.findings)

    def phases(self) -> pd.DataFrame:
        """Return one row for each phase and probe; see `phases_frame`."""
        return phases_frame(self.phase_document)

    def readings(self, probe: str) -> pd.DataFrame:
        """Read the readings of a probe from the folder; see `readings_frame`.

        Parameters
        ----------
        probe : its name.

        Returns
        -------
        DataFrame : one row for each reading, in J or W.

        Raises
        ------
        UnknownName : the probe is not in the campaign; names the nearest.
        """
        return readings_frame(self.campaign, probe)

    def report(self, form: str = "html", path: Path | str | None = None) -> str:
        """Return a report as text, and write it to a file if a path is given.

        Parameters
        ----------
        form : name of a report format: ``html``, ``markdown``, ``json``, or one of your own.
        path : the file to write.

        Raises
        ------
        UnknownName : there is no such format; names the nearest.
        """
        text: str = catalog.load_report(form).render(self)
        if path is not None:
            store.write(Path(path), text)
        return text

    def write(self) -> None:
        """Write the derived documents into the campaign's folder."""
        folder = self.campaign.folder
        store.save(folder / COMPARISON, self.comparison)
        store.save(folder / DIAGNOSIS, self.diagnosis_document())
        store.save(folder / CALIBRATION, self.calibration)
        store.save(folder / PHASES, self.phase_document)
        if self.learnings.learnings:
            store.save(folder / LEARNING, self.learnings)

    def diagnosis_document(self) -> DiagnosisDocument:
        """Return the diagnoses as a document."""
        return DiagnosisDocument(
            simulated=self.comparison.simulated,
            machine=self.comparison.machine,
            reference=self.comparison.reference,
            findings=tuple(
                DiagnosisRecord(
                    probe=finding.probe,
                    column=finding.column,
                    scope=finding.pair.scopes,
                    headline=finding.headline,
                    diagnosis=finding.diagnosis,
                )
                for finding in self.findings
            ),
        )


def analyze(
    folder: Path | str,
    reference: str | None = None,
    *,
    carbon: Intensity | str | float | None = None,
    across: bool = False,
    need: float | None = None,
) -> Analysis:
    """Compute everything that follows from a campaign folder, without writing.

    Parameters
    ----------
    folder : of the campaign.
    reference : the probe that the others are compared with; None takes the best that worked.
    carbon : CO2e is computed too: an intensity, or what `find_intensity` finds one by, for example
        ``"FRA"``, or a number of g CO2e per kWh.
    across : compare a column whose scope the reference lacks with the widest that it has.
    need : largest relative expanded uncertainty (95 %) of one corrected reading that is good
        enough: 0.05 is 5 %. None: that of the campaign, or 5 %.

    Returns
    -------
    Analysis : a mapping of findings: ``analysis["codecarbon"].ratio``.

    Raises
    ------
    CrosswattError : there is no finished run, no reference, or the folder is damaged.
    UnknownName : `reference` is not among the probes, or there is no intensity for `carbon`.
    """
    campaign = store.load_campaign(Path(folder))
    campaign.require_runs()
    comparison = with_parts_above(compare(campaign, reference, across=across), campaign)
    diagnoses = diagnose_pairs(comparison, campaign)
    wanted = need if need is not None else campaign.record.need or NEED
    calibration = fit_calibration(comparison, diagnoses, campaign.record.day, wanted)
    place = f"{carbon:.12g}" if isinstance(carbon, int | float) else carbon
    intensity = find_intensity(place, date.today()) if isinstance(place, str) else place
    meters = run_meters(campaign)
    measured = list(measured_phases(campaign, meters))
    algorithms, publication = _algorithms(campaign, measured)
    own = own_workloads(campaign)
    return Analysis(
        campaign=_without_readings(campaign),
        comparison=comparison,
        diagnoses=diagnoses,
        calibration=calibration,
        phase_document=campaign_phases(campaign, measured),
        shown_phases=phases_to_show(measured),
        learnings=learnings(campaign, meters),
        bills=tuple(bills(campaign, measured)),
        cases=algorithms,
        publication=publication,
        claims={
            probe: tuple(judge_claims(algorithms, probe, publication))
            for probe in dict.fromkeys(
                (comparison.reference, *(pair.probe for pair in comparison.pairs))
            )
            if publication
        },
        power=power_traces(campaign, comparison),
        workloads=summarize_workloads(campaign, comparison),
        differences={(p.probe, p.column): differences(p) for p in comparison.pairs},
        disturbed=remaining_disturbed(campaign),
        footprint=footprint(comparison, calibration, intensity) if intensity else None,
        program=workload_usage(comparison, calibration, own) if own else (),
    )


def _algorithms(
    campaign: Campaign, measured: Sequence[MeasuredPhase]
) -> tuple[tuple[Case, ...], Publication | None]:
    """Return the cases of learning algorithms, in the order of the publication that is meant."""
    found = cases(measured)
    publication = asked_publication(campaign) if found else None
    if publication is None:
        return (), None
    in_order = sorted(found, key=lambda case: publication.place(case.data, case.algorithm))
    return tuple(in_order), publication


def _without_readings(campaign: Campaign) -> Campaign:
    """Return a campaign without the readings of its runs, which nothing needs from here on."""
    return replace(campaign, runs=tuple(replace(run, logs={}) for run in campaign.runs))
