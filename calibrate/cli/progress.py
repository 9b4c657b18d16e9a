"""What a person sees while a campaign runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from calibrate.campaign import Plan, announced_s
from calibrate.cli.console import span
from calibrate.comparison import least_known
from calibrate.energy import Column, headline_column, native_columns
from calibrate.store import (
    CampaignRecord,
    Job,
    KnownFactor,
    ProbeLog,
    ProbeState,
    RunRecord,
    part_files,
)

TAIL_BYTES = 8192


class Plain:
    """One line a run, for logs and continuous integration."""

    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self._target = folder
        self._job: Job | None = None
        self._total = 0

    def planned(self, campaign: CampaignRecord) -> None:
        """Say what will be done, and on what."""
        if len(campaign.jobs) == self._total:
            return  # it is said already
        if self._total:
            fewer = self._total - len(campaign.jobs)
            self._console.print(f"{fewer} runs are left out, of probes that cannot be opened.")
        self._total = len(campaign.jobs)
        most = "at most " if campaign.until else ""
        seconds = announced_s(Plan.model_validate(campaign.plan), campaign.jobs)
        about = "" if seconds is None else f"about {span(seconds)}, "
        self._console.print(
            f"{most}{self._total} runs, {about}into {self._target}, seed {campaign.seed}, on: "
            f"{campaign.machine.label}",
            markup=False,
        )

    def probes(self, states: dict[str, tuple[ProbeState, ProbeLog]]) -> None:
        """Say who takes part, and why the others do not."""
        working = [name for name, (state, _) in states.items() if state.status == "ok"]
        self._console.print(f"Probes: {', '.join(working)}", markup=False)
        for name, (state, _) in states.items():
            if state.status != "ok":
                self._drop(name, state)

    def started(self, job: Job, folder: Path) -> None:
        """Remember the run; its line comes when it is over."""
        self._job = job

    def stage(self, name: str) -> None:
        """Nothing to say."""

    def finished(self, record: RunRecord) -> None:
        """Say how the run went, and name each probe that dropped out."""
        trouble = f", exit code {record.exit_code}" if record.exit_code else ""
        self._console.print(
            f"[{record.number}/{self._total}] {record.workload} {record.seconds:.1f} s{trouble}",
            markup=False,
        )
        for name, state in record.probes.items():
            if state.status != "ok":
                self._drop(name, state, f" in run {record.number}")

    def strayed(self, job: Job, why: str) -> None:
        """Say that a run will be done again."""
        self._console.print(
            f"[{job.number}/{self._total}] {job.workload} is repeated: {why}",
            style="yellow",
            markup=False,
        )

    def known(self, factors: tuple[KnownFactor, ...], target: float) -> None:
        """Say how well the column of each probe is known that is known least."""
        told = [column_words(each) for each in least_known(factors)]
        repeats = max((each.repeats for each in factors), default=0)
        self._console.print(
            f"After {repeats} repeats, wanted {_percent(target)}: {', '.join(told) or 'nothing'}",
            markup=False,
        )

    def _drop(self, name: str, state: ProbeState, where: str = "") -> None:
        fix = f" Fix: {state.fix}" if state.fix else ""
        text = f"  {name} dropped out{where}: {state.reason}.{fix}"
        self._console.print(text, style="yellow", markup=False)


class Screen(Plain):
    """A progress bar and a table of watts, renewed several times a second."""

    def __init__(self, console: Console, folder: Path) -> None:
        super().__init__(console, folder)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("runs", total=None)
        self._logs: dict[str, ProbeLog] = {}
        self._folder: Path | None = None
        # Renewed by `stage`: a thread that does it would run beside what is measured.
        self.live = Live(self._render(), console=console, auto_refresh=False, transient=True)

    def planned(self, campaign: CampaignRecord) -> None:
        """Set the bar's length; runs that were done before count at once."""
        super().planned(campaign)
        self._progress.update(self._task, total=self._total)

    def probes(self, states: dict[str, tuple[ProbeState, ProbeLog]]) -> None:
        """Remember what each probe measures."""
        super().probes(states)
        self._logs = {name: log for name, (state, log) in states.items() if state.status == "ok"}

    def started(self, job: Job, folder: Path) -> None:
        """Show the run's name."""
        super().started(job, folder)
        self._folder = folder
        self._progress.update(self._task, completed=job.number - 1)
        self.stage("opening probes")

    def stage(self, name: str) -> None:
        """Show the stage and the newest watts."""
        if self._job:
            text = f"{self._job.workload}, repeat {self._job.repeat}: {name}"
            self._progress.update(self._task, description=f"{text:<40}")
        self.live.update(self._render(), refresh=True)

    def finished(self, record: RunRecord) -> None:
        """Move the bar."""
        super().finished(record)
        self._progress.update(self._task, completed=record.number)

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for title, justify in (("probe", "left"), ("column", "left"), ("watts", "right")):
            table.add_column(title, justify=justify)  # type: ignore[arg-type]
        for name, log in self._logs.items():
            column = headline_column(native_columns(log.domains.values()))
            if column and self._folder:
                newest = [*part_files(self._folder / f"{name}.jsonl")]
                now = watts_now(newest[-1], log, column) if newest else None
                table.add_row(name, column.name, "-" if now is None else f"{now:.4g}")
        return Group(self._progress, table)


def column_words(known: KnownFactor) -> str:
    """Return the probe and the column of a factor, and how well it is known."""
    return f"{known.probe} ({known.column}) {factor_words(known)}"


def factor_words(known: KnownFactor) -> str:
    """Return how well a factor is known, and what stands in the way."""
    if known.drifts and known.change is not None:
        return f"drifts ({100 * known.change:+.2g} % over {known.repeats} repeats)"
    words = ["not yet" if known.half_width is None else _percent(known.half_width)]
    if known.effective is not None and known.effective < 0.6 * known.repeats:
        words.append(f"{known.repeats} repeats tell as much as {known.effective:.0f} independent")
    if known.strays:
        words.append(f"without repeat {', '.join(map(str, known.strays))}, which strays")
    return f"{words[0]} ({'; '.join(words[1:])})" if words[1:] else words[0]


def _percent(share: float) -> str:
    return f"±{100 * share:.2g} %"


def watts_now(path: Path, log: ProbeLog, column: Column) -> float | None:
    """Return the watts between the last two different readings in a file that is being written."""
    latest: tuple[int, float] | None = None
    for at_ns, value in _newest(path, column):
        if log.domains[column.parts[0]].kind == "power":
            return value
        if latest is None:
            latest = (at_ns, value)
        elif value != latest[1] and latest[0] - at_ns > 2e8:
            watts = (latest[1] - value) / (latest[0] - at_ns) * 1e9
            return watts if watts > 0 else None  # a counter has wrapped; the next will do
    return None


def _newest(path: Path, column: Column) -> Iterator[tuple[int, float]]:
    """Yield (instant, sum of the column's domains) from the newest reading backwards."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        try:
            data = json.loads(line)
            yield data["after_ns"], sum(data["values"][part] for part in column.parts)
        except (ValueError, KeyError, TypeError):
            continue  # a line half written, or not a reading


@contextmanager
def watcher(console: Console, folder: Path) -> Iterator[Plain]:
    """Return the view that suits where the output goes, of a campaign in a folder."""
    if not console.is_terminal:
        yield Plain(console, folder)
        return
    shown = Screen(console, folder)
    with shown.live:
        yield shown
