"""The page of `calibrate.stats`: its examples run, and nothing that is exported is left out."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from types import FunctionType

from calibrate import stats

PAGE = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)


def test_examples_print_what_the_page_says() -> None:
    examples = doctest.DocTestParser().get_doctest("\n".join(BLOCKS), {}, "statistics.md", None, 0)
    assert len(examples.examples) > 80
    told: list[str] = []
    done = doctest.DocTestRunner().run(examples, out=told.append)
    assert not done.failed, "".join(told)


def test_every_module_has_an_example_that_is_run() -> None:
    used = set(re.findall(r"\w+", "\n".join(BLOCKS)))
    assert {stats._HOME[name] for name in used & set(stats.__all__)} == set(stats._MODULES)


def test_every_function_is_on_the_page() -> None:
    named = set(re.findall(r"\w+", PAGE))
    functions = {n for n in stats.__all__ if isinstance(getattr(stats, n), FunctionType)}
    assert functions <= named
