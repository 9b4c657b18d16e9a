"""The statistics against published cases, where their data are at hand."""

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from calibrate.stats import (
    BudgetRow,
    Estimate,
    Line,
    Mixed,
    YorkLine,
    best_rho,
    bootstrap,
    budget,
    collocation,
    collocation_of,
    components,
    concordance,
    constant_truth,
    deming,
    exact_limits,
    least_squares,
    level_dependent,
    limits_of_agreement,
    limits_together,
    log_mixture,
    mean_ratio,
    mixed,
    monte_carlo,
    mover_limits,
    normal_mixture_bound,
    passing_bablok,
    stitched_bound,
    three_cornered_hat,
    tolerance_factor,
    tost,
    weighted_deming,
    york,
)
from tests.helpers.cases import Array, case, columns

# The intervals work on any differences; this keeps those of the cases within what a log ratio is.
UNIT = 1000.0
# Bland and Altman's 1.96, which is not quite 95 %.
Z196 = math.erf(1.96 / math.sqrt(2))


def pefr() -> tuple[Array, dict[str, Any]]:
    rows, expected = case("ba_pefr_1986")
    d = np.array([float(r["wright1"]) - float(r["mini1"]) for r in rows])
    return d, expected["full_precision_z196"]


def test_bland_altman_1986_exact_interval_of_each_limit() -> None:
    d, want = pefr()
    lower, upper = exact_limits(d.mean(), d.std(ddof=1), d.size, 1.96, 0.95)
    assert lower == pytest.approx(want["lower_ci_exact_single"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_exact_single"], rel=1e-9)


def test_bland_altman_1986_as_ratios() -> None:
    d, want = pefr()
    workloads = [str(i) for i in range(d.size)]
    found = limits_of_agreement(d / UNIT, workloads)
    assert found.lower and found.upper
    assert found.lower.value == pytest.approx(np.exp(want["lower"] / UNIT), rel=1e-5)
    assert found.upper.value == pytest.approx(np.exp(want["upper"] / UNIT), rel=1e-5)
    assert found.upper.u == pytest.approx(found.upper.value * want["se_loa"] / UNIT, rel=1e-4)
    ratio = mean_ratio(d / UNIT, workloads).ratio
    limits = np.exp(np.array(want["bias_ci"]) / UNIT)
    assert (ratio.low, ratio.high) == pytest.approx(tuple(limits), rel=1e-9)


def test_bland_altman_1999_first_readings() -> None:
    rows, expected = case("ba_sbp_replicates_1999")
    first = {(r["meth"], r["item"]): float(r["y"]) for r in rows if r["repl"] == "1"}
    items = sorted({item for _, item in first})
    d = np.array([first["J", i] - first["S", i] for i in items])
    want = expected["full_precision"]["first_reading"]
    lower, upper = exact_limits(d.mean(), d.std(ddof=1), d.size, 1.96, 0.95)
    assert lower == pytest.approx(want["lower_ci_exact_single"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_exact_single"], rel=1e-9)


def test_zou_2013_mover() -> None:
    rows, expected = case("ba_zou_mover")
    sides: dict[str, dict[str, list[float]]] = {"x": defaultdict(list), "y": defaultdict(list)}
    for row in rows:
        for side, values in sides.items():
            if row[side]:
                values[row["id"]].append(float(row[side]))
    ids = sorted(sides["x"])
    means = {s: np.array([np.mean(v[i]) for i in ids]) for s, v in sides.items()}
    d = means["x"] - means["y"]
    parts = [(float(d.var(ddof=1)), d.size - 1)]
    for values in sides.values():
        df = sum(len(values[i]) - 1 for i in ids)
        within = sum(float(np.var(values[i])) * len(values[i]) for i in ids) / df
        parts.append((float(1 - np.mean([1 / len(values[i]) for i in ids])) * within, df))
    want = expected["full_precision"]
    z = 1.959963984540054
    lower, upper = mover_limits(float(d.mean()), float(d.var(ddof=1)) / d.size, parts, z, 0.95)
    assert lower == pytest.approx(want["lower_ci_mover"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_mover"], rel=1e-9)


def test_variance_components_of_dyestuff() -> None:
    rows, expected = case("lme4_Dyestuff")
    d = np.array([float(r["Yield"]) for r in rows]) / UNIT
    found = components(d, [r["Batch"] for r in rows])
    want = {r["grp"]: r["sdcor"] / UNIT for r in expected["varcorr"]}
    assert found.between_sd == pytest.approx(want["Batch"], rel=1e-4)
    assert found.within_sd == pytest.approx(want["Residual"], rel=1e-4)
    assert found.variance_of_means is not None
    se = np.sqrt(found.variance_of_means / found.k)
    assert se == pytest.approx(expected["se"]["(Intercept)"] / UNIT, rel=1e-6)


def test_gum_h2_resistance_and_reactance() -> None:
    rows, want = case("gum_h2_resistance_reactance")
    data = columns(rows, "V", "I", "phi")
    n = data.shape[1]
    (v, i, phi), u = data.mean(axis=1), data.std(axis=1, ddof=1) / math.sqrt(n)
    r: Array = np.asarray(np.corrcoef(data))
    pairs = {("V", "I"): r[0, 1], ("V", "phi"): r[0, 2], ("I", "phi"): r[1, 2]}
    value = {"R": v / i * math.cos(phi), "X": v / i * math.sin(phi), "Z": v / i}
    slope = {
        "R": np.array([value["R"] / v, -value["R"] / i, -value["X"]]),
        "X": np.array([value["X"] / v, -value["X"] / i, value["R"]]),
        "Z": np.array([1 / i, -value["Z"] / i, 0.0]),
    }

    def of(sensitivities: Any) -> Any:
        names = zip(["V", "I", "phi"], u, sensitivities, strict=True)
        return budget(0.0, [BudgetRow(a, b, c, df=n - 1) for a, b, c in names], pairs)

    found = {name: of(slope[name]) for name in "RXZ"}
    for name, u_want in zip("RXZ", want["u"], strict=True):
        assert value[name] == pytest.approx(want[name], abs=0.002)
        assert found[name].total.u == pytest.approx(u_want, abs=0.002)
        assert sum(found[name].shares.values()) == pytest.approx(1)
        # Five sets of readings taken together: four degrees of freedom whatever is made of them.
        assert found[name].df == pytest.approx(4)
    for a, b in ("RX", "RZ", "XZ"):
        both, one, two = of(slope[a] + slope[b]).total.u, found[a].total.u, found[b].total.u
        assert (both**2 - one**2 - two**2) / (2 * one * two) == pytest.approx(
            want[f"r_{a}{b}"], abs=0.002
        )


def test_gum_supplement_1_sum_of_four_normal_inputs() -> None:
    _, want = case("gums1_additive_normal")
    first = budget(want["y"], [BudgetRow(f"X{i}", 1.0) for i in range(4)])
    assert first.total.u == pytest.approx(want["u"])
    assert (first.total.low, first.total.high) == pytest.approx(want["interval95"], abs=0.005)
    found = monte_carlo(first)
    assert found.total.u == pytest.approx(want["u"], abs=0.01)
    assert (found.total.low, found.total.high) == pytest.approx(want["interval95"], abs=0.02)
    assert found.confirms


def test_nist_norris_least_squares() -> None:
    rows, want = case("nist_norris")
    x, y = columns(rows, "x", "y")
    found = least_squares(x, y)
    assert found.intercept.value == pytest.approx(want["b0"], rel=1e-11)
    assert found.slope.value == pytest.approx(want["b1"], rel=1e-11)
    assert found.intercept.u == pytest.approx(want["se_b0"], rel=1e-10)
    assert found.slope.u == pytest.approx(want["se_b1"], rel=1e-10)
    assert found.residual_sd == pytest.approx(want["resid_sd"], rel=1e-10)


@pytest.mark.parametrize("name", ["mcr_creatinine", "mcr_TD13", "mcr_TD9"])
@pytest.mark.parametrize("ratio", [1, 1.21])
def test_mcr_deming(name: str, ratio: float) -> None:
    rows, expected = case(name)
    x, y = columns(rows, *list(rows[0])[:2])
    key = f"l{str(ratio).replace('.', '')}_jackknife"
    for function, label, rel in ((deming, "Deming", 1e-7), (weighted_deming, "WDeming", 1e-5)):
        found, want = function(x, y, var_ratio_x_over_y=ratio), expected[f"{label}_{key}"]
        scale = want["intercept"][1]
        for part in ("intercept", "slope"):
            estimate = getattr(found, part)
            got = [estimate.value, estimate.u, estimate.low, estimate.high]
            # Near zero the size of an intercept is that of its uncertainty.
            absolute = rel * scale if part == "intercept" else 0.0
            assert got == pytest.approx(want[part], rel=rel, abs=absolute)


def test_york_pearson() -> None:
    rows, expected = case("york_pearson")
    x, y, wx, wy = columns(rows, "x", "y", "w_x", "w_y")
    found, want = york(x, y, 1 / np.sqrt(wx), 1 / np.sqrt(wy)), expected["full_precision"]
    check_york(found, want)


def check_york(found: YorkLine, want: dict[str, float]) -> None:
    line = found.line
    got = [line.intercept.value, line.slope.value, line.intercept.u, line.slope.u]
    assert got == pytest.approx([want[key] for key in ("a", "b", "sa", "sb")], rel=1e-8)
    assert line.covariance == pytest.approx(want["cov_ab"], rel=1e-8)
    assert found.chi2 == pytest.approx(want["S"], rel=1e-8)
    assert found.chi2 / found.df == pytest.approx(want["gof"], rel=1e-8)


def test_deming_of_arsenate_with_uncertainties_of_each_point() -> None:
    rows, expected = case("deming_arsenate")
    x, u_x, y, u_y = columns(rows, "aas", "se.aas", "aes", "se.aes")
    check_york(york(x, y, u_x, u_y), expected["exact"])
    check_york(york(y, x, u_y, u_x), expected["reversed_exact"])
    check_r(deming(x, y), expected["deming_R"]["deming_plain"]["coef"], x)


def check_r(found: Line, want: list[float], x: Array) -> None:
    """Compare with R's deming, whose minimiser leaves 1e-5 in the slope and what follows from it
    in the intercept."""
    assert found.slope.value == pytest.approx(want[1], rel=4e-5)
    assert found.intercept.value + found.slope.value * x.mean() == pytest.approx(
        want[0] + want[1] * x.mean(), rel=2e-5
    )


def test_ferritin_lots() -> None:
    rows, expected = case("ferritin_1_4")
    for want in expected["results"]:
        x, y = columns(
            [r for r in rows if int(r["period"]) == want["period"]], "old.lot", "new.lot"
        )
        check_r(deming(x, y), want["deming"]["coef"], x)
        # The published program takes slopes, ours their absolute values: the same here, but for
        # the mean of two middle slopes, which is geometric in ours.
        assert passing_bablok(x, y).slope.value == pytest.approx(want["pb3"]["coef"][1], rel=1e-5)


@pytest.mark.parametrize("name", ["mcr_creatinine", "mcr_TD13", "mcr_TD9"])
def test_mcr_equivariant_passing_bablok(name: str) -> None:
    rows, expected = case(name)
    x, y = columns(rows, *list(rows[0])[:2])
    found, want = passing_bablok(x, y), expected["PBequi"]
    slope, intercept = found.slope, found.intercept
    assert [slope.value, slope.u, slope.low, slope.high] == pytest.approx(want["slope"], rel=1e-8)
    assert intercept.value == pytest.approx(want["intercept"][0], rel=1e-8)
    # How ties at the line are counted differs: 0.3 % of its standard error.
    assert intercept.u == pytest.approx(want["intercept"][1], rel=0.01)


def test_sen_1968() -> None:
    rows, want = case("pb_sen_1968")
    t, y = columns(rows, "t", "y")
    found = passing_bablok(t, y, level=want["conf"])
    assert (found.intercept.value, found.slope.value) == (want["intercept"], want["slope"])


def test_carkeet_tolerance_factors() -> None:
    rows, _ = case("carkeet_tolerance_open")
    names = {"k0025": 0.025, "k005": 0.05, "k05": 0.5, "k095": 0.95, "k0975": 0.975}
    for row in rows:
        for name, confidence in names.items():
            found = tolerance_factor(int(row["dof"]) + 1, confidence)
            assert found == pytest.approx(float(row[name]), abs=1.5e-4), row


@pytest.mark.parametrize(
    "case_name, x, y",
    [("ccc_pefr", "wright1", "mini1"), ("ccc_creatinine", "serum.crea", "plasma.crea")],
)
def test_lin_concordance(case_name: str, x: str, y: str) -> None:
    rows, want = case(case_name)
    found = concordance(*columns(rows, x, y))
    c = found.coefficient
    z = 1.959963984540054
    assert c.u is not None
    asymptotic = [c.value - z * c.u, c.value + z * c.u]
    assert c.value == pytest.approx(want["ccc"], rel=1e-9)
    assert [c.low, c.high] == pytest.approx(want["ci_z"], rel=1e-9)
    assert asymptotic == pytest.approx(want["ci_asymptotic"], rel=1e-9)
    assert found.scale_shift == pytest.approx(want["scale_shift"], rel=1e-9)
    assert found.location_shift == pytest.approx(want["location_shift"], rel=1e-9)
    assert found.bias_correction == pytest.approx(want["C_b"], rel=1e-9)


def test_bca_of_the_ratio_of_city_sizes() -> None:
    rows, want = case("bca_city_ratio")
    u, x = columns(rows, "u", "x")
    found = bootstrap(np.stack([x, u], axis=1), lambda s: s[..., 0] / s[..., 1], resamples=100_000)
    assert found.value == pytest.approx(want["theta"], rel=1e-12)
    width = want["bca95"][1] - want["bca95"][0]
    assert [found.low, found.high] == pytest.approx(want["bca95"], abs=0.02 * width)


def test_tost_of_two_yields() -> None:
    rows, expected = case("tost_ncss_yield")
    groups = [np.array([float(r["y"]) for r in rows if r["group"] == g]) for g in "AB"]
    low, high = expected["bounds"]
    for want in expected["full_precision"].values():
        difference = float(groups[0].mean() - groups[1].mean())
        assert difference == pytest.approx(want["diff"])
        given = Estimate(difference, want["se"], None, None, 0.95, "", 29, 29)
        found = tost(given, want["df"], low, high)
        assert found.t == pytest.approx((want["t_lower"], want["t_upper"]), rel=1e-8)
        assert found.p_pass == pytest.approx(max(want["p_lower"], want["p_upper"]), rel=1e-8)
        assert found.state == "pass"


def test_tost_from_summaries() -> None:
    _, expected = case("tost_summary_one_paired")
    for name, want in expected.items():
        given = want["args"]
        if name == "one":
            value, sd = given["m"] - given["mu"], given["sd"]
        else:
            value = given["m1"] - given["m2"]
            both = 2 * given["r12"] * given["sd1"] * given["sd2"]
            sd = math.sqrt(given["sd1"] ** 2 + given["sd2"] ** 2 - both)
        u = sd / math.sqrt(given["n"])
        given_estimate = Estimate(value, u, None, None, 0.9, "", given["n"], given["n"])
        found = tost(given_estimate, want["df"], given["low"], given["high"])
        assert found.t == pytest.approx(tuple(want["t"]), rel=1e-4)
        assert found.p_pass == pytest.approx(max(want["p"]), rel=1e-4)
        shift = given.get("mu", 0.0)
        assert found.estimate.low is not None and found.estimate.high is not None
        got = [found.estimate.low, found.estimate.high]
        assert got == pytest.approx(want["ci90"], abs=1e-4) or [
            g + shift for g in got
        ] == pytest.approx(want["ci90"], abs=1e-4)


def test_grubbs_three_chronographs() -> None:
    rows, want = case("grubbs_three_chronographs")
    values = {name: columns(rows, name)[0] for name in rows[0]}
    found = three_cornered_hat(values)
    assert found.variances == pytest.approx(want["grubbs_err_var"], rel=1e-9)
    free = collocation(values)
    assert free.gains == pytest.approx(want["tc_beta_rel_to_0"], rel=1e-9)
    assert free.signal_variance == pytest.approx(want["signal_var_in_0"], rel=1e-9)
    # The case has the errors in each chronograph's own unit, ours are in that of the first.
    own = [(v or 0) * g**2 for v, g in zip(free.variances, free.gains, strict=True)]
    assert own == pytest.approx(want["tc_err_var"], rel=1e-9)


def test_triple_collocation_of_an_exact_covariance() -> None:
    rows, want = case("tc_exact_covariance")
    found = collocation_of("xyz", columns(rows, "x", "y", "z"), 1000)
    sd = [math.sqrt(v or 0) for v in found.variances]
    assert sd == pytest.approx(want["err_sd_in_x_units"], rel=1e-12)
    # Rescaling to x is the inverse of the gain.
    assert [1 / g for g in found.gains] == pytest.approx(want["beta"], rel=1e-12)
    snr = [10 * math.log10((found.signal_variance or 0) / s**2) for s in sd]
    assert snr == pytest.approx(want["snr_db"], rel=1e-12)


def test_uniform_boundaries() -> None:
    _, want = case("confseq_two_sided")
    given = want["two_sided_normal_mixture_bound"]
    rho = best_rho(given["v_opt"], given["alpha_opt"])
    assert rho == pytest.approx(want["best_rho"], rel=1e-6)
    bound = normal_mixture_bound(given["v"], rho, given["alpha"])
    assert bound == pytest.approx(given["value"], rel=1e-6)
    given = want["log_mixture"]
    assert log_mixture(given["s"], given["v"], rho) == pytest.approx(given["value"], rel=1e-6)
    given = want["poly_stitching"]
    bound = stitched_bound(given["v"], given["v_min"], given["c"], given["alpha"])
    assert bound == pytest.approx(given["value"], rel=1e-6)


def test_bland_altman_1986_both_limits_together() -> None:
    d, want = pefr()
    lower, upper = limits_together(d, coverage=Z196)
    assert lower == pytest.approx(want["lower_ci_exact_paired"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_exact_paired"], rel=1e-9)


def test_bland_altman_1999_replicates_of_a_constant_truth() -> None:
    rows, expected = case("ba_sbp_replicates_1999")
    of = {m: [r for r in rows if r["meth"] == m] for m in "JS"}
    y = {m: [float(r["y"]) for r in of[m]] for m in "JS"}
    item = {m: [r["item"] for r in of[m]] for m in "JS"}
    want = expected["full_precision"]["replicates"]
    found = constant_truth(y["J"], item["J"], y["S"], item["S"], coverage=Z196)
    assert found.bias.value == pytest.approx(want["bias"], rel=1e-9)
    assert found.sd == pytest.approx(want["sd"], rel=1e-9)
    assert found.lower.value == pytest.approx(want["lower"], rel=1e-9)
    assert found.upper.value == pytest.approx(want["upper"], rel=1e-9)


def test_zou_2013_through_constant_truth() -> None:
    rows, expected = case("ba_zou_mover")
    kept = {c: [r for r in rows if r[c] not in ("", "NA")] for c in "xy"}
    (x, x_id), (y, y_id) = (
        ([float(r[c]) for r in kept[c]], [r["id"] for r in kept[c]]) for c in "xy"
    )
    found = constant_truth(x, x_id, y, y_id)
    want = expected["full_precision"]
    assert found.bias.value == pytest.approx(want["bias"], rel=1e-9)
    assert [found.lower.value, found.upper.value] == pytest.approx(want["loa"], rel=1e-9)
    assert [found.lower.low, found.lower.high] == pytest.approx(want["lower_ci_mover"], rel=1e-9)
    assert [found.upper.low, found.upper.high] == pytest.approx(want["upper_ci_mover"], rel=1e-9)


def test_bland_altman_1999_regression_limits_of_milk() -> None:
    rows, want = case("ba_milk_regression_loa")
    trig, gerber = columns(rows, "Trig", "Gerber")
    found = level_dependent(trig, gerber)
    assert found.bias.slope.value == pytest.approx(want["slope"], rel=1e-9)
    assert found.bias.intercept.value == pytest.approx(want["intercept"], rel=1e-9)
    assert found.residual_sd == pytest.approx(want["resid_sd"], rel=1e-9)
    assert found.spread.slope.value == pytest.approx(want["abs_resid_slope"], rel=1e-9)
    assert found.spread.intercept.value == pytest.approx(want["abs_resid_intercept"], rel=1e-9)
    lower, upper = found.at([3.0])
    sd = math.sqrt(math.pi / 2) * (want["abs_resid_intercept"] + 3 * want["abs_resid_slope"])
    assert upper[0] - lower[0] == pytest.approx(2 * 1.959963984540054 * sd, rel=1e-9)


@pytest.mark.parametrize("name", ["mcr_creatinine", "mcr_TD13", "mcr_TD9"])
def test_mcr_least_squares(name: str) -> None:
    rows, expected = case(name)
    x, y = columns(rows, *list(rows[0])[:2])
    for key, weights in (("LinReg", np.ones(x.size)), ("WLinReg", 1 / x**2)):
        found, want = least_squares(x, y, weights), expected[key]
        for part in ("intercept", "slope"):
            estimate = getattr(found, part)
            got = [estimate.value, estimate.u, estimate.low, estimate.high]
            assert got == pytest.approx(want[part], rel=1e-7), (key, part)


def test_lme4_dyestuff() -> None:
    rows, want = case("lme4_Dyestuff")
    y = columns(rows, "Yield")[0]
    found = mixed(y, {"(Intercept)": np.ones(y.size)}, {"Batch": [r["Batch"] for r in rows]})
    check_lme4(found, want, {"Batch": "Batch"})


def test_lme4_ox_methods() -> None:
    rows, want = case("lme4_ox_methods")
    y = columns(rows, "y")[0]
    pulse = np.array([float(r["meth"] == "pulse") for r in rows])
    fixed = {"(Intercept)": np.ones(y.size), "methpulse": pulse}
    random = {"item": [r["item"] for r in rows], "mi": [r["meth"] + r["item"] for r in rows]}
    check_lme4(mixed(y, fixed, random), want, {"item": "item", "mi": "mi"})


def test_lme4_sleepstudy() -> None:
    rows, want = case("lme4_sleepstudy")
    y, days = columns(rows, "Reaction", "Days")
    subject = [r["Subject"] for r in rows]
    fixed = {"(Intercept)": np.ones(y.size), "Days": days}
    found = mixed(y, fixed, {"Subject": subject}, slope="Days")
    check_lme4(found, want, {"Subject": "Subject"})
    sds = [r["sdcor"] for r in want["varcorr"] if r["grp"] == "Subject"]
    assert found.sd["Subject:Days"] == pytest.approx(sds[1], rel=1e-3)
    assert found.correlation == pytest.approx(sds[2], abs=2e-3)


def check_lme4(found: Mixed, want: dict[str, Any], names: dict[str, str]) -> None:
    for name, value in want["fixef"].items():
        assert found.fixed[name].value == pytest.approx(value, rel=1e-4)
        assert found.fixed[name].u == pytest.approx(want["se"][name], rel=1e-3)
    of = {r["grp"]: r for r in reversed(want["varcorr"])}
    assert found.sd["error"] == pytest.approx(of["Residual"]["sdcor"], rel=1e-4)
    for name, group in names.items():
        assert found.sd[name] == pytest.approx(of[group]["sdcor"], rel=1e-3)
    assert found.reml == pytest.approx(want["REMLcrit"], rel=1e-6)
