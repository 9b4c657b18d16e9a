"""How a figure of quality, such as a word error rate, is written."""

from __future__ import annotations

from calibrate.costs import Epoch, Learning
from calibrate.quantity import figure, spread

_NAMES = {"wer": "word error rate", "f1": "F1"}


def quality_name(of: Learning) -> str:
    """Return the name of what a workload is judged by."""
    return _NAMES.get(of.quality, of.quality)


def quality_scale(of: Learning) -> tuple[float, str]:
    """Return by what its figures are multiplied to be shown, and their unit: rates in percent."""
    return (1.0, "") if of.quality == "loss" else (100.0, " %")


def quality_text(of: Learning, epoch: Epoch) -> str:
    """Return a figure of quality with its uncertainty."""
    scale, unit = quality_scale(of)
    if epoch.u is None:
        return f"{figure(scale * epoch.value)}{unit}"
    return f"{spread(scale * epoch.value, scale * epoch.u)}{unit}"
