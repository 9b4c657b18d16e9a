"""Drop-in files: the user's, crosswatt's, those of other packages; and what is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calibrate import catalog
from calibrate.campaign import Source, describe_probes, sources
from calibrate.cli import main
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.probe.adapter import load_probe
from calibrate.testing import check_probe
from tests.helpers.campaigns import Fake, build, domain, truth

METER = '''"""A meter."""

from my_meters.watts import WATTS

import time

from calibrate import Domain, Probe


class Base(Probe):
    """What both share."""

    def domains(self):
        return [Domain("all", scope="synthetic", basis="synthetic")]


class One(Base):
    """One."""

    name = "one"

    def read(self):
        return {"all": WATTS * time.monotonic()}


class Two(One):
    """Two."""

    name = "two"
'''
POINTS = """
[crosswatt.probes]
one = my_meters.meters:One
two = my_meters.meters:Two

[crosswatt.workloads]
nap = my_meters.nap

[crosswatt.reports]
short = my_meters.report:SHORT
"""
NAP = '''"""A workload."""
import time
print('crosswatt: {"mark": "ready"}', flush=True)
input()
time.sleep(0.2)
'''
REPORT = '''"""A report format."""
import types
SHORT = types.SimpleNamespace(render=lambda analysis: "short")
'''

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package as pip leaves it: a folder and its metadata, on the path."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place))

    def installed(points: str, package: str = "my_meters", **modules: str) -> Path:
        for name in [each for each in sys.modules if each.partition(".")[0] == package]:
            del sys.modules[name]  # of another test
        folder = place / package
        folder.mkdir()
        # Finding a file imports nothing of the package that it is in.
        for name, text in {"__init__": "raise ImportError('heavy')", **modules}.items():
            (folder / f"{name}.py").write_text(text)
        info = place / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        catalog._installed.cache_clear()
        return folder

    return installed


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    catalog._installed.cache_clear()


def test_another_package_ships_files(install: Install) -> None:
    folder = install(POINTS, meters="", nap=NAP, report=REPORT)
    assert catalog.find("adapters", "one") == folder / "meters.py:One"
    assert catalog.find("workloads", "nap") == folder / "nap.py"
    assert catalog.load(catalog.find("reports", "short")).render(None) == "short"
    assert {"rapl", "one", "two"} <= set(catalog.files("adapters"))
    assert "my_meters" not in sys.modules


def test_its_probes_are_recorded_like_any_other(install: Install) -> None:
    install(POINTS, meters=METER, watts="WATTS = 10.0", __init__="")
    assert [load_probe(catalog.find("adapters", each)).name for each in ("one", "two")] == [
        "one", "two"
    ]  # fmt: skip
    told = describe_probes(sources(["one", "mine=two"]))
    assert {name: (state.status, [*log.domains]) for name, (state, log) in told.items()} == {
        "one": ("ok", ["all"]), "mine": ("ok", ["all"])
    }  # fmt: skip


def test_two_packages_with_one_name_are_refused_until_the_user_chooses(
    install: Install, tmp_path: Path
) -> None:
    install("[crosswatt.probes]\none = first.meter\n", "first", meter="")
    install("[crosswatt.probes]\none = second.meter\n", "second", meter="")
    with pytest.raises(CrosswattError, match=r"Both (first and second|second and first) ship a p"):
        catalog.files("adapters")


def test_a_package_does_not_hide_what_crosswatt_ships(install: Install, tmp_path: Path) -> None:
    install("[crosswatt.probes]\nrapl = first.meter\n", "first", meter="")
    with pytest.raises(CrosswattError, match="Both crosswatt and first ship a probe named 'rapl'"):
        catalog.files("adapters")
    own = tmp_path / "own"
    own.mkdir()
    (own / "rapl.py").write_text("")
    assert catalog.find("adapters", "rapl", [own]) == own / "rapl.py"


@pytest.mark.parametrize("value", ["first.none", "no_such_package", "first"])
def test_an_entry_point_without_its_module_names_the_package(install: Install, value: str) -> None:
    folder = install(f"[crosswatt.probes]\nx = {value}\n", "first", meter="")
    (folder / "__init__.py").unlink()
    with pytest.raises(CrosswattError, match="The package first ships the probe 'x' as"):
        catalog.files("adapters")


def test_recorders_know_nothing_of_other_packages() -> None:
    """Scanning metadata takes time; a recorder is told its file."""
    code = "import sys, calibrate.probe.recorder; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


NO_METHODS = "from calibrate import Probe\nclass A(Probe):\n    name = 'x'\n"
WHOLE = NO_METHODS + "    def domains(self): return []\n    def read(self): return {}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ndef read(:\n", r"x.py, line 2: it is not valid Python \(invalid syntax\)\."),
        ("x = 1\x00", "x.py: it "),
        ("a = 1\nimport no_such_library\n", "x.py, line 2: .*no_such_library'.*where they are u"),
        ("\n\n1 / 0\n", r"x.py, line 3: it cannot be imported \(ZeroDivisionError: division by z"),
        ("raise SystemExit(3)", r"x.py, line 1: it cannot be imported \(SystemExit: 3\)"),
        ("open('/no/such/file')", "x.py, line 1: it cannot be imported .FileNotFoundError"),
        ("", "x.py: an adapter defines exactly one Probe, this one 0"),
        (WHOLE + WHOLE.replace("A(", "B("), "exactly one Probe, this one 2"),
        (NO_METHODS, "x.py: A lacks domains and read"),
        (WHOLE.replace("name = 'x'", ""), "A has no name; write name = 'x' in it"),
    ],
)
def test_what_is_wrong_with_an_adapter_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (tmp_path / "x.py").write_text(text)
    with pytest.raises(BadFile, match=words):
        load_probe(tmp_path / "x.py")
    # The same sentence from the commands, which write nothing.
    out = tmp_path / "out"
    for command in (
        ["doctor"],
        ["run", "--no-bench", "--probe", "x", "--out", str(out), "--", "true"],
    ):
        place = command.index("--") if "--" in command else len(command)
        command[place:place] = ["--adapters", str(tmp_path)]
        assert main(command) == 64
        said = " ".join(capsys.readouterr().err.split())
        assert str(tmp_path / "x.py") in said and "Traceback" not in said
        assert not out.exists()


@pytest.mark.parametrize("command", [["doctor"], ["run", "--no-bench"]])
def test_a_folder_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    for name, why in (("none", "there is no such folder"), ("file", "it is not a folder")):
        assert main([*command, "--adapters", str(tmp_path / name)]) == 64
        said = " ".join(capsys.readouterr().err.split())
        assert f"{tmp_path / name}: {why}. Give a folder that holds adapters" in said
    with pytest.raises(CrosswattError, match="holds workloads, one a file"):
        catalog.find("workloads", "idle", [tmp_path / "none"])


def test_an_adapter_may_have_a_base_class_and_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n" + NO_METHODS.replace("A(", "Base(")
        + "class A(Base):\n    def domains(self): return []\n    def read(self): return {}\n"
    )  # fmt: skip
    assert load_probe(tmp_path / "x.py").__name__ == "A"


def test_the_object_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("y = 1")
    with pytest.raises(BadFile, match="there is no One in it"):
        load_probe(Path(f"{tmp_path / 'x.py'}:One"))
    with pytest.raises(BadFile, match="something that is not a Probe"):
        load_probe(Path(f"{tmp_path / 'x.py'}:y"))
    with pytest.raises(BadFile, match="there is no such file"):
        load_probe(tmp_path / "none.py")


def test_kinds_are_called_what_users_call_them() -> None:
    with pytest.raises(UnknownName, match="There is no report format named 'htm'"):
        catalog.find("reports", "htm")
    assert Source("rapl", catalog.find("adapters", "rapl")).adapter.name == "rapl.py"


def test_a_report_format_needs_a_function_and_may_have_a_suffix(
    install: Install, tmp_path: Path
) -> None:
    points = "[crosswatt.reports]\nshort = my_meters.short\nempty = my_meters.empty\n"
    install(points, short="def render(analysis): return f'{len(analysis)} columns'", empty="")
    folder = build(tmp_path / "c", {"truth": truth(), "m": Fake(lambda w, s: w * s, domain())})
    assert main(["report", str(folder), "--format", "short"]) == 0
    assert (folder / "report.short").read_text() == "1 columns"
    with pytest.raises(BadFile, match=r"a report format has a function render\(analysis\)"):
        catalog.load_report("empty")


def test_a_probe_of_another_package_keeps_the_contract_too(install: Install) -> None:
    install(POINTS, meters=METER, watts="WATTS = 10.0", __init__="")
    assert check_probe("one").readings
