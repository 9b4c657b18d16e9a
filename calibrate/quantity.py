"""Numbers and quantities as text: one way to round, one way to write what is not known."""

from __future__ import annotations

import math
from typing import Any, Protocol

MISSING, UNKNOWN = "-", "not known"

#: Joules in a watt-hour and in a kilowatt-hour.
J_PER_WH, J_PER_KWH = 3600.0, 3.6e6
_JOULES = {"uJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6,
           "mWh": 3.6, "Wh": J_PER_WH, "kWh": J_PER_KWH}  # fmt: skip


def u_of_step(step: float) -> float:
    """Return the standard uncertainty of the difference of two readings of a counter with a step.

    Each reading is off by up to half a step either way, with a rectangular distribution, so that
    their difference has the variance step**2 / 6 (JCGM 100:2008, 4.3.7).
    """
    return step / math.sqrt(6)


def u_of_class(share: float) -> float:
    """Return the relative standard uncertainty of a meter of an accuracy class.

    The class is the half-width of a rectangle (JCGM 100:2008, 4.3.7).
    """
    return share / math.sqrt(3)


def parse_joules(value: object) -> float:
    """Return the joules of an energy that a person wrote with its unit, such as ``3600 J``.

    Raises
    ------
    ValueError : it has no unit of energy, or is not above zero.
    """
    number_, _, unit = str(value).strip().rpartition(" ")
    if not isinstance(value, str) or unit not in _JOULES:
        raise ValueError(
            f'{value!r} is no energy with a unit ({", ".join(_JOULES)}); write it as "3600 J"'
        )
    joules = finite_number(number_, "the energy") * _JOULES[unit]
    if not joules > 0:
        raise ValueError(f"{value!r} is not above zero")
    return joules


def parse_share(value: object) -> float:
    """Return a share that a person wrote in percent, such as ``1 %``.

    Raises
    ------
    ValueError : it is not in percent, or not above 0 % and at most 50 %.
    """
    if not isinstance(value, str) or not value.strip().endswith("%"):
        raise ValueError(f'{value!r} is not in percent; write it as "1 %"')
    share = finite_number(value.strip().removesuffix("%"), "the share") / 100
    if not 0 < share <= 0.5:
        raise ValueError(f"{value!r} is not above 0 % and at most 50 %")
    return share


def figure(value: Any, form: str = "{}") -> str:
    """Return a value as text with four significant digits, or that it is not known."""
    if isinstance(value, bool) or value is None:
        return MISSING if value is None else "yes" if value else "no"
    if isinstance(value, int | float):
        return form.format(number(value)) if math.isfinite(value) else MISSING
    return text(value)


def printable(words: str) -> str:
    """Return text without control characters: a name is data, and no command to a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words)


def csv_text(words: str) -> str:
    """Return text for a cell that no spreadsheet takes for a formula."""
    return f"'{words}" if words[:1] in {"=", "+", "-", "@", "\t", "\r"} else words


def text(value: object, empty: str = UNKNOWN) -> str:
    """Return text in one line; what some program wrote for a missing value is not known."""
    line = " ".join(str(value).split())
    return empty if line.lower() in {"", "none", "nan", "inf", "-inf", "null", "unknown"} else line


def percent(value: float | None, sign: bool = False) -> str:
    """Return a share in percent with two significant digits, never in exponents."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = 100 * value
    if shown and abs(shown) < 0.001:
        return "< 0.001 %"
    digits = max(0, 1 - math.floor(math.log10(abs(shown)))) if shown else 0
    body = f"{shown:{'+' if sign else ''},.{digits}f}"
    return f"{body.replace('-', chr(0x2212))} %"


def signed(share: float | None) -> str:
    """Return a relative change in percent."""
    if share is None:
        return "-"
    return f"{100 * share:+.{2 if abs(share) < 0.1 else 3}g} %"


def share_in_brackets(share: float | None, words: str = "") -> str:
    """Return a share in percent with words behind it, in brackets after a space; empty for None."""
    return "" if share is None else f" ({percent(share)}{words})"


class Estimated(Protocol):
    """A number with an interval, where there is one."""

    @property
    def value(self) -> float:
        """The number."""

    @property
    def low(self) -> float | None:
        """Lower limit of the interval."""

    @property
    def high(self) -> float | None:
        """Upper limit of the interval."""


def estimated(estimate: Estimated | None) -> str:
    """Return an estimate with its interval, as far as there is one."""
    if estimate is None:
        return MISSING
    return interval(estimate.value, estimate.low, estimate.high)


def counted(count: int, noun: str) -> str:
    """Return how many there are of something whose plural takes an s: "1 run", "2 runs"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def span(low: float, high: float, unit: str) -> str:
    """Return a range, or one number where both ends read the same."""
    ends = list(dict.fromkeys((figure(low), figure(high))))
    return f"{' to '.join(ends)} {unit}"


def chance(value: float | None) -> str:
    """Return a probability that is never rounded to certainty on either side."""
    if value is None:
        return UNKNOWN
    return "< 0.01" if value < 0.01 else probability(value)


def p_value(value: float) -> str:
    """Return the p-value of a test to two significant digits; a small one is never zero."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def rate(value: float, unit: str) -> str:
    """Return a rate with a prefix where it is large."""
    prefix, size = fitting(value, "TGM ")
    return f"{figure(value / size)} {prefix}{unit}/s"


def fitting(value: float, prefixes: str) -> tuple[str, float]:
    """Return the first SI prefix, and its size, that leaves a digit before the point, or the last.

    Parameters
    ----------
    prefixes : the largest first; a blank is none.
    """
    chosen = next((each for each in prefixes if abs(value) >= _SIZES[each]), prefixes[-1])
    return chosen.strip(), _SIZES[chosen]


#: SI prefixes; a blank is none.
_SIZES = {
    "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, " ": 1.0,
    "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15,
}  # fmt: skip


def number(value: float) -> str:
    """Return four significant digits, without an exponent between 1e-4 and 1e6."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:.3e}"


def brief(value: float) -> str:
    """Return a number to three digits, and never in exponents."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def interval(value: float, low: float | None, high: float | None) -> str:
    """Return an estimate with its interval, in the digits that the interval leaves."""
    if low is None or high is None or high <= low:
        return number(value)
    middle, lower, upper = rounded(low, high, value, low, high)
    return f"{middle} ({lower} to {upper})"


def rounded(low: float, high: float, *values: float) -> list[str]:
    """Return values to the place of the second digit of half the range (JCGM 100, 7.2.6)."""
    places = 1 - math.floor(math.log10((high - low) / 2)) if high > low else 8
    if places > 7 or max(abs(low), abs(high)) >= 1e6:
        return [number(value) for value in values]
    return [f"{value:.{max(places, 0)}f}" for value in values]


def probability(value: float) -> str:
    """Return a probability that is never rounded to certainty."""
    return "> 0.99" if value > 0.99 else f"{value:.2f}"


def prefixed(value: float, u: float, unit: str) -> str:
    """Return a quantity and its standard uncertainty, the unit with the prefix of its size."""
    largest = max(abs(value), u)
    prefix, size = fitting(largest, "GMk mµnpf") if largest else ("", 1.0)
    return f"{spread(value / size, u / size)} {prefix}{unit}"


def spread(value: float, u: float) -> str:
    """Return a value and its standard uncertainty, of two digits, to the same place (GUM 7.2.6)."""
    if abs(u) <= 1e-12 * abs(value):  # what rounding leaves of none
        return f"{figure(value)} ± 0"
    places = 1 - math.floor(math.log10(u))
    # No minus before a zero: + 0.0 turns -0.0 into 0.0.
    return " ± ".join(f"{round(each, places) + 0.0:.{max(places, 0)}f}" for each in (value, u))


def finite_number(value: object, what: str) -> float:
    """Return a finite number, or refuse: missing is never zero.

    Parameters
    ----------
    value : a number, or its text.
    what : what it is, for the message.

    Raises
    ------
    ValueError : it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{what} is {value!r}, which is no number")
    try:
        found = float(value)
    except ValueError:
        raise ValueError(f"{what} is {value!r}, which is no number") from None
    if not abs(found) < 1e15:
        raise ValueError(f"{what} is {value!r}, which is no figure of a meter")
    return found
