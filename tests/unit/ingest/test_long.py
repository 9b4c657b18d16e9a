"""A long table: columns in order of time, whatever came first, and whether or not it fits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.errors import CrosswattError
from calibrate.ingest.feed import Chunk
from calibrate.ingest.long import Long

readings = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.floats(-1e9, 1e9)), max_size=60
)


class Small(Long):
    """One that puts away what it has after a few readings."""

    BLOCK = 7


def put(table: Long, rows: Iterable[tuple[int, str, float]]) -> Long:
    for at_ns, name, value in rows:
        table.put(at_ns, name, value)
    return table


def seen(chunks: Iterable[Chunk]) -> dict[tuple[int, str], float]:
    """Every value by instant and column; instants grow from chunk to chunk."""
    found: dict[tuple[int, str], float] = {}
    last = -1
    for chunk in chunks:
        assert np.all(np.diff(chunk.at_ns) > 0) and chunk.at_ns[0] > last
        last = int(chunk.at_ns[-1])
        for name, column in chunk.values.items():
            for at_ns, value in zip(chunk.at_ns, column, strict=True):
                if not np.isnan(value):
                    found[int(at_ns), name] = float(value)
    return found


@given(readings)
def test_the_last_value_of_a_column_at_an_instant_counts(
    rows: list[tuple[int, str, float]],
) -> None:
    wanted = {(at_ns, name): value for at_ns, name, value in rows}
    for ordered in (rows, sorted(rows, key=lambda row: row[0])):
        table = put(Small(), ordered)
        assert len(table) == len(rows)
        assert seen(table) == wanted
        assert seen(table) == wanted  # it can be gone through again


@given(readings.filter(bool))
def test_in_memory_or_put_away_is_the_same(rows: list[tuple[int, str, float]]) -> None:
    small, large = put(Small(), rows), put(Long(), rows)
    assert seen([small.whole()]) == seen([large.whole()]) == seen(large)
    assert small.names == large.names


def test_counters_add_up_over_blocks() -> None:
    table = Small()
    for second in range(50):
        table.add(second, "package-0", 2.0)
    assert seen(table)[49, "package-0"] == 100.0
    with pytest.raises(ValueError, match="run backwards by 1 J"):
        table.add(51, "package-0", -1.0)


def test_too_many_columns_are_another_format() -> None:
    table = Long()
    with pytest.raises(CrosswattError, match="more than 1000 different columns"):
        put(table, ((0, f"c{n}", 1.0) for n in range(1001)))
