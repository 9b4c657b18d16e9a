"""What a policy limits beside the mean: how far single runs lie, and what a probe takes itself."""

from __future__ import annotations

from calibrate.analysis import Finding
from calibrate.gate.policy import Rule
from calibrate.gate.ruling import Answer, Kind, Shown
from calibrate.quantity import percent

SPREAD, OVERHEAD = "limits of agreement over expected", "share of one core"


def spread(finding: Finding, rule: Rule, admitted: float) -> Answer:
    """Return whether 95 % of single runs lie within a share of what is expected.

    The limits of agreement are estimates. They are admitted where the intervals of both lie inside,
    and refused where that of either lies outside. An accepted column is held to its own mean.

    Parameters
    ----------
    finding : of the column.
    rule : what is expected of it.
    admitted : share by which single runs may differ.
    """
    limits, ratio = finding.limits, finding.ratio
    lower, upper = (limits.lower, limits.upper) if limits else (None, None)
    ends = [
        end
        for each in (lower, upper)
        for end in ((each.low, each.value, each.high) if each else ())
        if end is not None
    ]
    if len(ends) < 6 or ratio is None:
        return Answer(Kind.TOO_FEW, "these runs give no limits of agreement")
    expected = ratio.value if rule.accepted else rule.ratio
    outer_low, low, inner_low, inner_high, high, outer_high = (each / expected for each in ends)
    least, most = 1 / (1 + admitted), 1 + admitted
    # The limit that is further off is shown, with its own interval.
    worst = (high, inner_high, outer_high) if high * low > 1 else (low, outer_low, inner_low)
    shown = Shown(
        quantity=SPREAD, value=worst[0], low=worst[1], high=worst[2], least=least, most=most
    )
    words = (
        f"95 % of runs are estimated between {percent(low - 1, sign=True)} and "
        f"{percent(high - 1, sign=True)} (limits known to {percent(outer_low - 1, sign=True)} and "
        f"{percent(outer_high - 1, sign=True)}), admitted {100 * admitted:.3g} %"
    )
    if inner_low < least or inner_high > most:
        return Answer(Kind.SPREAD, words, shown)
    inside = outer_low >= least and outer_high <= most
    return Answer(Kind.WITHIN if inside else Kind.STRADDLES, words, shown)


def overhead(share: float | None, admitted: float) -> Answer:
    """Return whether a probe takes no more CPU time while it records than is admitted.

    Parameters
    ----------
    share : of one core, over all runs; None where it was not recorded.
    admitted : the most.
    """
    if share is None:
        return Answer(Kind.NOT_MEASURED, "the CPU time of the probe was not recorded")
    shown = Shown(quantity=OVERHEAD, value=share, low=None, high=None, most=admitted)
    words = f"it took {percent(share)} of one core while recording, admitted {percent(admitted)}"
    return Answer(Kind.OVERHEAD if share > admitted else Kind.WITHIN, words, shown)
