"""What conformance runs found, for people and for machines: table rows, JSON, JUnit, HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from calibrate import store, textfile
from calibrate._version import __version__
from calibrate.conformance.naming import Name
from calibrate.conformance.trials import (
    BAD,
    Conformance,
    Outcome,
    Scenario,
    Suspect,
    TrialFinding,
    TrialVerdict,
)
from calibrate.diagnosis import FAULTS, Keys
from calibrate.errors import BadFile
from calibrate.escaping import xml_text
from calibrate.quantity import number
from calibrate.reporting import render

SCHEMA = 1
#: What each verdict means, the best first.
MEANING: dict[TrialVerdict, str] = {
    "right": "within the tolerance of the truth",
    "refused": "no figure, and the reason given",
    "modelled": "off, but declared as an estimate",
    "noticed": "wrong, and the meter complained",
    "misled": "wrong, and nobody could have noticed",
    "silent": "wrong without a word",
    "stopped": "it crashed, hung, did not start, or never reported anything",
}
_AGREE = 1.2
_REPAIRABLE = {each.key for each in FAULTS if each.repairable}
#: Between keys in a document: keys hold neither spaces nor commas.
_AND, _OR = ", ", " or "
#: One letter for each in the chart, since colour alone says nothing to some.
_LETTERS: dict[TrialVerdict, str] = {
    "right": "\u2713",
    "refused": "r",
    "modelled": "m",
    "noticed": "n",
    "misled": "x",
    "silent": "S",
    "stopped": "!",
}


def ratio(finding: TrialFinding) -> str:
    """Return reported over true, or the joules where nothing was used."""
    found = finding.ratio
    return f"{finding.joules:.3g} J" if found is None else number(found)


def worst(outcome: Outcome) -> TrialFinding | None:
    """Return the figure that is furthest off, measured before modelled."""
    return max(
        outcome.findings,
        key=lambda each: (
            each.basis != "modelled",
            each.name is not None,
            abs(each.joules - each.true_j),
        ),
        default=None,
    )


def certificate_row(outcome: Outcome) -> tuple[str, str, str, str]:
    """Return scenario, verdict, reported over true, and the words for it."""
    finding = worst(outcome)
    shown = ratio(finding) if finding else "-"
    return outcome.scenario.name, outcome.verdict, shown, outcome.words or outcome.scenario.about


@dataclass(frozen=True)
class Repair:
    """By what published figures are to be multiplied.

    Parameters
    ----------
    low, high : the least and the most over healthy machines.
    machines : where the meter errs by this factor and nothing else.
    """

    low: float
    high: float
    machines: tuple[str, ...]


def repair(found: Conformance) -> Repair | None:
    """Return the factor that repairs a meter's figures; None where no factor does.

    Only a factor of units or overheads can be undone without knowing the machine; machines on which
    something else is wrong as well are left out, and the others must agree within 20 %.
    """
    factors = {}
    for outcome in found.outcomes:
        finding = worst(outcome)
        if outcome.scenario.faults or finding is None or finding.name is None:
            continue
        if finding.name.single in _REPAIRABLE and finding.joules > 0:
            factors[outcome.scenario.name] = finding.true_j / finding.joules
    if not factors or max(factors.values()) > _AGREE * min(factors.values()):
        return None
    return Repair(min(factors.values()), max(factors.values()), tuple(factors))


def certificate_document(found: Sequence[Conformance]) -> dict[str, Any]:
    """Return everything as plain data."""
    return {
        "schema": SCHEMA,
        "kind": "conformance",
        "simulated": True,
        "crosswatt": __version__,
        "meters": [
            {
                "meter": each.meter,
                "facts": dict(each.facts),
                "tolerance": each.tolerance,
                "failed": each.failed,
                "repair": asdict(found_) if (found_ := repair(each)) else None,
                "faults": [
                    {"text": e.text, "scenarios": list(e.scenarios), "reference": e.reference}
                    for e in each.faults
                ],
                "outcomes": [_outcome(outcome) for outcome in each.outcomes],
            }
            for each in found
        ],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "scenario": outcome.scenario.name,
        "about": outcome.scenario.about,
        "model": outcome.scenario.model,
        "faults": list(outcome.scenario.faults),
        "verdict": outcome.verdict,
        "words": outcome.words,
        "figures": [
            {
                "column": each.column,
                "scope": each.scope,
                "basis": each.basis,
                "reported_j": each.joules,
                "true_j": each.true_j,
                "fault": _text(each.name.alternatives) if each.name else None,
                "text": str(each.name) if each.name else None,
            }
            for each in outcome.findings
        ],
    }


def _text(alternatives: tuple[Keys, ...]) -> str:
    """Return keys as a document has them: ``dram-missing, pue-1.58 or one-socket``."""
    return _OR.join(_AND.join(keys) for keys in alternatives)


def _name(keys: str, text: str | None) -> Name:
    """Return the name that a document gives a figure."""
    alternatives = tuple(tuple(each.split(_AND)) for each in keys.split(_OR))
    return Name(alternatives, text or keys)


def load_certificate(path: Path) -> list[Conformance]:
    """Read what `document` gave, to merge runs and to remake pages.

    Raises
    ------
    BadFile : the file is not that.
    """
    try:
        meters = store.parse_json(textfile.read_text(path, store.DOCUMENT_BYTES))["meters"]
        return [_meter(each) for each in meters]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it is not what conformance --out FILE.json writes ({error!r})"
        raise BadFile(path, why) from None


def _meter(raw: dict[str, Any]) -> Conformance:
    outcomes = tuple(_past(each) for each in raw["outcomes"])
    astray = {outcome.scenario.astray for outcome in outcomes}
    faults = tuple(
        Suspect(each["text"], tuple(each["scenarios"]), each["reference"], each["text"] in astray)
        for each in raw["faults"]
    )
    return Conformance(raw["meter"], raw["facts"], raw["tolerance"], outcomes, faults)


def _past(raw: dict[str, Any]) -> Outcome:
    figures = tuple(
        TrialFinding(
            each["column"],
            each["scope"],
            each["basis"],
            each["reported_j"],
            each["true_j"],
            _name(each["fault"], each.get("text")) if each["fault"] else None,
        )
        for each in raw["figures"]
    )
    scenario = Scenario(
        name=raw["scenario"],
        about=raw["about"],
        model=raw["model"],
        faults=tuple(raw["faults"]),
    )
    return Outcome(scenario, raw["verdict"], raw["words"], figures)


def certificate_junit(found: Sequence[Conformance]) -> str:
    """Return JUnit XML: a suite a meter, a case a scenario; `BAD` verdicts are failures."""
    root = ElementTree.Element("testsuites", name="crosswatt conformance (simulated machine)")
    for each in found:
        meter = xml_text(each.meter)
        bad = sum(outcome.verdict in BAD for outcome in each.outcomes)
        suite = ElementTree.SubElement(
            root, "testsuite", name=meter, tests=str(len(each.outcomes)), failures=str(bad)
        )
        for outcome in each.outcomes:
            name, judged, shown, words = map(xml_text, certificate_row(outcome))
            case = ElementTree.SubElement(suite, "testcase", name=name, classname=meter)
            said = f"{judged}: {words} (reported over true: {shown})"
            if outcome.verdict in BAD:
                ElementTree.SubElement(case, "failure", message=said)
            else:
                ElementTree.SubElement(case, "system-out").text = said
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def certificate_html(found: Sequence[Conformance]) -> str:
    """Return one page that needs no network."""
    scenarios = [outcome.scenario for outcome in found[0].outcomes]
    return render(
        "conformance.html",
        live=False,
        meters=[(each, repair(each)) for each in found],
        scenarios=scenarios,
        cells=[
            [(outcome, certificate_row(outcome)) for outcome in each.outcomes] for each in found
        ],
        meaning=MEANING,
        letters=_LETTERS,
        number=number,
    )
