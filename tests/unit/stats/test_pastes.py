"""A mixed model of data whose likelihood is flat: strength of a paste, lme4's `Pastes`."""

import numpy as np
import pytest

from calibrate.stats import mixed

#: Two assays of each of 3 casks of 10 batches (Davies & Goldsmith, Statistical Methods in Research
#: and Production, 1972, table 6.5).
STRENGTH = """
62.8 62.6 60.1 62.3 62.7 63.1  60.0 61.4 57.5 56.9 61.1 58.9  58.7 57.5 63.9 63.1 65.4 63.7
57.1 56.4 56.9 58.6 64.7 64.5  55.1 55.1 54.7 54.2 58.8 57.5  63.4 64.9 59.3 58.1 60.5 60.0
62.5 62.6 61.0 58.7 56.9 57.7  59.2 59.4 65.2 66.0 64.8 64.1  54.8 54.8 64.0 64.0 57.7 56.8
58.3 59.3 59.2 59.2 58.9 56.6
"""


def test_variances_of_pastes_are_those_of_lme4() -> None:
    """lmer(strength ~ 1 + (1 | batch) + (1 | sample)); the data are balanced, so REML is ANOVA."""
    y = np.array([float(text) for text in STRENGTH.split()])
    batch, sample = [str(i // 6) for i in range(60)], [str(i // 2) for i in range(60)]
    found = mixed(y, {"mean": np.ones(60)}, {"batch": batch, "sample": sample})
    assert found.fixed["mean"].value == pytest.approx(60.0533333, rel=1e-8)
    assert found.fixed["mean"].u == pytest.approx(0.676870, rel=1e-5)
    assert found.sd["batch"] == pytest.approx(1.287366, rel=1e-5)
    assert found.sd["sample"] == pytest.approx(2.904077, rel=1e-5)
    assert found.sd["error"] == pytest.approx(0.823408, rel=1e-5)
    assert found.reml == pytest.approx(246.990746, rel=1e-7)
