"""Quantiles of the distributions that intervals are made from, as plain floats.

scipy.special is imported when a quantile is asked for: importing this package stays quick.
"""

from __future__ import annotations


def t_quantile(p: float, df: float) -> float:
    """Return the quantile of Student's t with `df` degrees of freedom, not necessarily whole."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def t_tail(t: float, df: float) -> float:
    """Return the probability that Student's t with `df` degrees of freedom is above t."""
    from scipy.special import stdtr

    return float(stdtr(df, -t))


def normal_quantile(p: float) -> float:
    """Return the quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(p))


def normal_tail(z: float) -> float:
    """Return the probability that a standard normal value is above z."""
    from scipy.special import ndtr

    return float(ndtr(-z))


def chi2_quantile(p: float, df: float) -> float:
    """Return the quantile of chi-square with `df` degrees of freedom."""
    from scipy.special import chdtri

    return float(chdtri(df, 1 - p))


def chi2_tail(value: float, df: float) -> float:
    """Return the probability that chi-square with `df` degrees of freedom is above value."""
    from scipy.special import chdtrc

    return float(chdtrc(df, value))


def f_tail(value: float, df_top: float, df_bottom: float) -> float:
    """Return the probability that Fisher's F is above value."""
    from scipy.special import fdtrc

    return float(fdtrc(df_top, df_bottom, value))
