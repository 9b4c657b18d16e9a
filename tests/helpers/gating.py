"""Campaigns for a gate: a probe of a known ratio, beside the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibrate import analysis
from calibrate.analysis import Analysis
from tests.helpers.campaigns import Fake, build, domain, truth

LENGTHS = (5.0, 8.0, 6.0)


def about(
    ratio: float, sd: float = 0.001, seed: int = 7, scope: str = "package-0", offset_w: float = 0.0
) -> Fake:
    """Return a probe of this ratio, whose runs scatter by `sd`; `offset_w` is added to the load."""
    noise = np.random.default_rng(seed)

    def joules(watts: float, seconds: float) -> float:
        return ratio * (watts + offset_w) * seconds * float(np.exp(noise.normal(0, sd)))

    return Fake(joules, domain(scope))


def measured(folder: Path, lengths: tuple[float, ...] = LENGTHS, **fakes: Fake) -> Analysis:
    """Return the analysis of a campaign of these probes."""
    return analysis.analyze(build(folder, {"truth": truth(), **fakes}, lengths=lengths))
