"""How a mass of CO2e is written."""

from __future__ import annotations

from calibrate.quantity import figure, fitting, rounded


def grams_text(grams: float, u_g: float | None) -> str:
    """Return a mass in a unit that suits it, with its expanded uncertainty."""
    prefix, size = fitting(grams, "k mµ")
    if u_g is None:
        return f"{figure(grams / size)} {prefix}g, ± not known"
    half = 2 * u_g / size
    value, spread = rounded(-half, half, grams / size, half)
    return f"({value} ± {spread}) {prefix}g"
