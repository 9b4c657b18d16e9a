"""A pytest plugin: simulated machines with known true energy, for the tests of an energy meter.

    def test_my_meter(bench, truth):
        with bench("server", "wrap=20"):
            with truth, MyMeter() as meter:
                work()
        truth.check(meter.joules)

See docs/testing-a-meter.md. Every pytest of an environment that has crosswatt loads this module:
it imports next to nothing, and does nothing until a test asks for a machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calibrate.errors import CrosswattError, UnknownName, Unsupported

if TYPE_CHECKING:
    from types import TracebackType

    from calibrate.bench import Reading, Visit

_REQUIRE = "CROSSWATT_REQUIRE_BENCH"
#: What a meter of the CPU and its memory should say; parts of these, or what contains them, is not
#: added.
_USUAL = ("package", "dram")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        "energy_agrees(*probes, reference=None, within='5%', bench=None): the test runs while "
        "probes measure, and fails where they disagree with the reference by more.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure a test that has the mark `energy_agrees`, and fail it where meters disagree."""
    mark = item.get_closest_marker("energy_agrees")
    if mark is None:
        return (yield)
    from calibrate.energy_mark import agreeing

    required = item.config.getoption("crosswatt_require") or os.environ.get(_REQUIRE) == "1"
    try:
        with agreeing(item.name, *mark.args, **mark.kwargs) as problems:
            result = yield
    except Unsupported as reason:
        (pytest.fail if required else pytest.skip)(str(reason))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    return result


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options. Their names are long because shorter ones may be the user's own."""
    group = parser.getgroup("crosswatt", "simulated machines for energy meters")
    group.addoption(
        "--crosswatt-bench",
        action="store_true",
        help="without root: prepare pytest at its start for the fixture bench, as it must be when "
        "the tests start threads or run under pytest-xdist",
    )
    group.addoption(
        "--crosswatt-require",
        action="store_true",
        help=f"fail, not skip, where there can be no simulated machine (or set {_REQUIRE}=1)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Prepare this process while it has one thread, where that was asked for."""
    if early_config.known_args_namespace.crosswatt_bench:
        _unsupported()


def _unsupported() -> str:
    """Return why this process can have no bench; empty if it can."""
    try:
        from calibrate.bench import prepare

        prepare()
    except Unsupported as reason:
        return str(reason)
    return ""


class Truth:
    """The fixture `truth`: the exact energy of the simulated machine.

    It counts from `start` to `stop`, or over a ``with truth:``; without these, from the time at
    which the machine was there until now or until its end.
    """

    def __init__(self) -> None:
        self._machine: Visit | None = None
        self._first: Reading | None = None
        self._last: Reading | None = None

    def watch(self, machine: Visit) -> None:
        """Count the energy of another machine; the plugin does this."""
        self._machine, self._last = machine, None
        self._first = machine.read()

    def start(self) -> None:
        """Count from now on."""
        self.watch(self._here())

    def stop(self) -> None:
        """Count no further."""
        self._last = self._here().read()

    def __enter__(self) -> Truth:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def joules(self) -> float:
        """What all packages and all DRAM have used."""
        kinds = {scope.partition("-")[0] for scope in self.scopes}
        return self.of(*(kind for kind in _USUAL if kind in kinds))

    @property
    def scopes(self) -> tuple[str, ...]:
        """Everything whose energy is known: ``package-0``, ``core-0``, ``dram-0``, ``gpu-0``..."""
        return tuple(self._here().read().joules)

    @property
    def seconds(self) -> float:
        """How long it has counted."""
        first, last = self._ends()
        return (last.t_ns - first.t_ns) / 1e9

    def of(self, *scopes: str) -> float:
        """Return the joules of some scopes: ``package-0``, or ``gpu`` for all GPUs.

        Raises
        ------
        UnknownName : the machine has no such scope.
        """
        first, last = self._ends()
        wanted: set[str] = set()
        for scope in scopes:
            found = {each for each in last.joules if scope in (each, each.partition("-")[0])}
            if not found:
                raise UnknownName("scope of this machine", scope, last.joules)
            wanted |= found
        return sum(last.joules[each] - first.joules[each] for each in wanted)

    def check(self, joules: float, *scopes: str, rel: float = 0.05) -> None:
        """Fail, with the likely cause, where a meter's figure is not the truth.

        Parameters
        ----------
        joules : what the meter reports.
        scopes : what it covers, as for `of`; all packages and all DRAM unless given.
        rel : relative deviation that is admitted.

        Raises
        ------
        AssertionError : it deviates by more.
        UnknownName : the machine has no such scope.
        """
        __tracebackhide__ = True
        true_j = self.of(*scopes) if scopes else self.joules
        if abs(joules - true_j) <= rel * true_j:
            return
        raise AssertionError(self._explained(joules, true_j, scopes, rel))

    def _explained(self, joules: float, true_j: float, scopes: tuple[str, ...], rel: float) -> str:
        """Return what is wrong with a figure, in sentences."""
        from calibrate.bench import counter_ranges_j
        from calibrate.conformance import KnownEnergy, explain
        from calibrate.quantity import number
        from calibrate.simulated import bench_folder

        first, last = self._ends()
        known = {each: last.joules[each] - first.joules[each] for each in last.joules}
        for kind in {each.partition("-")[0] for each in known}:
            mine = [value for scope, value in known.items() if scope.partition("-")[0] == kind]
            known[kind] = sum(mine)
        known["machine"] = self.joules
        here = bench_folder()
        ranges_j = counter_ranges_j(Path(here)) if here else {}
        scope = "+".join(scopes) if scopes else "machine"
        # The windows of meter and truth differ a little, so that no name fits exactly.
        cause = explain(
            joules, scope, KnownEnergy({scope: true_j, **known}, ranges_j), least_fit=rel / 2
        ).text
        what = " and ".join(scopes) if scopes else "all packages and all DRAM"
        return (
            f"The meter reports {number(joules)} J; {what} used {number(true_j)} J in "
            f"{self.seconds:.3g} s. {cause[:1].upper()}{cause[1:]}."
        )

    def _ends(self) -> tuple[Reading, Reading]:
        machine = self._here()
        assert self._first is not None  # noqa: S101 - set together with the machine
        return self._first, self._last or machine.read()

    def _here(self) -> Visit:
        if self._machine is None:
            raise CrosswattError("There is no machine yet: call bench('desktop') first.")
        return self._machine


class Bench:
    """The fixture `bench`: call it, and the test is on a simulated machine."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._node = request.node
        self._require = (
            request.config.getoption("crosswatt_require") or os.environ.get(_REQUIRE) == "1"
        )
        self._machine: Visit | None = None
        self.truth = Truth()

    def __call__(
        self,
        model: str | Path = "desktop",
        *faults: str,
        load: str | None = None,
        replay: str | Path | None = None,
        speed: float = 1.0,
        armed: bool = False,
    ) -> Visit:
        """Start a machine. It is there until the end of the test, of a ``with``, or the next call.

        Parameters
        ----------
        model : name of a shipped model, or path of a model file.
        faults : as in ``unit=4,scope=dram,at_s=2``; ``crosswatt bench faults`` lists them.
        load : instead of the test's own CPU use, ``0.9x1.5,0.2x0.5``: 90 % for 1.5 s, then 20 %
            for half a second, and again from the beginning.
        replay : path of a power trace that drives the machine.
        speed : seconds of the trace that pass in a second.
        armed : the time of the faults counts from a call of ``trigger()`` of what this returns.
        """
        from calibrate.bench import Setup, Visit

        self.end()
        trace = None if replay is None else str(replay)
        wanted = Setup(str(model), faults, trace, speed, load, armed)
        try:
            machine = Visit(wanted)
        except Unsupported as reason:
            self.refuse(str(reason))
        self._machine = machine
        self._announce(" ".join([str(model), *faults]))
        self.truth.watch(machine)
        return machine

    def end(self) -> None:
        """Come back from the machine, if there is one."""
        if self._machine is not None:
            self._machine.end()
            self._machine = None

    def refuse(self, reason: str) -> None:
        """Skip the test, or fail it where that was asked for."""
        if self._require:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    def _announce(self, machine: str) -> None:
        """Say on a failure, and in JUnit files, that nothing here comes from a real machine."""
        self._node.add_report_section("call", "crosswatt", f"simulated machine: {machine}")
        self._node.user_properties.append(("simulated_machine", machine))


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Give a simulated machine: ``bench("server", "stuck,at_s=2")``; see `Bench`."""
    found = Bench(request)
    reason = _unsupported()
    if reason:
        found.refuse(reason)
    yield found
    found.end()


@pytest.fixture
def truth(bench: Bench) -> Truth:
    """Give the exact energy that the machine of `bench` has used; see `Truth`."""
    return bench.truth
