"""What the choice of the form leaves open.

A correction has one form, but its runs allow others too: where no workload lies between two loads,
a factor that jumps there fits as well as one that changes slowly. Every form has a weight by how
well it fits the workloads and how many numbers it takes (Bayesian model averaging with the Schwarz
approximation; Kass & Raftery, Bayes factors, J. Am. Stat. Assoc. 90 (1995), section 4.1.3). A
reading is uncertain by how far these forms lie from the one that is applied, each by its weight
(JCGM GUM-6:2020, 11.10).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from calibrate.stats import Vector
from calibrate.store import Document

#: Forms of less weight add nothing that shows.
_LEAST = 0.002
#: Mean square of ln(ratio) below which no form fits better.
_LEAST_SQUARE = 1e-12
#: Least share of the true power that a form with an offset leaves of a reading.
_LEAST_SHARE = 1e-3


class OtherForm(Document):
    """A form that the runs allow: reported power = gain * true power + offset.

    ``weight`` is the probability that it is the right one among those tried. A form with several
    ``gains``, from low to high loads, has no offset; ``between_w`` are the ends of its ranges, each
    somewhere between two powers as the probe reports them, W.
    """

    gains: tuple[float, ...]
    offset_w: float = 0.0
    between_w: tuple[tuple[float, float], ...] = ()
    weight: float = 0.0

    def logs(self, reported_w: float) -> Iterator[tuple[float, float]]:
        """Yield probabilities, and ln(reported power/true power) where that is so.

        Parameters
        ----------
        reported_w : what the probe reports, W, above zero.
        """
        if not self.between_w:
            left = max(1 - self.offset_w / reported_w, _LEAST_SHARE)
            yield 1.0, math.log(self.gains[0] / left)
            return
        above = [1.0, *(_above(reported_w, *ends) for ends in self.between_w), 0.0]
        for gain, (more, less) in zip(self.gains, pairwise(above), strict=True):
            yield more - less, math.log(gain)


def _above(reported_w: float, low_w: float, high_w: float) -> float:
    """Return the probability that a power is above an end that lies between two others."""
    if reported_w <= low_w or high_w <= low_w:
        return float(reported_w >= high_w)
    part = math.log(reported_w / low_w) / math.log(high_w / low_w)
    return min(part, 1.0)


def choice(others: Iterable[OtherForm], reported_w: float, corrected_w: float) -> float:
    """Return the relative standard uncertainty of a reading by the choice of the form.

    Parameters
    ----------
    others : forms that the runs allow.
    reported_w, corrected_w : power of the reading before and after correction, W, above zero.
    """
    applied = math.log(reported_w / corrected_w)
    return math.sqrt(
        sum(
            other.weight * share * (log - applied) ** 2
            for other in others
            for share, log in other.logs(reported_w)
        )
    )


def weighed(
    forms: Sequence[tuple[OtherForm, int]],
    d: Vector,
    reported_w: Vector,
    runs: float,
) -> tuple[OtherForm, ...]:
    """Return forms with their weights, and those with a jump between two workloads beside them.

    Parameters
    ----------
    forms : fitted forms, each with how many numbers were fitted.
    d : mean of ln(probe/reference) of each workload, shape (k,).
    reported_w : mean power of each as the probe reports it, W, shape (k,).
    runs : variance of a mean in `d` by the scatter of its runs, or by what their readings leave
        open: nothing fits better than that.

    Returns
    -------
    forms : those whose weight matters, the heaviest first.
    """
    k = d.size
    order = np.argsort(reported_w)
    jumps = [*_jumps(d[order], reported_w[order])]
    tried = [(form, numbers, 1.0) for form, numbers in forms if len(form.gains) != 2]
    tried += [(form, 3, 1 / len(jumps)) for form in jumps]
    logs = np.array(
        [
            -k / 2 * math.log(_mean_square(form, d, reported_w) + runs + _LEAST_SQUARE)
            - numbers / 2 * math.log(k)
            + math.log(prior)
            for form, numbers, prior in tried
        ]
    )
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    found = [
        form.model_copy(update={"weight": float(weight)})
        for (form, *_), weight in zip(tried, weights, strict=True)
        if weight >= _LEAST
    ]
    return tuple(sorted(found, key=lambda form: -form.weight))


def _jumps(d: Vector, reported_w: Vector) -> Iterator[OtherForm]:
    """Yield the forms with a jump of the factor between neighbours, of workloads in order."""
    for i in range(1, d.size):
        yield OtherForm(
            gains=(math.exp(float(d[:i].mean())), math.exp(float(d[i:].mean()))),
            between_w=((float(reported_w[i - 1]), float(reported_w[i])),),
        )


def _mean_square(form: OtherForm, d: Vector, reported_w: Vector) -> float:
    """Return the mean square of what a form leaves of the workloads."""
    left = [
        share * (log - found) ** 2
        for found, watts in zip(d.tolist(), reported_w.tolist(), strict=True)
        for share, log in form.logs(watts)
    ]
    return math.fsum(left) / d.size
