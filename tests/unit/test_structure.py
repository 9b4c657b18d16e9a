"""Imports point one way; drop-in folders hold files and are found; listing costs no library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from calibrate import catalog
from calibrate.errors import BadFile, UnknownName

ROOT = Path(__file__).parents[2]

#: A module may import what stands to the right of it, never to the left.
ORDER = (
    ("__main__",),
    ("cli", "pytest_plugin"),
    ("imports", "notebook", "planning", "studies", "trends"),
    ("stage",),
    ("terminal",),
    ("doctor", "view", "certificate"),
    ("conformance",),
    ("trial", "replay"),
    ("chapters",),
    ("digest", "figures"),
    ("drawing",),
    ("algorithms",),
    ("campaign", "gate", "verdict", "correct", "drift", "observer", "datasheet"),
    ("design",),
    ("plan", "environment", "stray", "until"),
    ("analysis",),
    ("lifecycle",),
    ("carbon", "clocks", "learning"),
    ("phases",),
    ("stretch",),
    ("fit", "judgement", "known", "scopes"),
    ("uncertainty",),
    ("compare", "diagnose"),
    ("outliers",),
    ("diagnosis",),
    ("series",),
    ("run",),
    ("gpu",),
    ("machine", "workload"),
    ("kernels", "placement"),
    ("ingest",),
    ("store", "recorder", "bench"),
    ("catalog",),
    ("stats",),
    ("formula",),
    ("rapl", "sensor", "streams"),
    ("errors", "marks", "meters", "perf_event", "probe", "processes", "tdp"),
)


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, by their first name in the package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "calibrate":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("calibrate."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("calibrate.")}
    return found


def level(module: str) -> int:
    return next(i for i, names in enumerate(ORDER) if module in names)


@pytest.mark.parametrize("path", sorted((ROOT / "calibrate").glob("*.py")), ids=lambda p: p.stem)
def test_imports_point_one_way(path: Path) -> None:
    if path.stem == "__init__":
        return
    known = {name for names in ORDER for name in names}
    for module in imports(path) & known:
        assert level(module) > level(path.stem), f"{path.stem} imports {module}"


@pytest.mark.parametrize("folder", ["stats", "bench", "meters", "rapl", "ingest"])
def test_subpackages_know_nothing_of_campaigns(folder: str) -> None:
    allowed = {
        "stats": {"stats"},
        "bench": {"bench", "errors", "perf_event", "processes"},
        "meters": {"meters"},
        "ingest": {"ingest", "store", "errors", "probe", "meters", "__version__"},
        "rapl": {"rapl", "probe", "perf_event"},
    }[folder]
    for path in (ROOT / "calibrate" / folder).glob("*.py"):
        assert imports(path) <= allowed, path


def test_stats_import_numpy_and_scipy_only() -> None:
    for path in (ROOT / "calibrate" / "stats").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
            # The mixed model alone is an extra, imported where it is fitted.
            allowed = {"statsmodels"} if path.stem == "mixed" else set()
            assert tops <= {"numpy", "scipy", "calibrate"} | allowed, path


@pytest.mark.parametrize("path", sorted((ROOT / "adapters").glob("*.py")), ids=lambda p: p.stem)
def test_adapters_import_the_contract_only(path: Path) -> None:
    public = {"About", "Domain", "Probe", "Target", "Unavailable"}
    ours = {
        "formula", "meters", "probe", "processes", "rapl", "sensor", "streams", "tdp"
    }  # fmt: skip
    assert imports(path) <= public | ours
    tops = {
        name.split(".")[0]
        for node in ast.parse(path.read_text()).body
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert tops <= set(sys.stdlib_module_names) | {"calibrate"}, "import the library in open()"


@pytest.mark.parametrize("kind", ["adapters", "workloads", "reports"])
def test_drop_in_folders_are_no_packages(kind: str) -> None:
    assert not (ROOT / kind / "__init__.py").exists()
    assert catalog.files(kind)


def test_names_are_the_files_names() -> None:
    for name, path in catalog.files("adapters").items():
        assert catalog.load_probe(path).name == name
    assert catalog.files("workloads")["copy"].name == "copy_.py"


def test_a_users_folder_wins(tmp_path: Path) -> None:
    (tmp_path / "rapl.py").write_text("")
    assert catalog.files("adapters", [tmp_path])["rapl"].parent == tmp_path
    with pytest.raises(BadFile, match="exactly one Probe, this one 0"):
        catalog.load_probe(tmp_path / "rapl.py")


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean pyjoules"):
        catalog.find("adapters", "pyjoule")
    with pytest.raises(UnknownName, match=r"known: .*rapl"):
        catalog.find("adapters", "zzzzzz")


def test_importing_the_package_is_instant() -> None:
    code = "import calibrate, sys; print(any(m in sys.modules for m in ('numpy', 'pydantic')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
