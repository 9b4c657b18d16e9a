"""What a workload prints: marks are taken, the rest is kept within bounds, and nothing waits."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pytest

from calibrate.campaign import output
from calibrate.campaign.output import Output
from calibrate.campaign.work import WorkloadProcess
from calibrate.store import Job
from tests.helpers.processes import lives


@contextmanager
def printing(command: str, path: Path) -> Iterator[tuple[Output, list[str]]]:
    """The output of a shell command, and the marks that were taken of it."""
    marks: list[str] = []

    def take(text: str) -> bool:
        marks.append(text)
        return "mark" in text

    with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, bufsize=0) as process:
        yield Output(cast(IO[bytes], process.stdout), path, take, "crosswatt: "), marks
        process.kill()


def test_marks_are_taken_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    text = r"printf 'one\n50 %%crosswatt: a mark\ncrosswatt: no\nlast without an end'"
    with printing(text, path) as (found, marks):
        found.join(60)
        found.leave(10)
    assert [mark.strip() for mark in marks] == ["a mark", "no"]
    assert path.read_text() == "one\n50 %crosswatt: no\nlast without an end"
    assert found.last_words() == "last without an end"


def test_output_without_a_line_end_takes_no_memory_and_little_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "MOST_BYTES", 1 << 20)
    path = tmp_path / "output.log"
    with printing("head -c 20000000 /dev/zero", path) as (found, _):
        found.join(60)
        found.leave(60)
    assert (1 << 20) < path.stat().st_size < (1 << 20) + 100
    assert found.last_words() == f"... {20_000_000 - (1 << 20)} bytes of output are left out"


def test_a_daemon_that_holds_the_output_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    with printing("echo before; sleep 60 & echo after", path) as (found, _):
        until_s = time.monotonic() + 60
        while "after" not in path.read_text() and time.monotonic() < until_s:
            time.sleep(0.05)
        start_s = time.monotonic()
        found.leave(20)
        assert time.monotonic() - start_s < 15
        assert path.read_text() == "before\nafter\n"


def test_a_full_disk_is_said_and_the_workload_goes_on(tmp_path: Path) -> None:
    done = tmp_path / "done"
    full = tmp_path / "output.log"
    full.symlink_to("/dev/full")
    with printing(f"yes | head -c 3000000; touch {done}", full) as (found, _):
        found.join(60)
        found.leave(1)
        assert done.exists()
    assert found.trouble == f"its output could not be kept ({os.strerror(28)})"


def test_a_lack_of_memory_is_said_and_the_workload_goes_on(tmp_path: Path) -> None:
    done = tmp_path / "done"
    path = tmp_path / "output.log"

    def short(text: str) -> bool:
        raise MemoryError

    command = f"echo crosswatt: a mark; yes | head -c 300000; touch {done}"
    with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE) as process:
        found = Output(cast(IO[bytes], process.stdout), path, short, "crosswatt: ")
        found.join(60)
        assert process.wait(60) == 0
        found.leave(1)
    assert done.exists()
    assert found.trouble == "its output could not be kept (there is not enough memory)"


def test_nothing_is_left_of_a_workload_whose_output_cannot_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def refuse(*_: object) -> None:
        me = os.getpid()
        started.extend(map(int, Path(f"/proc/{me}/task/{me}/children").read_text().split()))
        raise MemoryError

    monkeypatch.setattr("calibrate.campaign.work.Output", refuse)
    job = Job(folder="001-sleep", number=1, workload="sleep", arguments=("sleep", "60"))
    with pytest.raises(MemoryError):
        WorkloadProcess(job, tmp_path)
    assert len(started) >= 2
    assert not any(map(lives, started))
