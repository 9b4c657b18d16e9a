"""`calibrate.agreement`: a table of runs in, a result of each method or a reason out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate import stats
from calibrate.agreement import (
    METHODS,
    Agreement,
    Entry,
    MeterAgreement,
    NotAvailable,
    agree,
    entries,
    read_table,
)
from calibrate.errors import BadFile, CrosswattError, UnknownName

SAMPLE = Path(__file__).parents[2] / "data" / "agree.csv"
U = {"wall_j": "wall_u_j", "codecarbon_j": "codecarbon_u_j", "rapl_j": "rapl_u_j"}
FEW = settings(max_examples=6, deadline=None)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_table(SAMPLE)


@pytest.fixture(scope="module")
def found(table: pd.DataFrame) -> Agreement:
    return agree(table, reference="wall_j", test=["codecarbon_j", "rapl_j"], group="workload", u=U)


def rapl(table: pd.DataFrame) -> Agreement:
    u = {"wall_j": "wall_u_j", "rapl_j": "rapl_u_j"}
    return agree(table, reference="wall_j", test=["rapl_j"], group="workload", u=u)


def value(result: object) -> stats.Line:
    """Return a line, or fail with the reason why there is none."""
    assert isinstance(result, stats.Line), result
    return result


# ---- the results are those of the functions ----


def test_results_are_those_of_the_functions(table: pd.DataFrame, found: Agreement) -> None:
    meter, here = found.meters[1], table
    x, y, group = here.wall_j.to_numpy(), here.rapl_j.to_numpy(), list(here.workload)
    d = stats.log_ratio(y, x)
    assert meter.ratio == stats.mean_ratio(d, group)
    assert meter.limits == stats.limits_of_agreement(d, group)
    assert meter.next_run == stats.prediction(d, group)
    assert meter.equivalence == stats.equivalent_ratio(d, group, 0.05, alpha=1 - 0.95)
    assert meter.concordance == stats.concordance(x, y)
    assert meter.origin == stats.line_through_origin(x, y)
    assert meter.constant_truth == stats.constant_truth(np.log(y), group, np.log(x), group)
    assert meter.lack_of_fit == stats.lack_of_fit(x, y, group)
    assert meter.one_factor == stats.one_factor(d, group)
    both = np.concatenate([found.meters[0].runs.d, d])
    names = ["codecarbon_j"] * 23 + ["rapl_j"] * 24
    labels = [*found.meters[0].runs.cluster, *group]
    assert found.mixed == stats.probe_effects(both, names, labels)


def test_lines_take_the_stated_uncertainties(table: pd.DataFrame, found: Agreement) -> None:
    meter, here = found.meters[0], table.dropna(subset=["codecarbon_j"])
    x, y = here.wall_j.to_numpy(), here.codecarbon_j.to_numpy()
    u_x, u_y = here.wall_u_j.to_numpy(), here.codecarbon_u_j.to_numpy()
    assert meter.york == stats.york(x, y, u_x, u_y)
    ratio = float((u_x**2).mean() / (u_y**2).mean())
    group = list(here.workload)
    assert meter.deming == stats.deming(x, y, var_ratio_x_over_y=ratio, cluster=group)
    assert meter.deming_origin == stats.deming_through_origin(
        x, y, var_ratio_x_over_y=ratio, cluster=group
    )
    assert meter.weighted_deming == stats.weighted_deming(
        x, y, var_ratio_x_over_y=ratio, cluster=group
    )


def test_lines_by_ranks_go_through_the_means_of_groups(
    table: pd.DataFrame, found: Agreement
) -> None:
    means = table.groupby("workload")[["wall_j", "rapl_j"]].mean().to_numpy()
    line = value(found.meters[1].passing_bablok)
    want = stats.passing_bablok(means[:, 0], means[:, 1])
    assert line.slope.value == pytest.approx(want.slope.value, rel=1e-12)
    assert line.slope.n_runs == 6


def test_three_columns_and_no_reference(table: pd.DataFrame) -> None:
    names = ["wall_j", "codecarbon_j", "rapl_j"]
    found = agree(table, reference=None, test=names)
    whole = table.dropna(subset=names)
    assert found.hat == stats.three_cornered_hat({n: np.log(whole[n].to_numpy()) for n in names})
    assert found.meters == ()
    assert isinstance(found.mixed, NotAvailable)


# ---- what is missing ----


def test_a_missing_value_is_a_row_that_is_not_there(table: pd.DataFrame) -> None:
    holes, fewer = table.copy(), table.drop(index=[2, 7, 9])
    holes.loc[2, "wall_j"] = math.nan
    holes.loc[7, "rapl_j"] = math.nan
    holes.loc[9, "workload"] = None
    one, two = rapl(holes), rapl(fewer)
    assert (one.meters[0].runs.left_out, two.meters[0].runs.left_out) == (3, 0)
    assert [e for e in entries(one) if e.value] == [e for e in entries(two) if e.value]


def test_every_absence_has_a_sentence(table: pd.DataFrame) -> None:
    found = agree(table, reference="wall_j", test=["codecarbon_j"])
    meter = found.meters[0]
    reasons = {
        name: result.why
        for name in METHODS
        if isinstance(result := getattr(meter, name), NotAvailable)
    }
    assert set(reasons) == {"constant_truth", "york", "lack_of_fit", "one_factor"}
    assert "standard uncertainties" in reasons.pop("york")
    assert all("column of groups" in why for why in reasons.values())
    assert isinstance(found.mixed, NotAvailable) and "column of groups" in found.mixed.why
    assert isinstance(found.hat, NotAvailable) and "three meters" in found.hat.why


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4])
def test_too_few_rows_say_so_method_by_method(table: pd.DataFrame, rows: int) -> None:
    few = table.iloc[:rows].copy()
    meter = rapl(few).meters[0]
    results = [getattr(meter, name) for name in METHODS]
    reasons = [result.why for result in results if isinstance(result, NotAvailable)]
    assert all(why.endswith(".") for why in reasons)
    assert isinstance(meter.passing_bablok, NotAvailable)
    if rows == 0:
        assert len(reasons) == len(METHODS)
        assert set(reasons) == {"No run has a value of both meters."}
    if rows == 1:  # one ratio is a ratio, without an interval
        assert isinstance(meter.ratio, stats.MeanRatio) and meter.ratio.ratio.low is None
        assert meter.limits == NotAvailable("One run has no spread to make limits from.")


def test_an_energy_of_zero_is_named_and_no_ratio_is_made_of_it(table: pd.DataFrame) -> None:
    zero = table.copy()
    zero.loc[5, "rapl_j"] = 0.0
    found = agree(zero, reference="wall_j", test=["rapl_j"], group="workload")
    meter = found.meters[0]
    assert isinstance(meter.ratio, NotAvailable)
    assert meter.ratio.why.startswith("rapl_j is 0 in line 5; a ratio needs energies above zero.")
    assert isinstance(meter.deming, stats.Line)  # a line is one of joules
    assert isinstance(found.mixed, NotAvailable) and "line 5" in found.mixed.why
    zero["wall_j"] = zero["wall_j"].where(zero.index != 8, -1.0)
    meter = agree(zero, reference="wall_j", test=["rapl_j"]).meters[0]
    assert isinstance(meter.ratio, NotAvailable) and "wall_j is -1 in line 8" in meter.ratio.why
    zero["wall_j"] = table["wall_j"]
    hat = agree(zero, reference=None, test=["wall_j", "codecarbon_j", "rapl_j"]).hat
    assert isinstance(hat, NotAvailable) and "rapl_j is 0 in line 5" in hat.why


# ---- properties ----


def same(one: float | None, two: float | None, scale: float) -> bool:
    """Return whether two numbers are the same but for rounding and a unit, or both missing."""
    if one is None or two is None:
        return one is two
    return two == pytest.approx(scale * one, rel=1e-4, abs=1e-6 * scale)


@FEW
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(random: object) -> None:
    table = read_table(SAMPLE)
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, two = entries(rapl(table)), entries(rapl(table.iloc[order]))
    for a, b in zip(one, two, strict=True):
        assert (a.method, a.quantity, a.state, a.why) == (b.method, b.quantity, b.state, b.why)
        for field in ("value", "low", "high", "p_value"):
            assert same(getattr(a, field), getattr(b, field), 1.0), a


@FEW
@given(st.floats(1e-6, 1e6))
def test_one_unit_for_all_changes_energies_and_nothing_else(unit: float) -> None:
    table = read_table(SAMPLE)
    other = table.copy()
    other[table.columns[1:]] *= unit
    one, two = entries(rapl(table)), entries(rapl(other))
    for a, b in zip(one, two, strict=True):
        scale = unit if a.unit == "J" else 1.0
        for field in ("value", "u", "low", "high"):
            assert same(getattr(a, field), getattr(b, field), scale), a


def test_a_meter_in_another_unit_has_lines_of_that_factor(table: pd.DataFrame) -> None:
    slip = table.copy()
    slip["rapl_j"] *= 1000
    slip["rapl_u_j"] *= 1000
    one, two = rapl(table).meters[0], rapl(slip).meters[0]
    for name in ("origin", "deming_origin", "deming", "weighted_deming", "passing_bablok_1983"):
        slope = value(getattr(two, name)).slope
        # Errors are taken for the same size as parts of each meter, hence not exactly.
        assert slope.value == pytest.approx(1000 * value(getattr(one, name)).slope.value, rel=0.02)
    assert "of the meter divided by 904.7" in value(two.deming).slope.method
    assert "divided" not in value(one.deming).slope.method


# ---- tables out ----


def test_frame(found: Agreement) -> None:
    frame = found.to_frame()
    assert list(frame.columns[:5]) == ["meter", "method", "quantity", "unit", "value"]
    assert set(frame.meter) == {"codecarbon_j", "rapl_j", "all meters"}
    assert set(METHODS.values()) <= set(frame.method)
    ratio = frame[(frame.meter == "rapl_j") & (frame.method == "mean ratio")].iloc[0]
    assert isinstance(found.meters[1].ratio, stats.MeanRatio)
    assert ratio.value == found.meters[1].ratio.ratio.value
    assert frame.why[frame.value.notna()].eq("").all()


def test_every_result_has_a_number_or_a_reason(found: Agreement) -> None:
    for entry in entries(found):
        assert bool(entry.quantity) != bool(entry.why)
        assert entry.value is None or math.isfinite(entry.value)
    with pytest.raises(TypeError, match="str is not a result"):
        from calibrate.agreement.listing import _numbers_of

        _numbers_of("nothing")


def test_json_has_no_nan_and_says_why(table: pd.DataFrame) -> None:
    u = dict(list(U.items())[:2])
    found = agree(table, reference="wall_j", test=["codecarbon_j", "rapl_j"], u=u)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["meters"][0]["ratio"]["ratio"]["n_runs"] == 23
    assert told["meters"][1]["york"]["why"].startswith("It takes a column of standard")
    assert len(told["meters"][0]["runs"]["u_test_j"]) == 23
    assert told["group"] is None


def test_methods_are_the_fields() -> None:
    from dataclasses import fields

    names = [field.name for field in fields(MeterAgreement)]
    assert names == ["test", "runs", *METHODS]
    assert Entry().meter == ""


# ---- refusals ----


def test_refused_columns(table: pd.DataFrame) -> None:
    with pytest.raises(UnknownName, match="no column named 'wal_j'; did you mean wall_j"):
        agree(table, reference="wal_j", test=["rapl_j"])
    with pytest.raises(UnknownName, match="no column named 'load'"):
        agree(table, reference="wall_j", test=["rapl_j"], group="load")
    with pytest.raises(UnknownName, match="no column named 'u'"):
        agree(table, reference="wall_j", test=["rapl_j"], u={"wall_j": "u"})
    with pytest.raises(CrosswattError, match="rapl_j is named twice"):
        agree(table, reference="wall_j", test=["rapl_j", "rapl_j"])
    with pytest.raises(CrosswattError, match="wall_j is named twice"):
        agree(table, reference="wall_j", test=["wall_j"])
    with pytest.raises(CrosswattError, match="neither the reference nor a test"):
        agree(table, reference="wall_j", test=["rapl_j"], u={"codecarbon_j": "wall_u_j"})
    with pytest.raises(CrosswattError, match="no meter to test"):
        agree(table, reference="wall_j", test=[])
    with pytest.raises(CrosswattError, match="three meters or more, not 2"):
        agree(table, reference=None, test=["wall_j", "rapl_j"])
    with pytest.raises(CrosswattError, match="The margin is 0"):
        agree(table, reference="wall_j", test=["rapl_j"], margin=0.0)
    with pytest.raises(CrosswattError, match="The level is 95"):
        agree(table, reference="wall_j", test=["rapl_j"], level=95)


def test_a_cell_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text('a,b\n1,2\n\n3,"4,5"\n')
    with pytest.raises(CrosswattError, match="Column b, line 4: '4,5' is not a number"):
        agree(read_table(path), reference="a", test=["b"])
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, math.inf]})
    with pytest.raises(CrosswattError, match="Column b, row 1: 'inf' is not a number"):
        agree(frame, reference="a", test=["b"])


@pytest.mark.parametrize("missing", ["", "NA", "nan", " - ", "None", "null", "n/a"])
def test_what_says_that_a_value_is_missing(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"a,b\n1,2\n3,{missing}\n")
    table = read_table(path)
    assert list(table.index) == [2, 3]
    assert table.b.isna().tolist() == [False, True]
    frame = pd.DataFrame({"a": ["1", "3"], "b": ["2", missing]})
    assert agree(frame, reference="a", test=["b"]).meters[0].runs.n == 1


def test_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes('\ufeffnote,a\r\n"two\nlines",1\r\n\r\nx,2\r\n'.encode())
    table = read_table(path)
    assert list(table.columns) == ["note", "a"]
    assert list(table.index) == [3, 5]
    assert table.a.tolist() == [1.0, 2.0]


def test_groups_may_be_numbers() -> None:
    frame = pd.DataFrame({"a": np.arange(1.0, 9), "b": np.arange(1.1, 9), "g": [1.0, 2, 3, 4] * 2})
    meter = agree(frame, reference="a", test=["b"], group="g").meters[0]
    assert meter.runs.group == ("1", "2", "3", "4") * 2


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "line 1: its first line names no columns"),
        (b"a,b\n", "has no rows below the names. Give one row"),
        (b"a;b\n1;2\n", "line 1: its cells are not separated by commas"),
        (b"a,b,a\n1,2,3\n", "line 1: two columns are named 'a'"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: it has 3 cells for 2 columns. Put cells"),
        (b'a,b\n1,"2\n', "it is not CSV"),
        (b"a,b\n\xff\xfe,2\n", "it is not UTF-8 text"),
    ],
)
def test_refused_files(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=why):
        read_table(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="it cannot be read"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(BadFile, match="it is a folder"):
        read_table(tmp_path)
