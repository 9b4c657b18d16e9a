"""The contract test of a probe: what it lets pass, and what it says of each breach."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from calibrate import Domain, Probe, Target, Unavailable
from calibrate.errors import BadFile, UnknownName
from calibrate.testing import ContractError, ProbeReport, check_probe

JOULES = Domain("all", scope="synthetic", basis="synthetic")


class Good(Probe):
    """One that keeps it, to be broken in one place each."""

    name = "good"
    period_s = 0.01

    def open(self, target: Target) -> None:
        self.options = dict(target.options)

    def domains(self) -> list[Domain]:
        return [JOULES]

    def read(self) -> Mapping[str, float]:
        return {"all": time.monotonic()}

    def facts(self) -> Mapping[str, str]:
        return self.options


def test_a_probe_that_keeps_it_is_described() -> None:
    report = check_probe(Good, mode=3)
    assert report.available and report.readings and report.readings > 5
    assert report == ProbeReport(
        "good", True, "", "", (JOULES,), (), {"mode": "3"}, report.readings
    )  # fmt: skip


def test_an_adapter_by_name_or_by_file() -> None:
    by_name = check_probe("synthetic")
    by_file = check_probe(Path(__file__).parents[1] / "adapters" / "steady.py")
    assert [each.domains[0].name for each in (by_name, by_file)] == ["ten-watts"] * 2
    with pytest.raises(UnknownName, match="did you mean synthetic"):
        check_probe("syntetic")
    with pytest.raises(BadFile, match="no such file"):
        check_probe("none/of/them.py")
    with pytest.raises(TypeError, match="int is no subclass"):
        check_probe(int)  # type: ignore[arg-type]


def test_a_probe_that_is_not_available_says_why_and_what_helps() -> None:
    class Here(Good):
        def open(self, target: Target) -> None:
            raise Unavailable("there is no meter", "plug it in")

    report = check_probe(Here)
    assert (report.available, report.why, report.fix) == (False, "there is no meter", "plug it in")
    assert report.readings is None


def test_a_domain_without_a_value_is_told() -> None:
    class Half(Good):
        def domains(self) -> list[Domain]:
            return [JOULES, Domain("other", scope="synthetic")]

    assert check_probe(Half).silent == ("other",)


def broken(**members: Any) -> type[Good]:
    """Return a probe with some members replaced, in no file: only this process can check it."""
    made = type("Broken", (Good,), members)
    made.__module__ = "nowhere"
    return made


def given(*values: Any) -> Any:
    """Return a `read` that gives these one after another, and the last for ever."""
    left = list(values)
    return lambda self: left.pop(0) if len(left) > 1 else left[0]


def raising(error: BaseException) -> Any:
    def method(self: object, *_: object) -> Any:
        raise error

    return method


def domains(*each: Domain) -> Any:
    return lambda self: list(each)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "my meter"}, "name is 'my meter': it is letters, digits"),
        ({"period_s": 0}, "period_s of good is 0 .int.; it should be seconds"),
        ({"about": "RAPL"}, "about is 'RAPL': it is an About"),
        ({"open": raising(OSError("no device"))}, r"open\(\) raised OSError: no device: where"),
        ({"open": raising(Unavailable("", "x"))}, "says why by '': it is one line"),
        ({"open": raising(Unavailable("gone"))}, r"Unavailable \(gone\) has no fix"),
        ({"domains": domains()}, r"domains\(\) of good returned \[\] \(list\)"),
        ({"domains": lambda self: ["all"]}, r"returned \['all'\] \(list\); it should"),
        ({"domains": raising(ValueError("x"))}, r"domains\(\) raised ValueError: x"),
        ({"domains": domains(JOULES, JOULES)}, r"returned \['all', 'all'\] .* a name of its own"),
        ({"domains": lambda self: [Domain(f"{time.monotonic_ns()}", "node")]}, "changed: it is"),
        ({"domains": domains(Domain("all", "node", wraps_at_j=0.0))}, "wraps_at_j of all is 0.0"),
        ({"domains": domains(Domain("all", "node", "window"))}, r"there is no begin\(\)"),
        ({"facts": lambda self: {"release": 3}}, r"facts\(\) of good returned {'release': 3}"),
        ({"facts": lambda self: None}, r"facts\(\) of good returned None"),
        ({"read": given(None)}, r"read\(\) of good returned None .*joules or watts"),
        ({"read": given([1.0])}, r"read\(\) of good returned \[1.0\] \(list\)"),
        ({"read": given({"x": 1.0})}, "{'x': 1.0} .*nothing but its domains: all"),
        ({"read": given({"all": "1"})}, r"read\(\) of good returned {'all': '1'}"),
        ({"read": given({"all": True})}, r"read\(\) of good returned {'all': True}"),
        ({"read": given({"all": float("nan")})}, "A value is NaN or infinite: leave it out"),
        ({"read": given({"all": -1.0})}, r"has -1 J for all: it is below zero"),
        ({"read": given({"all": 9.0}, {"all": 9.0}, {"all": 8.0})}, "all fell from 9 to 8 J"),
        ({"read": given({"all": 9.0}), "domains": domains(Domain("all", "node", wraps_at_j=8.0))},
         "has 9 J for all: it is not between 0 and 8 J"),
        ({"read": raising(OSError("gone"))}, r"read\(\) raised OSError: gone"),
        ({"begin": raising(RuntimeError())}, r"begin\(\) raised RuntimeError\."),
        ({"end": raising(RuntimeError("x"))}, r"end\(\) raised RuntimeError: x"),
        ({"close": raising(RuntimeError("x"))}, r"close\(\) raised RuntimeError: x"),
        ({"drain": lambda self: [(2**62, {"all": 1.0})]}, r"drain\(\) dates a reading 4611686"),
        ({"drain": lambda self: [(5, {}), (4, {})]}, r"drain\(\) dates a reading 4:"),
        ({"drain": lambda self: [(5, {"x": 1.0})]}, r"drain\(\) of good returned {'x': 1.0}"),
        ({"drain": lambda self: [7]}, r"drain\(\) of good returned 7 .int.; it should"),
        ({"drain": lambda self: 7}, r"drain\(\) of good returned 7"),
    ],
)  # fmt: skip
def test_a_breach_is_one_sentence(members: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ContractError, match=words) as refusal:
        check_probe(broken(**members))
    assert isinstance(refusal.value, AssertionError)
    [violation] = refusal.value.violations
    assert violation.endswith(".") and violation in str(refusal.value)


def test_every_breach_is_said_at_once() -> None:
    with pytest.raises(ContractError) as refusal:
        check_probe(broken(domains=domains(Domain("all", "node", "window", wraps_at_j=0.0))))
    assert len(refusal.value.violations) == 2


def test_a_probe_has_to_open_again() -> None:
    class Once(Good):
        taken = False

        def open(self, target: Target) -> None:
            if Once.taken:
                raise Unavailable("the meter is taken", "wait")
            Once.taken = True
            super().open(target)

    Once.__module__ = "nowhere"
    with pytest.raises(
        ContractError, match=r"opened again after close\(\): Unavailable: the meter"
    ):
        check_probe(Once)


def test_a_probe_that_reopens_is_opened_again_itself_and_leaves_no_thread() -> None:
    opened: list[object] = []
    go = threading.Event()

    def noted(self: Any, target: Target) -> None:
        opened.append(self)
        self.options = {}

    check_probe(broken(open=noted, reopens=True))
    assert len(opened) == 2 and opened[0] is opened[1]
    check_probe(broken(open=noted))
    assert opened[2] is not opened[3]
    leaves = broken(reopens=True, end=lambda self: threading.Thread(target=go.wait).start())
    with pytest.raises(ContractError, match=r"reopens, and leaves the thread .* after close\(\)"):
        check_probe(leaves)
    go.set()


def test_a_counter_may_wrap_and_a_tracker_start_again() -> None:
    wraps = domains(Domain("all", "node", wraps_at_j=10.0))
    check_probe(broken(read=given({"all": 9.0}, {"all": 9.5}, {"all": 1.0}), domains=wraps))
    window = domains(Domain("all", "node", "window"))
    check_probe(
        broken(read=given({}, {"all": 0.0}, {"all": 1.0}), domains=window, begin=lambda self: None)
    )


DATES = """
import time
from calibrate import Domain, Probe
class Late(Probe):
    name = "late"
    period_s = 0.02
    def domains(self):
        return [Domain("all", "node", "power")]
    def read(self):
        return {}
    def drain(self):
        return [(time.monotonic_ns(), {"all": 5.0})]
"""


def test_what_differs_in_a_process_of_its_own_is_a_breach(tmp_path: Path) -> None:
    file = tmp_path / "late.py"
    file.write_text(DATES)
    report = check_probe(file)
    assert report.silent == () and report.readings
    here = "import os\nHERE = os.getppid()\n"
    file.write_text(here + DATES.replace("return {}", "return {} if os.getpid() == PID else 1"))
    text = file.read_text().replace("HERE = os.getppid()", f"PID = {__import__('os').getpid()}")
    file.write_text(text)
    with pytest.raises(
        ContractError, match=r"In a process of its own it is failed: read\(\) of late returned 1"
    ):
        check_probe(file)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("late", "import yaml.nodes\n" + DATES, "Its file imports yaml.nodes: import it in open"),
        ("late", "from .core import x\n" + DATES, r"Its file imports \.core"),
        (
            "other",
            DATES,
            "name is 'late': a probe has the name of its file, or of its entry point: other",
        ),
    ],
)
def test_an_adapter_file_is_checked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str
) -> None:
    file = tmp_path / f"{name}.py"
    file.write_text(text)
    good = tmp_path / "good.py"
    good.write_text(DATES)
    from calibrate import testing
    from calibrate.probe.adapter import load_probe

    kind = load_probe(good)
    monkeypatch.setattr(testing, "load_probe", lambda path: kind)
    with pytest.raises(ContractError, match=words):
        check_probe(file)


def test_a_script_that_checks_its_own_probe_ends(tmp_path: Path) -> None:
    """A recorder does not run it again, and so on."""
    script = tmp_path / "late.py"
    script.write_text(
        DATES + "from calibrate.testing import check_probe\nprint(check_probe(Late).readings)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_pytest_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "import calibrate.testing; print(calibrate.testing.check_probe('synthetic').available)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_order_of_calls_is_that_of_a_recorder() -> None:
    called: list[str] = []

    class Watched(Good):
        def begin(self) -> None:
            called.append("begin")

        def end(self) -> None:
            called.append("end")

        def close(self) -> None:
            called.append("close")

        def open(self, target: Target) -> None:
            called.append("open")
            super().open(target)

        def read(self) -> Mapping[str, float]:
            called.append("read")
            return super().read()

        def drain(self) -> Iterable[tuple[int, Mapping[str, float]]]:
            called.append("drain")
            return ()

    Watched.__module__ = "nowhere"
    check_probe(Watched)
    step = ["read", "drain"]
    assert called == [
        "open", *step, "begin", *step * 4, "end", *step, "close", "open", "read", "close"
    ]  # fmt: skip
