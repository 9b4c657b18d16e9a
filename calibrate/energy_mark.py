"""The pytest mark `energy_agrees`: a test is measured, and its meters have to agree.

    @pytest.mark.energy_agrees("codecarbon", reference="rapl", within="5%")
    def test_training():
        train()

Every column of the probes that the reference covers is compared. A column fails where its whole
interval (95 %, from the readings) is outside the limits, and where it lies across one: then the
test is too short to tell.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from calibrate import store
from calibrate.comparison import Pair, PairedRun, compare
from calibrate.errors import CrosswattError
from calibrate.measurement import measure
from calibrate.quantity import parse_share, percent, span

_K = 2.0


@contextmanager
def agreeing(
    name: str,
    *probes: str,
    reference: str | None = None,
    within: str = "5%",
    bench: str | None = None,
) -> Iterator[list[str]]:
    """Measure a block; after it the list has a sentence for each column that does not agree.

    Parameters
    ----------
    name : of the test.
    probes : which have to agree with the reference.
    reference : the probe that they are compared with; by default ``truth`` on a simulated machine,
        and ``rapl`` elsewhere.
    within : relative deviation that is admitted.
    bench : model of a simulated machine to run the block on; None takes this machine.

    Raises
    ------
    CrosswattError : a probe that is named cannot measure here, or no probe is named.
    Unsupported : there can be no simulated machine here.
    """
    if not probes:
        raise CrosswattError('Name the probes: @pytest.mark.energy_agrees("codecarbon").')
    limit = parse_share(within)
    beside = reference or ("truth" if bench else "rapl")
    problems: list[str] = []
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crosswatt-")))
        if bench is not None:
            from calibrate.bench import Setup, Visit

            stack.callback(Visit(Setup(bench)).end)
        with measure(place / "campaign", probes=[beside, *probes], name="test") as run:
            yield problems
        for probe, reason in run.missing.items():
            problems.append(f"{name}: {probe} did not measure: {reason}.")
        if not problems:
            problems += _disagreements(name, place / "campaign", beside, probes, limit)


def _disagreements(
    name: str, folder: Path, reference: str, probes: tuple[str, ...], limit: float
) -> Iterator[str]:
    found = compare(store.load_campaign(folder), reference)
    for probe in probes:
        mine = [pair for pair in found.pairs if pair.probe == probe and pair.rows]
        if not mine:
            yield f"{name}: {probe} and {reference} cover nothing in common; nothing is compared."
        for pair in mine:
            words = _judged(pair, pair.rows[0], limit)
            if words:
                yield f"{name}: {words}"


def _judged(pair: Pair, row: PairedRun, limit: float) -> str:
    """Return why a column does not agree; empty where it does."""
    who = (
        f"{pair.probe} {pair.column} reports {row.probe_j:.4g} J, "
        f"the reference {row.reference_j:.4g} J"
    )
    if not row.ratio:
        return f"{who}: that is no ratio."
    u = math.hypot(row.u_probe_j / row.probe_j, row.u_reference_j / row.reference_j)
    low, high = row.ratio * (1 - _K * u), row.ratio * (1 + _K * u)
    least, most = 1 / (1 + limit), 1 + limit
    if least <= low and high <= most:
        return ""
    ratio = f"ratio {span(low, high, '').strip()}, admitted {percent(limit)}"
    if high < least or low > most:
        return f"{who}: {ratio}."
    return f"{who}: {ratio}. The test is too short to tell; let it run longer."
