"""The door of `calibrate.stats`: every name is there, documented, and imported when it is used."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calibrate import stats

FOLDER = Path(stats.__file__).parent
#: Rearranges data or looks a number up: there is no source to name beside the code.
PLUMBING = {"encode", "integrate", "log_ratio", "mean_of", "renewals", "worst_held_out"}
PUBLIC = {name: getattr(stats, name) for name in stats.__all__}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES: dict[str, Any] = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}


def sections(documented: Any) -> dict[str, str]:
    """Return the sections of a docstring in numpy's form: title -> text."""
    text = inspect.getdoc(documented) or ""
    parts = re.split(r"(?m)^(\w+)\n-+$", text)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def named(section: str) -> set[str]:
    """Return the names that a section describes, "a, b : what they are" names two."""
    lines = re.findall(r"(?m)^(\w[\w, ]*?) ?:", section)
    return {name.strip() for line in lines for name in line.split(",")}


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((FOLDER / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: (node.module or "").rpartition(".")[2]
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == stats._HOME


def test_no_name_is_a_module_as_well() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert not set(stats.__all__) & files
    assert set(stats._HOME.values()) == files - {"__init__", "inversions", "interval_errors"}


def test_names_are_what_they_are_called() -> None:
    for name, value in (FUNCTIONS | CLASSES).items():
        assert value.__name__ == name
        assert value.__module__ == f"calibrate.stats.{stats._HOME[name]}"
    with pytest.raises(AttributeError, match="no attribute 'demming'"):
        _ = stats.demming


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_parameters_result_errors_and_source(name: str) -> None:
    told = sections(FUNCTIONS[name])
    assert told[""].strip().endswith(".")
    assert set(inspect.signature(FUNCTIONS[name]).parameters) <= named(told["Parameters"])
    assert told["Returns"].strip()
    assert told["Raises"].strip()
    assert name in PLUMBING or told["Notes"].strip()


@pytest.mark.parametrize("name", CLASSES)
def test_classes_say_their_fields(name: str) -> None:
    told = sections(CLASSES[name])
    fields = {field.name for field in dataclasses.fields(CLASSES[name])}
    assert fields == named(told["Parameters"]) & fields
    for method, value in vars(CLASSES[name]).items():
        if not method.startswith("_") and (inspect.isfunction(value) or callable(value)):
            assert (inspect.getdoc(getattr(CLASSES[name], method)) or "").startswith("Return")


def imported_by(code: str) -> set[str]:
    """Return the heavy packages that a fresh interpreter has loaded after this code."""
    heavy = ("numpy", "scipy", "scipy.stats", "pandas", "statsmodels", "vl_convert")
    told = f"import sys\n{code}\nprint(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_door_imports_nothing_heavy() -> None:
    assert imported_by("import calibrate.stats") == set()


def test_a_line_imports_neither_pandas_nor_statsmodels() -> None:
    code = "from calibrate.stats import deming, mean_ratio\n"
    code += "deming([1, 2, 3, 5.5], [1, 2, 3.1, 5]); mean_ratio([0.1, 0.2, 0.1], 'abc')"
    assert imported_by(code) <= {"numpy", "scipy"}
