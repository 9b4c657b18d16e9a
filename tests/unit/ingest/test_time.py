"""Instants of other people's files: units, offsets, and hours that come twice or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from calibrate import store
from calibrate.ingest.feed import Options, epoch_ns
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported

NOON_NS = 1_748_779_200_000_000_000
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-01T12:00:00Z", "2025-06-01T12:00:00.000000+00:00", "2025-06-01 14:00:00+02",
        "2025-06-01T14:00:00.000+0200", "2025-06-01 14:00:00.000 +0200", "2025-06-01 12:00:00 UTC",
        "2025-06-01T14:00:00,000+02:00", "20250601T120000Z",
        "1748779200", "1748779200.000", "1748779200000", "1748779200000000", f"{NOON_NS}",
    ],
)  # fmt: skip
def test_an_instant_is_the_same_in_every_form(text: str) -> None:
    assert epoch_ns(text, Options()) == NOON_NS


def test_a_fraction_and_an_offset_are_both_kept() -> None:
    found = epoch_ns("2025-06-01T12:00:00.431000+00:00", Options(zone="Europe/Paris"))
    assert found == NOON_NS + 431_000_000
    assert epoch_ns("2025-06-01T14:00:00.123456789+0200", Options()) == NOON_NS + 123_456_789


@pytest.mark.parametrize("text", ["0", "1234.5", "1970-01-01T00:00:00Z", "1999-12-31T00:00:00Z"])
def test_a_clock_that_was_never_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="2000"):
        epoch_ns(text, Options())


def test_a_local_time_that_the_clocks_were_put_forward_over_is_refused() -> None:
    with pytest.raises(ValueError, match="put forward"):
        epoch_ns("2025-03-30 02:30:00", Options(zone="Europe/Paris"))


def local_times(begin: datetime, step: timedelta, count: int) -> list[str]:
    """Return what a clock in Paris shows."""
    return [
        (begin + place * step).astimezone(PARIS).strftime("%Y-%m-%d %H:%M:%S")
        for place in range(count)
    ]


@pytest.mark.parametrize("month", [3, 10])
def test_local_times_in_order_last_as_long_as_they_did(month: int, tmp_path: Path) -> None:
    begin = datetime(2025, month, 30 if month == 3 else 26, tzinfo=UTC) - timedelta(minutes=30)
    texts = local_times(begin, timedelta(minutes=10), 24)
    options = Options(zone="Europe/Paris")
    first_ns = round(begin.timestamp()) * 1_000_000_000
    expected = [first_ns + place * 600_000_000_000 for place in range(24)]
    assert [epoch_ns(text, options) for text in texts] == expected

    table, mapping = tmp_path / "t.csv", tmp_path / "m.toml"
    table.write_text("time,watts\n" + "".join(f"{text},100\n" for text in texts))
    mapping.write_text(
        '[time]\ncolumn="time"\nzone="Europe/Paris"\n'
        '[[value]]\ncolumn="watts"\nunit="W"\nkind="power"\nscope="node"\nprobe="wall"\n'
    )
    run = imported(tmp_path / "out", "csv", table, "--mapping", mapping)[0]
    assert (run.record.begin_ns, run.record.end_ns) == (expected[0], expected[-1])


def test_several_lines_of_one_instant_do_not_look_like_the_end_of_summer_time() -> None:
    options = Options(zone="Europe/Paris")
    times = ["2025-10-26 02:30:00", "2025-10-26 02:30:00", "2025-10-26 02:29:59"]
    found = [epoch_ns(text, options) for text in times]
    assert [each - found[0] for each in found] == [0, 0, -1_000_000_000]


@pytest.mark.parametrize("unit_digits", [0, 3])
def test_pages_of_metrics_are_in_seconds_or_in_milliseconds(
    tmp_path: Path, unit_digits: int
) -> None:
    page = tmp_path / "page.txt"
    page.write_text(
        "".join(
            f'DCGM_FI_DEV_POWER_USAGE{{gpu="0"}} 250.0 {1_750_000_000 + second}'
            f"{'0' * unit_digits}\n"
            for second in range(0, 61, 15)
        )
        + "# EOF\n"
    )
    run = imported(tmp_path / "out", "dcgm", page)[0]
    assert run.record.seconds == 60 and run.record.begin_ns == 1_750_000_000_000_000_000


def test_a_controller_whose_clock_was_never_set_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "log.txt"
    page.write_text(
        "    Instantaneous power reading:   360 Watts\n"
        "    IPMI timestamp:                Thu Jan  1 00:00:00 1970\n"
        "    Power reading state is:        activated\n"
    )
    assert imported(tmp_path / "out", "ipmi", page, "--zone", "UTC", rc=64) == []
    assert "never set" in " ".join(capsys.readouterr().err.split())


def test_the_cases_of_time(tmp_path: Path) -> None:
    for name, seconds in (("seconds.om", 600.0), ("decimals.om", 600.0), ("ms.txt", 600.0)):
        case = shared_case("imports/04-openmetrics-seconds") / name
        assert imported(tmp_path / name, "dcgm", case)[0].record.seconds == seconds
    twice = shared_case("imports/05-hour-that-comes-twice")
    for name, form, *flags in (
        ("dst.csv", "nvidia-smi", "--zone", "Europe/Paris"),
        ("dst-map.csv", "csv", "--mapping", twice / "dst.toml"),
    ):
        run = imported(tmp_path / name, form, twice / name, *flags)[0]
        assert run.record.seconds == 7190.0
        assert (
            len(run.logs[store.load_campaign(tmp_path / name).record.sources[0].name].readings)
            == 720
        )
    for zone in ("UTC", "Europe/Paris"):
        case = shared_case("analysis/01-iso-offset-codecarbon.csv")
        run = imported(tmp_path / f"cc-{zone[:3]}", "codecarbon", case, "--zone", zone)[0]
        assert run.record.end_ns == NOON_NS + 431_000_000
    case = shared_case("analysis/02-ts-recipe-ipmi.txt")
    run = imported(tmp_path / "ipmi", "ipmi", case, "--scope", "node")[0]
    assert run.record.begin_ns == 1_714_550_400_123_456_000
