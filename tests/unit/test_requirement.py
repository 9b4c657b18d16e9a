"""Hints name packages, as this program requires them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from calibrate import requirement
from calibrate.requirement import pip_install


def test_a_hint_has_the_version_that_an_extra_asks_for() -> None:
    assert pip_install("pyJoules") == "pip install pyJoules==0.5.1"
    assert pip_install("nvidia_ml_py").startswith("pip install 'nvidia-ml-py>=")
    assert pip_install("mfusepy", "unknown").endswith(" unknown")


def test_where_crosswatt_is_not_installed_the_name_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(requirement, "requires", absent)
    assert pip_install("pyJoules") == "pip install pyJoules"
