"""Files that are small or cheap to make and have no end: a sentence, and nothing is left."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.textfile import TOML_BYTES, read_text, read_toml
from tests.faults import bombs

#: A few of each sort; tests/faults/bombs.py gives all to all commands.
FEW = [
    ("import codecarbon", "a line without end"),
    ("import codecarbon", "zip with a password"),
    ("import codecarbon", "a pipe"),
    ("import powerapi", "ten million empty lists"),
    ("import scaphandre", "nested objects"),
    ("import redfish", "an object that ends line by line"),
    ("import carbontracker", "consumptions"),
    ("import csv", "100,000 columns"),
    ("import csv", "a file that grows"),
    ("agree", "a device"),
    ("agree", "zeros"),
    ("correct", "a million digits"),
    ("plan", "points"),
    ("policy", "a pipe"),
    ("mapping", "nested lists"),
    ("certificate", "an object of a million keys"),
    ("replay", "a folder"),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sound")
    bombs.make_sound(place)
    return place


@pytest.mark.parametrize(("name", "bomb"), FEW, ids=lambda word: word.replace(" ", "-"))
def test_a_bomb_is_read_or_refused(sound: Path, name: str, bomb: str) -> None:
    target = next(each for each in bombs.targets() if each.name.startswith(name))
    found = bombs.trial(target, bomb, sound)
    assert found.faults == [], found.words


def test_an_archive_that_has_no_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(bytes(8 << 20)))
    with pytest.raises(BadFile, match="200 times its size"), opened.binary(path) as stream:
        stream.read()


def test_an_archive_of_a_log_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.zip"
    path.write_bytes(bombs._zipped(b"".join(b"%d,25.0\n" % n for n in range(500_000))))
    with opened.text(path) as stream:
        assert sum(1 for _ in stream) == 500_000


def test_a_line_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"a\nb\n" + b"c" * (opened.LINE_BYTES + 1) + b"\n")
    with (
        pytest.raises(BadFile, match=r"log.csv, line 3: the line is longer"),
        opened.text(path) as f,
    ):
        list(f)
    path.write_bytes(b"a\nb\n" + b"c" * opened.LINE_BYTES + b"\nd\n")
    with opened.text(path) as stream:
        assert [len(line) for line in stream] == [2, 2, opened.LINE_BYTES + 1, 2]


def test_a_file_is_read_up_to_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a\n" * 1000)
    with opened.text(path) as stream:
        with path.open("a") as file:
            file.write("b\n" * 1000)
        assert set(stream) == {"a\n"}


def test_toml_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(b"a = 1\n" + b"b." * 1000 + b"c = 2\n")
    begun = time.process_time()
    with pytest.raises(BadFile, match=r"line 2: the line has more than 100 points"):
        read_toml(path)
    path.write_bytes(b"#" * (TOML_BYTES + 1))
    with pytest.raises(BadFile, match="larger than 256 KiB"):
        read_toml(path)
    assert time.process_time() - begun < 10


def test_a_link_that_the_user_made_is_followed(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("\ufeffa,b\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("table.csv")
    assert read_text(tmp_path / "link", 100) == "a,b\n"
