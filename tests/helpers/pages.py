"""Results of studies made by hand, for their pages."""

from __future__ import annotations

from calibrate.stats import Estimate
from calibrate.studies import (
    Course,
    Datasheet,
    Diff,
    Difference,
    Drift,
    Effect,
    Observation,
    Sheet,
)
from calibrate.studies.datasheet import Entry
from calibrate.studies.drift import Session


def datasheet() -> Datasheet:
    """One domain with three values, and one that could not be had."""

    def known(quantity: str, unit: str, value: float, low: float, high: float) -> Entry:
        found = Estimate(value, None, low, high, 0.95, "by hand", 3, 1)
        return Entry(quantity=quantity, unit=unit, estimate=found)

    sheet = Sheet(
        domain="package-0",
        scope="package-0",
        kind="counter",
        stated_resolution_j=6.1e-5,
        stated_wrap_j=None,
        entries=(
            known("update period", "s", 0.2, 0.19, 0.21),
            known("gain", "1", 1.02, 1.01, 1.03),
            known("idle offset", "W", -0.3, -0.4, -0.2),
            Entry(quantity="wrap", unit="J", reason="It did not wrap."),
        ),
    )
    return Datasheet(
        simulated=True,
        machine="by hand",
        probe="meter",
        facts={"release": "1.0"},
        reference="truth",
        sheets=(sheet,),
    )


def observation(*, clear: bool) -> Observation:
    """Two probes, two workloads; one effect on power is clear, or none."""

    def effect(workload: str, affected: str, condition: str, change: float, half: float) -> Effect:
        return Effect(
            workload=workload,
            affected=affected,
            condition=condition,
            change=change,
            low=change - half,
            high=change + half,
            watts=50 * change if affected == "power" else None,
            repeats=4,
            clear=clear and abs(change) > half,
        )

    return Observation(
        simulated=True,
        machine="by hand",
        reference="truth",
        probes=("meter", "other"),
        effects=(
            effect("idle", "power", "meter", 0.031, 0.004),
            effect("idle", "power", "other", 0.001, 0.004),
            effect("gemm", "power", "meter", 0.002, 0.005),
            effect("gemm", "speed", "meter", -0.004, 0.009),
            effect("gemm", "other", "all together", 0.0005, 0.001),
        ),
    )


def differences(*, changed: bool) -> Diff:
    """One column that is the same, one that changed or is inconclusive, one in W."""
    return Diff(
        simulated=True,
        first="march",
        second="april",
        tolerance=0.01,
        conditions={"kernel": ("6.1", "6.8")} if changed else {},
        differences=(
            Difference(
                probe="sound", column="cpu", state="same", change=0.001, low=-0.002, high=0.004
            ),
            Difference(
                probe="meter",
                column="cpu",
                state="changed" if changed else "inconclusive",
                change=0.032,
                low=0.028 if changed else -0.02,
                high=0.036,
                en=8.0,
            ),
            Difference(
                probe="rapl",
                column="package",
                state="same",
                across=True,
                change_w=0.1,
                low_w=-0.2,
                high_w=0.4,
            ),
        ),
    )


def drift() -> Drift:
    """Three campaigns; the ratio of one column changes at the last."""
    sessions = tuple(
        Session(folder=f"day-{day}", at=f"2026-03-0{day}T10:00:00+00:00", ratio=ratio)
        for day, ratio in ((1, 1.0), (2, 1.001), (3, 1.05))
    )
    step = Difference(
        probe="meter", column="cpu", state="changed", change=0.05, low=0.04, high=0.06
    )
    still = step.model_copy(update={"state": "same", "change": 0.001, "low": 0.0, "high": 0.002})
    changed = sessions[2].model_copy(update={"coincides": {"driver": ("550", "560")}})
    course = Course(
        probe="meter",
        column="cpu",
        workloads=("idle",),
        sessions=(*sessions[:2], changed),
        state="changed",
        out=("day-3",),
        differences=(still, step),
        reason="3 campaigns, each beside the first; a chart takes 5",
    )
    same = course.model_copy(
        update={"probe": "sound", "state": "same", "out": (), "differences": (still, still)}
    )
    return Drift(simulated=True, courses=(same, course), left={"broken": "It has no run."})
