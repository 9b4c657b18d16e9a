"""Imports point one way; drop-in folders hold files and are found; listing costs no library."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from calibrate import catalog
from calibrate.errors import BadFile, UnknownName
from calibrate.probe.adapter import load_probe

ROOT = Path(__file__).parents[2]

#: What a drop-in folder may import of ours: (module, and whatever is below it).
DOORS = {
    "adapters": ("calibrate.probe", "calibrate.linux", "calibrate.requirement"),
    "workloads": ("calibrate.loads", "calibrate.catalog", "calibrate.requirement"),
    "reports": ("calibrate.analysis", "calibrate.reporting", "calibrate.energy"),
}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, as they are written."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


@pytest.mark.parametrize(
    "path",
    [path for kind in DOORS for path in sorted((ROOT / kind).glob("*.py"))],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_drop_in_files_use_public_modules(path: Path) -> None:
    """import-linter checks `calibrate`; these files stand beside it."""
    ours = {name for name in imports(path) if name.split(".")[0] == "calibrate"} - {"calibrate"}
    doors = DOORS[path.parent.name]
    assert {n for n in ours if not any(f"{n}.".startswith(f"{d}.") for d in doors)} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "adapters").glob("*.py")), ids=lambda p: p.stem)
def test_adapters_import_their_library_in_open(path: Path) -> None:
    tops = {
        name.split(".")[0]
        for node in ast.parse(path.read_text()).body
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert tops <= set(sys.stdlib_module_names) | {"calibrate"}


def packages() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "calibrate").glob("*/__init__.py"))


@pytest.mark.parametrize("package", packages())
def test_tests_mirror_the_packages(package: str) -> None:
    assert any((ROOT / "tests" / "unit" / package).glob("test_*.py"))


@pytest.mark.parametrize("path", sorted((ROOT / "calibrate").rglob("__init__.py")), ids=str)
def test_the_door_of_a_package_holds_no_logic(path: Path) -> None:
    """It has a docstring that maps the package, imports, and names; at most a lazy import."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert {*functions} <= {"__getattr__", "__dir__"}
    assert not any(isinstance(node, ast.ClassDef) for node in tree.body)


def test_the_wheel_has_every_package() -> None:
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "calibrate").rglob("__init__.py")
    }
    assert listed - there == {f"calibrate.{kind}" for kind in DOORS}
    assert there <= listed


@pytest.mark.parametrize("kind", ["adapters", "workloads", "reports"])
def test_drop_in_folders_are_no_packages(kind: str) -> None:
    assert not (ROOT / kind / "__init__.py").exists()
    assert catalog.files(kind)


def test_names_are_the_files_names() -> None:
    for name, path in catalog.files("adapters").items():
        assert load_probe(path).name == name
    assert catalog.files("workloads")["copy"].name == "copy_.py"


def test_a_users_folder_wins(tmp_path: Path) -> None:
    (tmp_path / "rapl.py").write_text("")
    assert catalog.files("adapters", [tmp_path])["rapl"].parent == tmp_path
    with pytest.raises(BadFile, match="exactly one Probe, this one 0"):
        load_probe(tmp_path / "rapl.py")


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean pyjoules"):
        catalog.find("adapters", "pyjoule")
    with pytest.raises(UnknownName, match=r"known: .*rapl"):
        catalog.find("adapters", "zzzzzz")


def test_importing_the_package_is_instant() -> None:
    code = "import calibrate, sys; print(any(m in sys.modules for m in ('numpy', 'pydantic')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
