"""Readings packed: many lines of a probe's file as one, exact to the bit.

A block takes the place of the readings that it holds, so that a file stays one of lines::

    {"doc": "readings", "packing": 1, "count": 3, "names": ["package-0"], "forms": ["micro"],
     "sparse": [], "check": "0123456789abcdef", "data": "eNp..."}

``data`` is base64 of zlib of whole numbers of 64 bits, one row each: the steps of ``before_ns``,
the lengths ``after_ns - before_ns``, and the steps of each column; then one byte a reading (0 where
it is missing) for each of the columns that ``sparse`` names. A ``micro`` column has millionths of J
or W, a ``bits`` column the bits of its doubles. Rows are zigzag-coded, and stored one byte of all
numbers after the other, which compresses best. ``check`` is BLAKE2b over the rest of the block.

What a block would not give back as it was, a line with more in it or a whole number, stays a line;
so does a block that shrinks so much that a reader would take it for a bomb.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibrate.errors import BadFile
from calibrate.store.files import LINE_BYTES, parse_json, part_files, part_lines, read_lines, write

#: Columns of one probe beyond which its file is refused; a machine of 1024 cores has fewer.
MOST_DOMAINS = 4096
#: Joules or watts that nothing on earth reaches, and the last instant of a clock in ns.
LARGEST_J, LAST_NS = 1e30, 2**62
#: Doc of a block, and the packing that it follows.
BLOCK, PACKING = "readings", 1
#: Numbers in a block at most; its line is then below `calibrate.store.files.LINE_BYTES`.
_NUMBERS = 1 << 16
#: A block holds at most so many times the bytes of its data.
_MOST_SHRUNK = 100
#: Fewer readings than these stay lines.
_LEAST = 16
_LEVEL = 6

Whole = NDArray[np.int64]
Real = NDArray[np.float64]
Form = Literal["micro", "bits"]


class Block(BaseModel):
    """A line that stands for many readings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    doc: Literal["readings"]
    packing: Literal[1]
    count: int = Field(ge=1, le=_NUMBERS)
    names: tuple[str, ...] = Field(max_length=MOST_DOMAINS, strict=False)
    forms: tuple[Form, ...] = Field(max_length=MOST_DOMAINS, strict=False)
    sparse: tuple[str, ...] = Field(max_length=MOST_DOMAINS, strict=False)
    check: str
    data: str


def pack(path: Path) -> None:
    """Pack the readings of a probe's file in place, and of those that continue it.

    The packed file takes the place of the lines when it is on the disk. A last line without its
    end is left out, as when the file is read.

    Raises
    ------
    FileNotFoundError : there is no such file.
    BadFile : a line is damaged; the file stays as it is.
    """
    for each in (path, *list(part_files(path))[1:]):
        write(each, _packed(each))


def unpacked_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a probe's file, each with its end, a reading a line.

    Raises
    ------
    FileNotFoundError : there is no such file.
    BadFile : a line is damaged.
    """
    for number, line in part_lines(path):
        data = _parsed(path, number, line)
        if not is_block(data):
            yield line
            continue
        try:
            before, after, values = unpack(data)
        except ValueError as error:
            raise BadFile(path, f"the block is damaged ({error})", number) from None
        yield from _lines(before, after, values)


def is_block(data: object) -> bool:
    """Tell whether a document is a block of readings."""
    return isinstance(data, dict) and data.get("doc") == BLOCK


def unpack(data: Mapping[str, Any]) -> tuple[Whole, Whole, dict[str, Real]]:
    """Return ``before_ns``, ``after_ns`` and the values of a block, NaN where one is missing.

    Sizes are checked before anything is unpacked.

    Raises
    ------
    ValueError : it is no block, or is damaged.
    """
    try:
        block = Block.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg'][:200]}") from None
    count, names = block.count, block.names
    if len(set(names)) < len(names) or len(block.forms) != len(names):
        raise ValueError("its columns have not one name and one form each")
    if not set(block.sparse) <= set(names) or len(set(block.sparse)) < len(block.sparse):
        raise ValueError("its sparse columns are not columns of it")
    if block.check != _check(block.model_dump()):
        raise ValueError("its checksum does not fit: it is not as it was written")
    rows, size = 2 + len(names), count * (8 * (2 + len(names)) + len(block.sparse))
    numbers, masks = _inflated(block.data, size, count * 8 * rows)
    whole = _unzigzag(numbers.reshape(8, rows, count).transpose(1, 2, 0).copy().view("<u8")[..., 0])
    before = np.cumsum(whole[0])
    after = before + whole[1]
    if (before < 0).any() or (after < before).any() or (after > LAST_NS).any():
        raise ValueError("its instants are not whole numbers of nanoseconds in order")
    there = dict(zip(block.sparse, masks.reshape(-1, count) != 0, strict=True))
    values = {}
    for name, form, steps in zip(names, block.forms, whole[2:], strict=True):
        column = _restored(form, np.cumsum(steps))
        if not (np.abs(column) <= LARGEST_J).all():
            raise ValueError("a value is not a number, or larger than any energy")
        values[name] = np.where(there[name], column, np.nan) if name in there else column
    return before, after, values


def _inflated(text: str, size: int, split: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the bytes of the numbers and those of the masks."""
    packed = base64.b64decode(text, validate=True)
    if size > _MOST_SHRUNK * len(packed):
        raise ValueError("it holds too much for its length")
    engine = zlib.decompressobj()
    try:
        plain = engine.decompress(packed, size)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(plain) != size or engine.decompress(engine.unconsumed_tail, 1) or not engine.eof:
        raise ValueError("its data have not the length that it says")
    every = np.frombuffer(plain, np.uint8)
    return every[:split], every[split:]


def _restored(form: Form, whole: Whole) -> Real:
    """Return the values of a column."""
    return whole / 1e6 if form == "micro" else whole.view(np.float64)


def _whole(values: Real) -> tuple[Form, Whole]:
    """Return a column as whole numbers from which its doubles can be had again, to the bit."""
    if (np.abs(values) < 2**53 / 1e6).all():
        micro = np.round(values * 1e6).astype(np.int64)
        if np.array_equal((micro / 1e6).view(np.int64), values.view(np.int64)):
            return "micro", micro
    return "bits", values.view(np.int64)


def _steps(whole: Whole) -> Whole:
    return np.diff(whole, prepend=np.int64(0))


def _zigzag(whole: Whole) -> NDArray[np.uint64]:
    """Return whole numbers as those without a sign, small ones small."""
    return ((whole << 1) ^ (whole >> 63)).view(np.uint64)


def _unzigzag(coded: NDArray[np.uint64]) -> Whole:
    half = (coded >> np.uint64(1)).view(np.int64)
    return half ^ -(coded & np.uint64(1)).view(np.int64)


def _check(block: Mapping[str, Any]) -> str:
    """Return the checksum of all else that a block says."""
    rest = [block[key] for key in ("packing", "count", "names", "forms", "sparse", "data")]
    return hashlib.blake2b(json.dumps(rest).encode(), digest_size=8).hexdigest()


def _packed(path: Path) -> Iterator[str]:
    """Yield the lines of a file, those of readings as blocks."""
    pending: list[str] = []
    readings: list[dict[str, Any]] = []
    names: dict[str, None] = {}
    for number, line in read_lines(path):
        data = _parsed(path, number, line)
        plain = _is_plain(data)
        new = plain and not data["values"].keys() <= names.keys()
        full = (len(readings) + 1) * (2 + len(names)) > _NUMBERS
        if readings and (not plain or new or full):
            yield from _block(readings, list(names), pending)
            pending, readings = [], []
        if plain:
            names |= dict.fromkeys(data["values"])
            pending.append(line)
            readings.append(data)
        else:
            yield line
    yield from _block(readings, list(names), pending)


def _is_plain(data: Any) -> bool:
    """Tell whether a document is a reading with nothing in it that a block has no place for."""
    if not isinstance(data, dict) or data.keys() != {"doc", "before_ns", "after_ns", "values"}:
        return False
    values, before, after = data["values"], data["before_ns"], data["after_ns"]
    return (
        data["doc"] == "reading"
        and type(values) is dict
        and len(values) <= MOST_DOMAINS
        and type(before) is int
        and type(after) is int
        and 0 <= before <= after <= LAST_NS
        and all(type(v) is float and -LARGEST_J <= v <= LARGEST_J for v in values.values())
    )


def _block(readings: Sequence[dict[str, Any]], names: list[str], lines: list[str]) -> list[str]:
    """Return readings as the line of a block; as their own lines where that is not the same."""
    if len(readings) < _LEAST:
        return lines
    before = np.array([each["before_ns"] for each in readings], np.int64)
    after = np.array([each["after_ns"] for each in readings], np.int64)
    columns = {
        name: np.array([each["values"].get(name, np.nan) for each in readings], np.float64)
        for name in names
    }
    try:
        block = as_block(before, after, columns)
    except ValueError:
        return lines
    same = list(_lines(*unpack(block))) == lines
    return [json.dumps(block) + "\n"] if same else lines


def blocks(before: Whole, after: Whole, values: Mapping[str, Real]) -> Iterator[dict[str, Any]]:
    """Yield readings as blocks, in order.

    Parameters
    ----------
    before, after : monotonic instants, ns, shape (n,).
    values : domain -> J or W, shape (n,); NaN where one is missing.

    Raises
    ------
    ValueError : they cannot be had again from blocks.
    """
    most = max(_NUMBERS // (2 + len(values)), 1)
    for start in range(0, before.size, most):
        part = slice(start, start + most)
        block = as_block(before[part], after[part], {n: v[part] for n, v in values.items()})
        unpack(block)  # what a reader refuses is not written
        yield block


def as_block(before: Whole, after: Whole, values: Mapping[str, Real]) -> dict[str, Any]:
    """Return at least one reading, and no more than fit, as the document of a block.

    Raises
    ------
    ValueError : it would be too long, or shrink so much that readers take it for a bomb.
    """
    rows, forms, sparse, masks = [_steps(before), after - before], [], [], []
    for name, column in values.items():
        there = ~np.isnan(column)
        if not there.all():
            sparse.append(name)
            masks.append(there.astype(np.uint8))
        form, whole = _whole(column if there.all() else _filled(column, there))
        forms.append(form)
        rows.append(_steps(whole))
    coded = _zigzag(np.stack(rows)).astype("<u8")
    planes = coded[..., None].view(np.uint8).transpose(2, 0, 1)
    plain = planes.tobytes() + b"".join(mask.tobytes() for mask in masks)
    packed = zlib.compress(plain, _LEVEL)
    block: dict[str, Any] = {
        "doc": BLOCK, "packing": PACKING, "count": before.size, "names": list(values),
        "forms": forms, "sparse": sparse, "data": base64.b64encode(packed).decode(),
    }  # fmt: skip
    if len(plain) > _MOST_SHRUNK * len(packed) or len(json.dumps(block)) > LINE_BYTES - 100:
        raise ValueError("it shrinks too much, or is too long")
    block["check"] = _check(block)
    return block


def _filled(column: Real, there: NDArray[np.bool_]) -> Real:
    """Return a column with the value before in place of each that is missing."""
    last = np.maximum.accumulate(np.where(there, np.arange(column.size), -1))
    return np.where(last < 0, 0.0, column[np.maximum(last, 0)])


def _lines(before: Whole, after: Whole, values: Mapping[str, Real]) -> Iterator[str]:
    """Yield readings as a recorder writes them."""
    columns = [column.tolist() for column in values.values()]
    for index, (start, end) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
        row = {
            name: column[index]
            for name, column in zip(values, columns, strict=True)
            if column[index] == column[index]
        }
        reading = {"doc": "reading", "before_ns": start, "after_ns": end, "values": row}
        yield json.dumps(reading) + "\n"


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        raise BadFile(path, f"the line is damaged ({error})", number) from None
