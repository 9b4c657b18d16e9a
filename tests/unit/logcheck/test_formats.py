"""Every format that is imported can be checked, and most are known by their beginning."""

from __future__ import annotations

import pytest

from calibrate.errors import CrosswattError
from calibrate.ingest import format_of
from calibrate.logcheck import Question, check_log
from tests.helpers.samples import SAMPLES, Sample

KNOWN = {
    "alumet", "carbontracker", "codecarbon", "dcgm", "kwollect", "nvidia-smi", "powerapi",
    "prometheus", "ptd", "pyjoules", "scaphandre", "turbostat", "zeus",
}  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_sample_of_every_format_is_checked(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = sample.write(tmp_path_factory.mktemp("log"))
    try:
        found = check_log([path], Question(), sample.form, zone="UTC", unit="W", scope="node")
    except CrosswattError as error:  # what is refused says why
        assert str(error).endswith(".")
        return
    # The sample of Tapo has figures of ours, whose count and power are not of one another.
    assert found.state in ("pass", "inconclusive") or sample.form == "tapo"
    total = sum(each.joules or 0.0 for each in found.measured)
    assert found.joules is None or total == pytest.approx(found.joules)


def test_formats_are_known_by_their_beginning(tmp_path_factory: pytest.TempPathFactory) -> None:
    right, told = set(), {}
    for name, sample in SAMPLES.items():
        path = sample.write(tmp_path_factory.mktemp("log"))
        try:
            form = format_of(path)
        except CrosswattError:
            continue
        told[name] = form
        right |= {form} if form == sample.form else set()
    assert {name: f for name, f in told.items() if f != SAMPLES[name].form} == {}
    assert right >= KNOWN
