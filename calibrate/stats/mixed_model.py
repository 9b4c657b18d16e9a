"""A mixed model of ln(probe/reference): what differs between probes, and what merely varies.

d = probe + workload + session + probe x workload + error, probes fixed, the rest random. It shows
where the spread of a correction comes from; `correction` is the same for one probe.
Fitted by statsmodels, which takes a second to import: it waits until a model is fitted.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import (
    Estimate,
    Vector,
    check_level,
    encode,
    measured,
    t_estimate,
)
from calibrate.stats.inversions import Index

#: The model is dense in the number of runs.
MOST_RUNS = 3000
#: Slope of the likelihood at which the last search ends.
_FLAT = 1e-9


@dataclass(frozen=True)
class Mixed:
    """A fitted mixed model.

    Parameters
    ----------
    fixed : effect -> estimate, in the unit of y; t intervals with the degrees of freedom of the
        random factor with the fewest levels.
    sd : random factor -> its standard deviation; `error` is what is left.
    correlation : of intercept and slope where there is a random slope, else None.
    reml : -2 ln(restricted likelihood).
    n_runs : values used.
    levels : random factor -> number of levels.
    """

    fixed: dict[str, Estimate]
    sd: dict[str, float]
    correlation: float | None
    reml: float
    n_runs: int
    levels: dict[str, int]

    def new(self, effect: str, *factors: str, level: float = 0.95) -> Estimate:
        """Return a fixed effect as it will be on new levels of random factors.

        Parameters
        ----------
        effect : name of the fixed effect.
        factors : random factors of which a level not measured is meant, for example `workload`.
        level : coverage probability.
        """
        unknown = [name for name in factors if name not in self.levels]
        unknown += [effect] if effect not in self.fixed else []
        if unknown:
            raise ValueError(
                f"The model has the effects {', '.join(self.fixed)} and the random factors "
                f"{', '.join(self.levels)}, not {', '.join(unknown)}."
            )
        known = self.fixed[effect]
        u = math.hypot(known.u or 0.0, *(self.sd[name] for name in factors))
        df = min(self.levels[name] for name in factors or self.levels) - 1
        return t_estimate(
            known.value,
            u,
            df,
            level=level,
            method=f"mixed model, for new {' and '.join(factors) or 'runs of the same'}",
            n_runs=self.n_runs,
            n_clusters=df + 1,
            checks=known.checks,
        )


def mixed(
    y: ArrayLike,
    fixed: Mapping[str, ArrayLike],
    random: Mapping[str, Sequence[str]],
    slope: str | None = None,
    level: float = 0.95,
) -> Mixed:
    """Fit a linear mixed model by restricted maximum likelihood.

    Parameters
    ----------
    y : shape (n,), any unit.
    fixed : effect -> its column, shape (n,) each; a column of ones is the mean.
    random : factor -> label a value. Crossed or nested.
    slope : a fixed effect whose slope varies over the levels of the (only) random factor,
        correlated with the intercept; none unless given.
    level : coverage probability.

    Returns
    -------
    Mixed : fixed effects in the unit of y, and the sd of each random factor.

    Raises
    ------
    ValueError : columns that do not match or cannot be told apart, a factor with one level or one
        level a value, more than 3000 values, a fit that does not settle.

    Notes
    -----
    Lindstrom & Bates, JASA 1988;83:1014, in statsmodels' MixedLM. Standard deviations agree with
    lme4 to 1e-4, also where the likelihood is flat (Pastes, 10 batches of 3 casks).
    """
    values = measured("y", y)
    n = values.size
    design, codes = _columns(fixed, n), _factors(random, n)
    if slope is not None and (len(codes) != 1 or slope not in fixed):
        raise ValueError("A random slope takes one random factor and one of the fixed effects.")
    unit = float(values.std()) or 1.0
    along = None if slope is None else design[:, list(fixed).index(slope)]
    span = 1.0 if along is None else float(np.abs(along).max())
    result = _fit(values / unit, design, codes, None if along is None else along / span)
    sd, correlation = {"error": math.sqrt(float(result.scale)) * unit}, None
    if slope is None:
        for name, part in zip(codes, result.vcomp, strict=True):
            sd[name] = math.sqrt(max(float(part), 0.0)) * unit
    else:
        (name,) = codes
        both = np.asarray(result.cov_re)
        sd[name] = math.sqrt(both[0, 0]) * unit
        sd[f"{name}:{slope}"] = math.sqrt(both[1, 1]) * unit / span
        if both[0, 0] > 0 and both[1, 1] > 0:
            correlation = float(both[0, 1] / math.sqrt(both[0, 0] * both[1, 1]))
    levels = {name: int(code.max()) + 1 for name, code in codes.items()}
    fewest = min(levels.values())
    edge = [name for name in codes if sd[name] < 1e-6 * sd["error"]]
    checks = tuple(f"The variance of {name} comes out zero: it cannot be seen." for name in edge)
    estimates = {
        name: t_estimate(
            float(value) * unit,
            float(u) * unit,
            fewest - 1,
            level=check_level(level),
            method="mixed model, REML; t on the fewest levels",
            n_runs=n,
            n_clusters=fewest,
            checks=checks,
        )
        for name, value, u in zip(fixed, result.fe_params, result.bse_fe, strict=True)
    }
    # The likelihood is that of y/unit, in n - p dimensions.
    reml = -2 * float(result.llf) + 2 * (n - design.shape[1]) * math.log(unit)
    return Mixed(estimates, sd, correlation, reml, n, levels)


def _fit(values: Vector, design: Vector, codes: dict[str, Index], along: Vector | None) -> Any:
    """Return statsmodels' result with the highest likelihood; `along` has a random slope."""
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    n = values.size
    if along is None:
        blocks = [np.eye(int(code.max()) + 1)[code] for code in codes.values()]
        columns = [[[str(i) for i in range(block.shape[1])]] for block in blocks]
        spec = VCSpec(list(codes), columns, [[block] for block in blocks])
        random = {"groups": np.zeros(n), "exog_re": np.zeros((n, 0)), "exog_vc": spec}
    else:
        (code,) = codes.values()
        random = {"groups": code, "exog_re": np.stack([np.ones(n), along], axis=1)}
    model = MixedLM(values, design, **random)
    found: list[Any] = []

    def search(how: str, **options: Any) -> None:
        """Keep where a search ends, unless it steps where a matrix has no inverse."""
        with contextlib.suppress(np.linalg.LinAlgError):
            fit = model.fit(reml=True, method=[how], maxiter=2000, **options)
            if np.isfinite(fit.llf) and np.isfinite(fit.bse_fe).all():
                found.append(fit)

    with warnings.catch_warnings():
        # A variance of zero is said in the result, not warned of.
        warnings.simplefilter("ignore")
        # One search alone may stop far away: lbfgs does for lme4's Dyestuff.
        search("lbfgs")
        search("powell")
        if not found:
            raise ValueError("The mixed model does not settle; there are too few runs for it.")
        # Both stop where the likelihood is flat, 1e-3 beside the best variances.
        best = max(found, key=lambda fit: fit.llf)
        search("bfgs", gtol=_FLAT, start_params=best.params_object)
    return max(found, key=lambda fit: fit.llf)


def probe_effects(
    d: ArrayLike,
    probe: Sequence[str],
    workload: Sequence[str],
    session: Sequence[str] | None = None,
    level: float = 0.95,
) -> Mixed:
    """Fit the model of a campaign with several probes.

    Parameters
    ----------
    d : ln(probe/reference), one value a probe and run, shape (n,).
    probe, workload, session : labels, n each. All probes of a run share the reference's error
        and that of the workload, which is why they are fitted together.
    level : coverage probability.

    Returns
    -------
    Mixed : the fixed effects are the probes' mean log ratios; `new(probe, "workload",
        "probe x workload")` is what holds on a workload that was not measured.

    Raises
    ------
    ValueError : as in `mixed`: one workload, or no repeats.

    Notes
    -----
    Carstensen, Simpson & Gurrin, Int J Biostat 2008;4:16.
    """
    values = measured("d", d)
    names, code = encode(probe, values.size)
    fixed: dict[str, ArrayLike] = {
        name: (code == i).astype(np.float64) for i, name in enumerate(names)
    }
    random: dict[str, Sequence[str]] = {"workload": workload}
    if session is not None and len(set(session)) > 1:
        random["session"] = session
    if len(names) > 1:
        random["probe x workload"] = [f"{p} x {w}" for p, w in zip(probe, workload, strict=True)]
    return mixed(values, fixed, random, level=level)


def _columns(fixed: Mapping[str, ArrayLike], n: int) -> Vector:
    """Return the fixed effects as a matrix, shape (n, p), or refuse them."""
    if not fixed:
        raise ValueError("There is no fixed effect; a column of ones is the mean.")
    out = np.stack([measured(name, column) for name, column in fixed.items()], axis=1)
    if out.shape[0] != n:
        raise ValueError(f"The fixed effects have {out.shape[0]} rows for {n} values.")
    if n <= out.shape[1] or np.linalg.matrix_rank(out) < out.shape[1]:
        raise ValueError("The fixed effects cannot be told apart with these runs.")
    if n > MOST_RUNS:
        raise ValueError(f"{n} values are too many for this model; take means of repeats.")
    return out


def _factors(random: Mapping[str, Sequence[str]], n: int) -> dict[str, Index]:
    """Return the number of the level of every value, for each random factor, or refuse them."""
    if not random:
        raise ValueError("There is no random factor; use `mean_ratio`.")
    out = {}
    for name, labels in random.items():
        known, code = encode(labels, n)
        if len(known) < 2 or len(known) == n:
            raise ValueError(
                f"{name} has {len(known)} levels for {n} values: its variance cannot be told "
                "from the error. It takes at least 2, and repeats."
            )
        out[name] = code
    return out
