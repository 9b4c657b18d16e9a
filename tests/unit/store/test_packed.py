"""Readings packed into blocks: exact, checked, bounded, and lines again."""

from __future__ import annotations

import base64
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate import store
from calibrate.errors import BadFile
from calibrate.store import packed

_NUMBERS = st.floats(-1e30, 1e30, allow_nan=False) | st.integers(0, 10**12).map(lambda n: n / 1e6)
_VALUES = st.dictionaries(st.sampled_from(["package-0", "dram-0", "ä"]), _NUMBERS)


def _line(at_ns: int, values: dict[str, Any], **more: object) -> str:
    reading = {"doc": "reading", "before_ns": at_ns, "after_ns": at_ns + 7, "values": values}
    return json.dumps(reading | more) + "\n"


def _file(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(lines))
    return path


def _counter(count: int) -> list[str]:
    return [
        _line(10**12 + i * 10**6 + i * i % 997, {"package-0": (10**9 + i * i % 50_021) / 1e6})
        for i in range(count)
    ]


@given(st.lists(_VALUES, min_size=20, max_size=60), st.integers(0, 2**61))
def test_lines_come_back_to_the_bit(tmp_path_factory: Any, rows: Any, start: int) -> None:
    lines = [_line(start + 1000 * i, row) for i, row in enumerate(rows)]
    path = _file(tmp_path_factory.mktemp("pack") / "x.jsonl", lines)
    before = store.load_log(path).readings
    store.pack(path)
    after = store.load_log(path).readings
    assert list(store.unpacked_lines(path)) == lines
    assert np.array_equal(before.before_ns, after.before_ns)
    assert before.values.keys() == after.values.keys()
    for name, column in before.values.items():
        assert column.tobytes() == after.values[name].tobytes()


def test_a_long_file_shrinks_to_a_tenth_and_keeps_its_other_lines_in_their_places(
    tmp_path: Path,
) -> None:
    lines = _counter(30_000)
    mark = json.dumps({"doc": "begin", "before_ns": 5, "after_ns": 6}) + "\n"
    lines.insert(17_000, mark)
    path = _file(tmp_path / "x.jsonl", lines)
    size = path.stat().st_size
    store.pack(path)
    assert path.stat().st_size < size / 10
    assert list(store.unpacked_lines(path)) == lines
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    "odd",
    [
        _line(50, {"package-0": 3.0}, flag="first"),
        _line(50, {"package-0": 3}),
        '{"doc":"reading","before_ns":50,"after_ns":57,"values":{"package-0":3.0}}\n',
    ],
    ids=["a word more", "a whole number", "other spaces"],
)
def test_what_a_block_has_no_place_for_stays_a_line(tmp_path: Path, odd: str) -> None:
    lines = [*_counter(100), odd, *_counter(100)]
    path = _file(tmp_path / "x.jsonl", lines)
    store.pack(path)
    assert list(store.unpacked_lines(path)) == lines
    assert len(store.load_log(path).readings) == 201


def test_packing_twice_changes_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path / "x.jsonl", _counter(100))
    store.pack(path)
    once = path.read_bytes()
    store.pack(path)
    assert path.read_bytes() == once


def test_a_damaged_line_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = _file(tmp_path / "x.jsonl", [*_counter(50), "{nonsense\n", *_counter(50)])
    before = path.read_bytes()
    with pytest.raises(BadFile, match="line 51"):
        store.pack(path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def _block(path: Path) -> dict[str, Any]:
    store.pack(_file(path, _counter(100)))
    block: dict[str, Any] = json.loads(path.read_text())
    return block


@pytest.mark.parametrize(
    "change",
    [
        {"count": 99}, {"count": 2**15}, {"count": -1}, {"count": 10**30}, {"names": ["other"]},
        {"names": ["a", "a"], "forms": ["bits", "bits"]}, {"forms": ["bits"]},
        {"forms": ["words"]}, {"forms": []}, {"sparse": ["other"]}, {"sparse": ["package-0"]},
        {"data": "AAAA"}, {"data": "ü"}, {"data": 3}, {"packing": 2}, {"check": ""}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_block_is_refused_with_its_line(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "x.jsonl"
    block = _block(path)
    path.write_text(json.dumps(block | change) + "\n")
    with pytest.raises(BadFile, match="line 1"):
        store.load_log(path)
    with pytest.raises(BadFile, match="line 1"):
        list(store.unpacked_lines(path))
    block |= change
    path.write_text(json.dumps(block | {"check": _checked(block)}) + "\n")
    if change in ({"names": ["other"]}, {"forms": ["bits"]}, {"check": ""}):
        return  # it is another block, and a good one
    with pytest.raises(BadFile, match="line 1"):
        store.load_log(path)


def _checked(block: dict[str, Any]) -> str:
    return packed._check(block)


def _forged(path: Path, rows: list[list[int]], plain: bytes = b"", **change: object) -> Path:
    block = _block(path)
    whole = np.array(rows, np.int64)
    planes = packed._zigzag(whole)[..., None].view(np.uint8).transpose(2, 0, 1)
    data = zlib.compress(plain or planes.tobytes())
    block |= {"count": whole.shape[1], "data": base64.b64encode(data).decode(), **change}
    path.write_text(json.dumps(block | {"check": _checked(block)}) + "\n")
    return path


def _bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


@pytest.mark.parametrize(
    ("rows", "change"),
    [
        ([[5, -6], [0, 0], [1, 1]], {}),
        ([[5, 1], [0, -1], [1, 1]], {}),
        ([[2**62, 2**62], [0, 0], [1, 1]], {}),
        ([[5, 1], [0, 0], [_bits(math.nan), 0]], {"forms": ["bits"]}),
        ([[5, 1], [0, 0], [_bits(math.inf), 0]], {"forms": ["bits"]}),
        ([[5, 1], [0, 0], [_bits(1e300), 0]], {"forms": ["bits"]}),
    ],
    ids=["before 0", "ends before it starts", "overflow", "nan", "infinite", "huge"],
)
def test_numbers_that_no_meter_gives_are_refused(
    tmp_path: Path, rows: list[list[int]], change: dict[str, Any]
) -> None:
    path = _forged(tmp_path / "x.jsonl", rows, **change)
    with pytest.raises(BadFile, match="line 1"):
        store.load_log(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = _forged(tmp_path / "x.jsonl", [[1], [0], [0]], bytes(10**8), count=60_000)
    with pytest.raises(BadFile, match="line 1"):
        store.load_log(path)


def test_readings_that_never_change_stay_lines_for_they_would_be_a_bomb(tmp_path: Path) -> None:
    lines = [_line(10**12, {"package-0": 0.0}) for _ in range(10_000)]
    path = _file(tmp_path / "x.jsonl", lines)
    store.pack(path)
    assert path.read_text() == "".join(lines)
