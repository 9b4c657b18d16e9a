"""Damaged files of every format: a sentence or a campaign, within seconds, and nothing half made.

CROSSWATT_FUZZ=100000 pytest tests/unit/test_ingest_fuzz.py tries as many; a thousand are tried
every time.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calibrate import store
from calibrate.cli.ingest import import_
from calibrate.errors import CrosswattError
from tests.helpers.samples import SAMPLES
from tests.unit.ingest.test_formats import MAPPING, sheet

COUNT = int(os.environ.get("CROSSWATT_FUZZ", "1000"))
#: CPU time of this process: what others do on a busy machine is not counted.
LIMIT_S = 5
BYTES = [
    b"\0", b"\xff\xfe", b"\n", b"\r\n", b",", b";", b'"', b"-", b"1e999", b"NaN", b"inf", b"{",
    b"]", b"9" * 30, b"\xe2\x82\xac", b"0", b" ", b"2024-13-45T99:99:99Z", b"null",
]  # fmt: skip


@contextmanager
def limited() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError("it hung")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def mutated(data: bytes, choose: random.Random) -> bytes:
    """Damage a file in a few places."""
    for _ in range(choose.randint(1, 6)):
        place = choose.randrange(len(data) + 1)
        end = min(len(data), place + choose.choice((0, 1, 1, 8, 200)))
        match choose.randrange(5):
            case 0:
                data = data[:place] + choose.choice(BYTES) + data[end:]
            case 1:
                data = data[:place] + data[end:]
            case 2:
                data = data[:place] + data[place:end] * 2 + data[end:]
            case 3:
                data = data[:place]
            case 4:
                data = data[:place] + choose.randbytes(end - place) + data[end:]
    return data


def samples() -> list[tuple[str, str, bytes]]:
    found = [(each.form, each.name, each.data) for each in SAMPLES.values()]
    lines = sheet([f"2024-05-01T10:00:{n:02d}Z" for n in range(30)])
    return [("csv", "mine.csv", lines.encode()), *found]


def ends(form: str, path: Path, out: Path, mapping: Path) -> bool:
    """Import as the command does, without the command line around it; whether it succeeded.

    Building the command line anew takes ten times as long as importing a few lines.
    """
    try:
        import_(form, [path], out, "UTC", "W", None, mapping, None, 1000)
    except (CrosswattError, OSError) as error:
        assert str(error)
        return False
    return True


@pytest.mark.timeout(900)
def test_damaged_files_never_crash_hang_or_leave_anything(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'crosswatt[import]'")
    mapping = tmp_path / "map.toml"
    mapping.write_text(MAPPING.format(unit="iso", zone=""))
    files = samples()
    ended = {True: 0, False: 0}
    for seed in range(COUNT):
        choose = random.Random(seed)  # noqa: S311
        form, name, data = files[seed % len(files)]
        packed = choose.random() < 0.1
        broken = gzip.compress(data) if packed else data
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(mutated(broken, choose))
        out = tmp_path / "out"
        with limited():
            done = ends(form, path, out, mapping)
        ended[done] += 1
        assert out.exists() == done, (seed, form)
        assert not list(tmp_path.glob("*.part")), (seed, form)
        if done:
            store.load_campaign(out)
            shutil.rmtree(out)
        path.unlink()
    assert min(ended.values()) > COUNT / 20, ended
