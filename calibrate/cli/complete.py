"""The values that a shell completes, by what they name."""

from __future__ import annotations

from calibrate import catalog


def probe_names() -> list[str]:
    """Return every probe."""
    from calibrate.probe.available import known_probes

    return sorted(known_probes())


def environment_names() -> list[str]:
    """Return the probes with an interpreter of their own."""
    from calibrate.probe.available import environment_sources

    return sorted(environment_sources())


def workload_names() -> list[str]:
    """Return the shipped workloads."""
    return sorted(catalog.files("workloads"))


def plan_names() -> list[str]:
    """Return the shipped plans."""
    from calibrate import campaign

    return campaign.plan_names()


def report_formats() -> list[str]:
    """Return the formats of reports."""
    return sorted(catalog.files("reports"))


def import_formats() -> list[str]:
    """Return the formats of measurements that can be imported."""
    from calibrate.ingest import importers

    return list(importers())


def bench_models() -> list[str]:
    """Return the shipped models of simulated machines."""
    from calibrate import bench

    return list(bench.names())


def bench_faults() -> list[str]:
    """Return the faults that a simulated machine can have."""
    from calibrate.bench import KINDS

    return sorted(KINDS)


def gate_forms() -> list[str]:
    """Return the forms of a judgement."""
    from calibrate.gate import FORMS

    return sorted(FORMS)
