"""hwmon and battery on trees of files as the kernel documents them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calibrate import catalog
from calibrate.campaign import Source, at_rates, with_settings
from calibrate.errors import CrosswattError
from calibrate.probe.adapter import load_probe
from calibrate.probe.contract import Probe, Target, Unavailable

ADAPTERS = catalog.files("adapters")


def made(name: str, root: Path, **options: str) -> Probe:
    kind: Any = load_probe(ADAPTERS[name])
    probe: Probe = kind(root)
    probe.open(Target(options=options))
    return probe


def device(root: Path, number: int, name: str, **files: str) -> Path:
    place = root / f"hwmon{number}"
    place.mkdir(parents=True)
    (place / "name").write_text(f"{name}\n")
    for file, text in files.items():
        (place / file).write_text(f"{text}\n")
    return place


def test_hwmon_reads_what_it_understands_and_names_the_rest(tmp_path: Path) -> None:
    device(tmp_path, 0, "amd_energy", energy1_label="Ecore000", energy1_input="5",
           energy2_label="Esocket0", energy2_input="7000000")  # fmt: skip
    device(tmp_path, 1, "power_meter", power1_average="61250000", power1_input="99")
    board = device(tmp_path, 2, "ina226", power1_input="12000000", temp1_input="40000")
    # As a user gives it.
    source = Source("hwmon", ADAPTERS["hwmon"])
    [told] = with_settings([source], ["hwmon.ina226.power1=node"])
    probe = made("hwmon", tmp_path, **told.options)
    found = {domain.name: (domain.scope, domain.kind) for domain in probe.domains()}
    assert found == {
        "amd_energy-energy2": ("package-0", "counter"),
        "power_meter-power1": ("node", "power"),
        "ina226-power1": ("node", "power"),
    }
    # An average is preferred to what flows just now.
    assert probe.read() == {
        "amd_energy-energy2": 7.0, "power_meter-power1": 61.25, "ina226-power1": 12.0,
    }  # fmt: skip
    assert probe.facts()["not understood"] == "amd_energy energy1 Ecore000"
    (board / "power1_input").write_text("")  # as ENODATA: no value just now
    assert "ina226-power1" not in probe.read()
    probe.close()


def grace(root: Path, *rails: tuple[str, int]) -> Path:
    """Write the ACPI power meters of a Grace superchip: one driver, one channel, many rails."""
    for number, (word, watts) in enumerate(rails):
        words = {"power1_oem_info": word} if word else {}
        device(root, number, "power_meter", power1_average=f"{watts}000000", **words)
    return root


def test_rails_of_one_driver_are_columns_of_their_own(tmp_path: Path) -> None:
    rails = [("Module Power Socket 0", 640), ("CPU Power Socket 0", 54), ("CPU Power Socket 1", 52)]
    probe = made(
        "hwmon",
        grace(tmp_path, *rails),
        **{"power_meter-module-power-socket-0.power1": "node"},
    )
    scopes = {domain.name: domain.scope for domain in probe.domains()}
    assert scopes == {
        "power_meter-module-power-socket-0-power1": "node",
        "power_meter-cpu-power-socket-0-power1": "package-0",
        "power_meter-cpu-power-socket-1-power1": "package-1",
    }
    assert sorted(probe.read().values()) == [52.0, 54.0, 640.0]


def test_power_meters_without_a_word_are_not_taken_for_the_node(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="power_meter-1 power1"):
        made("hwmon", grace(tmp_path, ("", 640), ("", 54)))


def test_hwmon_without_a_known_sensor_says_which_there_are(tmp_path: Path) -> None:
    device(tmp_path, 0, "ina226", power1_input="12000000")
    with pytest.raises(Unavailable, match=r"is understood \(ina226 power1\)"):
        made("hwmon", tmp_path)
    with pytest.raises(Unavailable, match="no hwmon sensor"):
        made("hwmon", tmp_path / "nothing")


def test_settings_and_rates_go_to_the_probe_they_name() -> None:
    sources = [Source("rapl", ADAPTERS["rapl"]), Source("codecarbon-1.2.0", ADAPTERS["rapl"])]
    rapl, old = with_settings(
        at_rates(sources, ["rapl=1000"]), ["rapl.way=msr", "codecarbon-1.2.0.pue=1.1"]
    )
    assert rapl.options == {"rate_hz": "1000", "way": "msr"} and old.options == {"pue": "1.1"}
    for settings, words in ((["rapl"], "is not a setting"), (["rpl.way=msr"], "rapl")):
        with pytest.raises(CrosswattError, match=words):
            with_settings(sources, settings)
    for rate in ("rapl=fast", "rapl=0", "rapl=1e9"):
        with pytest.raises(CrosswattError, match="is not a rate"):
            at_rates(sources, [rate])


def battery(root: Path, **files: str) -> Path:
    place = root / files.pop("name", "BAT0")
    place.mkdir(parents=True)
    for file, text in ({"type": "Battery", "status": "Discharging"} | files).items():
        (place / file).write_text(f"{text}\n")
    return place


def test_batteries_are_added_up_while_they_discharge(tmp_path: Path) -> None:
    one = battery(tmp_path, power_now="6500000")
    battery(tmp_path, name="BAT1", current_now="-500000", voltage_now="11500000")
    battery(tmp_path, name="hid-mouse", scope="Device", power_now="1")
    (tmp_path / "AC").mkdir()
    (tmp_path / "AC" / "type").write_text("Mains\n")
    probe = made("battery", tmp_path)
    assert [domain.scope for domain in probe.domains()] == ["psys"]
    assert probe.read() == {"battery": pytest.approx(6.5 + 5.75)}
    assert probe.facts()["batteries"] == "BAT0, BAT1"
    (one / "status").write_text("Charging\n")
    assert probe.read() == {}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"status": "Charging", "power_now": "5"}, r"not discharging \(Charging\)"),
        ({}, "tells no power"),
        ({"type": "Mains"}, "no battery"),
    ],
)
def test_a_battery_that_says_nothing_of_the_machine_is_left_out(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    battery(tmp_path, **files)
    with pytest.raises(Unavailable, match=words) as refused:
        made("battery", tmp_path)
    assert refused.value.fix
