"""What makes a machine another one."""

from __future__ import annotations

from calibrate.campaign import machine_differences
from tests.helpers.campaigns import MACHINE


def test_another_processor_or_label_is_another_machine() -> None:
    assert machine_differences(MACHINE, MACHINE) == ()
    other = MACHINE.model_copy(update={"cpu": "another", "cpus": 64, "label": "node-7"})
    assert machine_differences(MACHINE, other) == ("label", "cpu", "cpus")


def test_a_machine_stays_the_same_with_another_kernel_or_boot() -> None:
    later = MACHINE.model_copy(update={"kernel": "6.2", "boot_id": "b", "microcode": "0x2"})
    assert machine_differences(MACHINE, later) == ()


def test_what_an_import_does_not_know_does_not_differ() -> None:
    imported = MACHINE.model_copy(update={"cpu": "unknown", "cpus": None})
    assert machine_differences(imported, MACHINE) == ()
