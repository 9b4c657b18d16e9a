"""The public names: they are there, on the page of the API, and say all that a user needs."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import calibrate

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"
MODULES = (
    "calibrate",
    "calibrate.probe",
    "calibrate.loads",
    "calibrate.bench",
    "calibrate.testing",
)
#: `calibrate.stats` has a page and a test of its own.
NAMES = [(module, name) for module in MODULES for name in importlib.import_module(module).__all__]


def value_of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def sections(text: str) -> dict[str, str]:
    """Return the sections of a docstring in numpy's form: title -> text."""
    parts = re.split(r"(?m)^(\w+)\n-+$", text)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def named(section: str) -> set[str]:
    """Return the names that a section describes; "a, b : what they are" names two."""
    lines = re.findall(r"(?m)^(\*{0,2}\w[\w, *]*?) :", section)
    return {name.strip().lstrip("*") for line in lines for name in line.split(",")}


def lacks(called: str, function: Any) -> Iterator[str]:
    """Yield what the docstring of a function leaves out."""
    text = inspect.getdoc(function)
    if not text:
        yield f"{called} has no docstring"
        return
    told = sections(text)
    if not re.search(r"[.:]$", told[""].split("\n\n")[0].strip()):
        yield f"{called}: its summary is no sentence"
    signature = inspect.signature(function)
    own = {name for name in signature.parameters if name not in {"self", "cls"}}
    missing = own - named(told.get("Parameters", ""))
    if missing:
        yield f"{called}: Parameters lacks {', '.join(sorted(missing))}"
    given = str(signature.return_annotation)
    plain = given in {"None", "<class 'inspect._empty'>"} or told[""].startswith(
        ("Return ", "Tell ")
    )
    if not plain and "Returns" not in told and "Yields" not in told:
        yield f"{called}: it returns {given}, and does not say what that is"
    if raises(function) and "Raises" not in told:
        yield f"{called}: it raises, and does not say when"


def raises(function: Any) -> bool:
    """Tell whether a function has a `raise` with an exception of its own."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def class_lacks(called: str, kind: type) -> Iterator[str]:
    """Yield what the docstrings of a class, its fields and its members leave out."""
    text = inspect.getdoc(kind) or ""
    if not kind.__dict__.get("__doc__") or text.startswith(f"{kind.__name__}("):
        yield f"{called} has no docstring"
    described = named(sections(text).get("Parameters", ""))
    if dataclasses.is_dataclass(kind):
        fields = {field.name for field in dataclasses.fields(kind)}
    elif "__init__" in kind.__dict__:
        fields = {*inspect.signature(kind).parameters}
    else:
        fields = set()
    if fields - described:
        yield f"{called}: Parameters lacks {', '.join(sorted(fields - described))}"
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property) or type(member).__name__ == "cached_property":
            if not inspect.getdoc(member):
                yield f"{called}.{name} has no docstring"
        elif inspect.isfunction(member):
            yield from lacks(f"{called}.{name}", member)


@pytest.mark.parametrize(("module", "name"), NAMES, ids=str)
def test_a_public_name_says_what_a_user_needs(module: str, name: str) -> None:
    value = value_of(module, name)
    if str(getattr(value, "__module__", "")).startswith("calibrate.stats"):
        return
    if inspect.isclass(value):
        assert [*class_lacks(name, value)] == []
    elif inspect.isfunction(value):
        assert [*lacks(name, value)] == []


@pytest.mark.parametrize(("module", "name"), NAMES, ids=str)
def test_a_public_name_is_on_the_page(module: str, name: str) -> None:
    """It is in a row or a sentence below the heading of its module, or an earlier name."""
    if (module, name) in {("calibrate", "__version__")}:
        return
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"(?m)^## .*?`(calibrate[.\w]*)`.*$", text)
    section = dict(zip(parts[1::2], parts[2::2], strict=True))[module]
    assert re.search(rf"`{name}\b", section), f"{module}.{name} is not in {PAGE.name}"


def test_type_checkers_see_the_same_names() -> None:
    """A name that is imported when it is used is known to editors by the import beside it."""
    for module in ("calibrate", "calibrate.loads"):
        there = importlib.import_module(module)
        tree = ast.parse(Path(str(there.__file__)).read_text())
        block = next(node for node in tree.body if isinstance(node, ast.If))
        seen = {
            alias.asname
            for node in block.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert seen == {*there._HOME}


def test_names_are_found_and_others_are_not() -> None:
    assert {*calibrate.__all__} <= {*dir(calibrate)}
    assert calibrate.load is calibrate.load_calibration
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = calibrate.analyse


def test_importing_the_package_is_instant() -> None:
    heavy = ("numpy", "pandas", "pydantic", "scipy", "rich", "importlib.metadata")
    code = f"import calibrate, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
