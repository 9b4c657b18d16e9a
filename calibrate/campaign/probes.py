"""Which probes take part in a campaign, under which names and with which settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from calibrate.campaign.plan import Plan
from calibrate.errors import CrosswattError, UnknownName
from calibrate.probe.adapter import load_probe
from calibrate.probe.available import Source, known_probes
from calibrate.probe.secret import HOW, is_literal
from calibrate.quantity import parse_joules, parse_share, u_of_class
from calibrate.store import (
    SourceRecord,
)

#: The probe that knows the exact energy of a simulated machine.
TRUTH = "truth"


def sources(
    wanted: Sequence[str] = (), extra: Iterable[Path] = (), *, simulated: bool = True
) -> list[Source]:
    """Return the probes asked for, or all that are meant to run by default.

    The truth is asked for only where a machine is simulated. ``NAME=PROBE`` asks for a probe under
    a name of its own, so that one probe can take part several times, with other settings.

    Parameters
    ----------
    wanted : names, or ``NAME=PROBE``; none means all that take part by default.
    extra : folders with adapters of the user's own.
    simulated : whether the machine is a simulated one.

    Raises
    ------
    UnknownName : a probe that is neither an adapter nor an environment.
    CrosswattError : a name that is taken, or cannot be a file's.
    BadFile : an adapter that defines no probe.
    """
    every = known_probes(extra)
    chosen: dict[str, Source] = {}
    for each in wanted:
        name, _, probe = each.rpartition("=")
        if probe not in every:
            raise UnknownName("probe", probe, every)
        if name and (name in every or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)):
            raise CrosswattError(
                f"{name!r} cannot name a probe: it is one's name already, or more than letters, "
                f"digits, dots and dashes. Write for example --probe my-{probe}={probe}."
            )
        if (name or probe) in chosen:
            raise CrosswattError(f"The probe {name or probe!r} is named twice.")
        load_probe(
            every[probe].adapter
        )  # one that cannot be loaded is refused before anything runs
        chosen[name or probe] = replace(every[probe], name=name or probe)
    if chosen:
        return list(chosen.values())
    return [
        source
        for name, source in every.items()
        if load_probe(source.adapter).default and (simulated or name != TRUTH)
    ]


def with_reference(
    chosen: Sequence[Source], extra: Iterable[Path] = (), *, simulated: bool
) -> list[Source]:
    """Return probes that can be compared: on a simulated machine the truth is one of them.

    Parameters
    ----------
    chosen : the probes of a campaign.
    extra : folders with adapters of the user's own.
    simulated : whether the machine is a simulated one.

    Raises
    ------
    CrosswattError : one probe is alone, so that there is nothing to compare it with.
    """
    truth = known_probes(extra).get(TRUTH)
    everyone = list(chosen)
    if simulated and truth and truth.adapter not in {source.adapter for source in chosen}:
        everyone.insert(0, truth)
    if len(everyone) == 1:
        [alone] = everyone
        another = "rapl" if simulated else "codecarbon" if alone.name == "rapl" else "rapl"
        raise CrosswattError(
            f"{alone.name} alone has nothing to be compared with. Add another probe, for example "
            f"--probe {another}, or leave --probe out."
        )
    return everyone


def at_rates(chosen: Sequence[Source], rates: Sequence[str]) -> list[Source]:
    """Return the probes with other rates of reading.

    Parameters
    ----------
    chosen : the probes of a campaign.
    rates : ``NAME=HZ`` each: readings a second of one probe.

    Raises
    ------
    UnknownName : a probe that is not among them.
    CrosswattError : a rate that is no number between 0.001 and 10000.
    """
    wanted = {}
    for each in rates:
        name, _, hertz = each.partition("=")
        if name not in {source.name for source in chosen}:
            raise UnknownName("probe of this campaign", name, [source.name for source in chosen])
        try:
            rate_hz = float(hertz)
        except ValueError:
            rate_hz = 0.0
        if not 1e-3 <= rate_hz <= 1e4:
            raise CrosswattError(
                f"{each!r} is not a rate: write for example {name}=100, readings a second between "
                "0.001 and 10000."
            )
        wanted[name] = {"rate_hz": hertz}
    return _with_options(chosen, wanted)


def with_settings(chosen: Sequence[Source], settings: Sequence[str]) -> list[Source]:
    """Return the probes with settings of the user's.

    Parameters
    ----------
    chosen : the probes of a campaign.
    settings : ``PROBE.KEY=VALUE`` each. ``step=3600 J`` and ``class=1 %`` state the step and the
        accuracy class of any probe.

    Raises
    ------
    UnknownName : a probe that is not among them.
    CrosswattError : not of that form, or no step or class.
    """
    wanted: dict[str, dict[str, str]] = {}
    for each in settings:
        where, equals, value = each.partition("=")
        # A release has dots of its own: codecarbon-1.2.0.output=...
        name = next((s.name for s in chosen if where.startswith(f"{s.name}.")), None)
        if not equals or "." not in where:
            raise CrosswattError(f"{each!r} is not a setting: write PROBE.KEY=VALUE.")
        if name is None:
            names = [source.name for source in chosen]
            raise UnknownName("probe of this campaign", where.partition(".")[0], names)
        key = where.removeprefix(f"{name}.")
        if is_literal(key, value):
            raise CrosswattError(
                f"{where} is a secret, and settings are kept in the record: {HOW}."
            )
        try:
            wanted.setdefault(name, {}).update(_option(key, value))
        except ValueError as error:
            raise CrosswattError(f"{where}: {error}.") from None
    return _with_options(chosen, wanted)


def _option(key: str, value: str) -> dict[str, str]:
    """Return a setting as an option of a recorder: what is stated of a meter is one of its own."""
    if key == "step":
        return {"step_j": f"{parse_joules(value):.12g}"}
    if key == "class":
        return {"u_relative": f"{u_of_class(parse_share(value)):.12g}"}
    return {key: value}


def with_meters(chosen: Sequence[Source], plan: Plan) -> list[Source]:
    """Return the probes with the steps and accuracy classes that a plan states.

    Raises
    ------
    UnknownName : the plan states one of a probe that is not among them.
    """
    stated = [
        f"{meter.probe}.{key}={text}"
        for meter in plan.meter
        for key, text in (("step", meter.step), ("class", meter.class_))
        if text is not None
    ]
    return with_settings(chosen, stated)


def _with_options(
    chosen: Sequence[Source], wanted: Mapping[str, Mapping[str, str]]
) -> list[Source]:
    """Return the probes with more options, by probe."""
    return [
        replace(source, options={**source.options, **wanted.get(source.name, {})})
        for source in chosen
    ]


def source_records(chosen: Sequence[Source]) -> tuple[SourceRecord, ...]:
    """Return probes as a campaign's record has them."""
    return tuple(
        SourceRecord(
            name=s.name, adapter=str(s.adapter), python=str(s.python), options=dict(s.options)
        )
        for s in chosen
    )


def recorded_sources(records: Iterable[SourceRecord]) -> list[Source]:
    """Return the probes that a record names."""
    return [Source(s.name, Path(s.adapter), Path(s.python), s.options) for s in records]
