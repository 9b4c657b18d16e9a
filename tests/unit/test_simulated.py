"""A simulated machine says so, wherever figures are printed."""

from __future__ import annotations

import pytest

from calibrate import Target
from calibrate.campaign.machine import on_bench
from calibrate.simulated import VARIABLE, before_figures, bench_folder


def test_figures_of_a_real_machine_have_no_label() -> None:
    assert before_figures(simulated=True) == "SIMULATED MACHINE. "
    assert before_figures(simulated=False) == ""


@pytest.mark.parametrize(("value", "folder"), [(None, None), ("", None), ("/bench", "/bench")])
def test_the_folder_of_the_bench_is_the_variables(
    monkeypatch: pytest.MonkeyPatch, value: str | None, folder: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert bench_folder() == Target().bench == folder
    assert on_bench() == (folder is not None)
