"""Quantiles of the distributions that intervals are made from, as plain floats.

scipy.special is imported when a quantile is asked for: importing this package stays quick.
"""

from __future__ import annotations


def t_quantile(p: float, df: float) -> float:
    """Return the quantile of Student's t distribution.

    Parameters
    ----------
    p : probability below it, 0 to 1.
    df : degrees of freedom, above zero, not necessarily whole; infinity is the normal one.

    Returns
    -------
    t : pure number.

    Raises
    ------
    Nothing : p outside 0 to 1 gives NaN; 0 and 1 give the infinite ends.

    Notes
    -----
    scipy.special.stdtrit.
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def t_tail(t: float, df: float) -> float:
    """Return the probability that Student's t is above a value.

    Parameters
    ----------
    t : the value, a pure number.
    df : degrees of freedom, above zero.

    Returns
    -------
    p : probability, 0 to 1.

    Raises
    ------
    Nothing : df not above zero gives NaN.

    Notes
    -----
    scipy.special.stdtr.
    """
    from scipy.special import stdtr

    return float(stdtr(df, -t))


def normal_quantile(p: float) -> float:
    """Return the quantile of the standard normal distribution.

    Parameters
    ----------
    p : probability below it, 0 to 1.

    Returns
    -------
    z : pure number.

    Raises
    ------
    Nothing : p outside 0 to 1 gives NaN; 0 and 1 give the infinite ends.

    Notes
    -----
    scipy.special.ndtri.
    """
    from scipy.special import ndtri

    return float(ndtri(p))


def normal_tail(z: float) -> float:
    """Return the probability that a standard normal value is above z.

    Parameters
    ----------
    z : the value, a pure number.

    Returns
    -------
    p : probability, 0 to 1.

    Raises
    ------
    Nothing : every number has an answer.

    Notes
    -----
    scipy.special.ndtr.
    """
    from scipy.special import ndtr

    return float(ndtr(-z))


def chi2_quantile(p: float, df: float) -> float:
    """Return the quantile of the chi-square distribution.

    Parameters
    ----------
    p : probability below it, 0 to 1.
    df : degrees of freedom, above zero.

    Returns
    -------
    chi2 : pure number.

    Raises
    ------
    Nothing : p outside 0 to 1 gives NaN.

    Notes
    -----
    scipy.special.chdtri.
    """
    from scipy.special import chdtri

    return float(chdtri(df, 1 - p))


def chi2_tail(value: float, df: float) -> float:
    """Return the probability that chi-square is above a value.

    Parameters
    ----------
    value : a pure number, at or above zero.
    df : degrees of freedom, above zero.

    Returns
    -------
    p : probability, 0 to 1.

    Raises
    ------
    Nothing : df not above zero gives NaN.

    Notes
    -----
    scipy.special.chdtrc.
    """
    from scipy.special import chdtrc

    return float(chdtrc(df, value))


def f_tail(value: float, df_top: float, df_bottom: float) -> float:
    """Return the probability that Fisher's F is above a value.

    Parameters
    ----------
    value : a ratio of mean squares, at or above zero.
    df_top, df_bottom : degrees of freedom of both, above zero.

    Returns
    -------
    p : probability, 0 to 1.

    Raises
    ------
    Nothing : degrees of freedom not above zero give NaN.

    Notes
    -----
    scipy.special.fdtrc.
    """
    from scipy.special import fdtrc

    return float(fdtrc(df_top, df_bottom, value))
