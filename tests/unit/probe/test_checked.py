"""What a probe returns wrongly is one sentence, from the recorder and in `crosswatt doctor`."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from calibrate.campaign import Source, describe_probes
from calibrate.cli import doctor
from calibrate.probe import Domain, Probe
from calibrate.probe.checked import BadReturn, CheckedProbe

ONE = "[Domain('a', 'synthetic')]"
VALUES = "joules or watts by domain name, such as {'a': 12.5}, and without what has no value now"
TEXTS = "text by name, such as {'release': '1.0'}"
DOMAINS = "a list of one Domain or more, each with a name of its own"
#: What a method returns, and the sentence that comes of it.
MISTAKES = [
    ("facts", "['1.0']", f"facts() of mine returned ['1.0'] (list); it should return {TEXTS}"),
    ("facts", "None", f"facts() of mine returned None (NoneType); it should return {TEXTS}"),
    (
        "facts",
        "{'release': 1.0}",
        f"facts() of mine returned {{'release': 1.0}} (dict); it should return {TEXTS}",
    ),
    ("read", "'twelve'", f"read() of mine returned 'twelve' (str); it should return {VALUES}"),
    ("read", "None", f"read() of mine returned None (NoneType); it should return {VALUES}"),
    ("read", "[1.0]", f"read() of mine returned [1.0] (list); it should return {VALUES}"),
    ("read", "12.5", f"read() of mine returned 12.5 (float); it should return {VALUES}"),
    (
        "read",
        "{'a': '12'}",
        f"read() of mine returned {{'a': '12'}} (dict); it should return {VALUES}",
    ),
    (
        "read",
        "{'a': True}",
        f"read() of mine returned {{'a': True}} (dict); it should return {VALUES}",
    ),
    (
        "read",
        "{'b': 1.0}",
        "read() of mine returned {'b': 1.0} (dict); it should return nothing but its domains: a",
    ),
    ("domains", "None", f"domains() of mine returned None (NoneType); it should return {DOMAINS}"),
    ("domains", "[]", f"domains() of mine returned [] (list); it should return {DOMAINS}"),
    ("domains", "['a']", f"domains() of mine returned ['a'] (list); it should return {DOMAINS}"),
    (
        "domains",
        "{'a': 'synthetic'}",
        f"domains() of mine returned {{'a': 'synthetic'}} (dict); it should return {DOMAINS}",
    ),
    (
        "domains",
        f"{ONE} * 2",
        f"domains() of mine returned ['a', 'a'] (list); it should return {DOMAINS}",
    ),
]


def adapter(folder: Path, method: str = "", returned: str = "", more: str = "") -> Path:
    """Write an adapter of which one method returns something."""
    bodies = {"domains": ONE, "read": "{'a': 1.0}", "facts": "{}"} | {method: returned}
    lines = [f"    def {name}(self): return {body}" for name, body in bodies.items() if name]
    path = folder / "mine.py"
    head = "from calibrate import Domain, Probe\nclass Mine(Probe):\n    name = 'mine'\n"
    path.write_text(f"{head}{more}" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("method", "returned", "sentence"), MISTAKES)
def test_a_mistake_of_an_author_is_one_sentence(
    tmp_path: Path, method: str, returned: str, sentence: str
) -> None:
    path = adapter(tmp_path, method, returned)
    [(state, log)] = describe_probes([Source("mine", path)]).values()
    assert (state.status, state.reason) == ("failed", sentence)
    assert state.fix == f"correct {method}() in {path}"
    assert state.said == ""  # no traceback
    assert log.stop["reason"] == sentence


@pytest.mark.parametrize("method", ["facts", "read", "domains"])
def test_doctor_says_it_and_the_file(tmp_path: Path, method: str) -> None:
    path = adapter(tmp_path, method, "7")
    shown = io.StringIO()
    doctor.print_probes(Console(file=shown, width=1000), [Source("mine", path)])
    reason, fix = shown.getvalue().splitlines()
    start = f"mine: failed: {method}() of mine returned 7 (int); it should return "
    assert reason.startswith(start)
    assert fix.strip() == f"Fix: correct {method}() in {path}"


def test_a_period_that_is_no_time_is_one_sentence(tmp_path: Path) -> None:
    path = adapter(tmp_path, more="    period_s = '0.1'\n")
    [(state, _)] = describe_probes([Source("mine", path)]).values()
    assert state.reason == (
        "period_s of mine is '0.1' (str); it should be seconds between two readings, such as 0.1"
    )
    assert state.fix == f"correct period_s in {path}"


class Given(Probe):
    """Returns what it was given."""

    name = "given"

    def __init__(self, read: Any = None, drain: Any = ()) -> None:
        self._read, self._drain = {} if read is None else read, drain

    def domains(self) -> list[Domain]:
        return [Domain("a", "synthetic"), Domain("b", "synthetic")]

    def read(self) -> Mapping[str, float]:
        values: Mapping[str, float] = self._read
        return values

    def drain(self) -> Any:
        return self._drain


def test_what_is_no_number_at_this_moment_is_left_out_and_counted() -> None:
    probe = CheckedProbe(Given({"a": math.nan, "b": 3}))
    assert probe.read() == {"b": 3.0}
    assert probe.rejected == 1
    assert CheckedProbe(Given()).read() == {}


@pytest.mark.parametrize(
    "drained", [None, 7, [{"a": 1.0}], [(1.5, {"a": 1.0})], [(1, None)], [(1, {"a": None})]]
)
def test_dated_figures_are_checked_as_well(drained: object) -> None:
    with pytest.raises(BadReturn, match=r"^drain\(\) of given returned .*; it should return "):
        list(CheckedProbe(Given(drain=drained)).drain())
    assert list(CheckedProbe(Given(drain=[(5, {"a": 1, "b": math.inf})])).drain()) == [
        (5, {"a": 1.0})
    ]


def test_a_long_value_is_shown_by_its_beginning() -> None:
    with pytest.raises(BadReturn) as raised:
        CheckedProbe(Given("x\n" * 1000)).read()
    assert len(str(raised.value)) < 300 and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "'' is no name"),
        ({"name": 7}, "7 is no name"),
        ({"scope": None}, "None is no name"),
        ({"resolution_j": "1e-3"}, "'1e-3' is no number"),
        ({"wraps_at_j": True}, "True is no number"),
    ],
)
def test_a_domain_of_wrong_parts_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Domain(**{"name": "a", "scope": "synthetic", **fields})
