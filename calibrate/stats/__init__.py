"""Pure functions on arrays: how far two meters are apart, and which explanation the data favour.

    estimate    the form of every result, and what is refused
    agreement   mean ratio, limits of agreement, prediction, correction factor
    evidence    closed-form evidence for models of the log ratio

The others are in docs/statistics.md, with their sources.

Nothing here reads a file or knows of probes; numpy and scipy are the only imports.
"""

from calibrate.stats.agreement import (
    Components,
    Correction,
    LimitsOfAgreement,
    MeanRatio,
    components,
    correction,
    limits_of_agreement,
    mean_ratio,
    prediction,
)
from calibrate.stats.estimate import Estimate, log_ratio

__all__ = [
    "Components",
    "Correction",
    "Estimate",
    "LimitsOfAgreement",
    "MeanRatio",
    "components",
    "correction",
    "limits_of_agreement",
    "log_ratio",
    "mean_ratio",
    "prediction",
]
