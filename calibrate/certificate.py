"""What conformance runs found, for people and for machines: table rows, JSON, JUnit, HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree

from calibrate import __version__, catalog, verdict
from calibrate.conformance import BAD, Conformance, Finding, Outcome, Verdict

SCHEMA = 1
#: What each verdict means, the best first.
MEANING: dict[Verdict, str] = {
    "right": "within the tolerance of the truth",
    "refused": "no figure, and the reason given",
    "modelled": "off, but declared as an estimate",
    "noticed": "wrong, and the meter complained",
    "misled": "wrong, and nobody could have noticed",
    "silent": "wrong without a word",
    "stopped": "it crashed or hung",
}
_STEADY = 0.05


def ratio(finding: Finding) -> str:
    """Return reported over true, or the joules where nothing was used."""
    found = finding.ratio
    return f"{finding.joules:.3g} J" if found is None else verdict.number(found)


def worst(outcome: Outcome) -> Finding | None:
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


def row(outcome: Outcome) -> tuple[str, str, str, str]:
    """Return scenario, verdict, reported over true, and the words for it."""
    finding = worst(outcome)
    shown = ratio(finding) if finding else "-"
    return outcome.scenario.name, outcome.verdict, shown, outcome.words or outcome.scenario.about


def factor(found: Conformance) -> tuple[float, float] | None:
    """Return by what a healthy machine's published figures are to be multiplied: least and most.

    None where the meter is right, gives nothing, or errs by no steady factor.
    """
    clean = [each for each in found.outcomes if not each.scenario.faults]
    main = [_headline(each) for each in clean]
    factors = [each.true_j / each.joules for each in main if each and each.joules > 0]
    if not factors or max(factors) > min(factors) * (1 + _STEADY):
        return None
    middle = sum(factors) / len(factors)
    return None if abs(middle - 1) <= found.tolerance else (min(factors), max(factors))


def _headline(outcome: Outcome) -> Finding | None:
    """Return the widest figure that is not of GPUs."""
    for scope in ("machine", "package"):
        for finding in outcome.findings:
            if finding.scope == scope and finding.basis == "measured":
                return finding
    return next((each for each in outcome.findings if each.scope.startswith("package")), None)


def document(found: Sequence[Conformance]) -> dict[str, Any]:
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
                "repair_factor": factor(each),
                "faults": [asdict(suspect) for suspect in each.faults],
                "outcomes": [_outcome(outcome) for outcome in each.outcomes],
            }
            for each in found
        ],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "scenario": outcome.scenario.name,
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
                "fault": each.name.key if each.name else None,
            }
            for each in outcome.findings
        ],
    }


def junit(found: Sequence[Conformance]) -> str:
    """Return JUnit XML: a suite a meter, a case a scenario; `BAD` verdicts are failures."""
    root = ElementTree.Element("testsuites", name="crosswatt conformance (simulated machine)")
    for each in found:
        bad = sum(outcome.verdict in BAD for outcome in each.outcomes)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=each.meter,
            tests=str(len(each.outcomes)),
            failures=str(bad),
        )
        for outcome in each.outcomes:
            name, judged, shown, words = row(outcome)
            case = ElementTree.SubElement(suite, "testcase", name=name, classname=each.meter)
            said = f"{judged}: {words} (reported over true: {shown})"
            if outcome.verdict in BAD:
                ElementTree.SubElement(case, "failure", message=said)
            else:
                ElementTree.SubElement(case, "system-out").text = said
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def html(found: Sequence[Conformance]) -> str:
    """Return one page that needs no network."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(catalog.folder("reports") / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scenarios = [outcome.scenario for outcome in found[0].outcomes]
    return environment.get_template("conformance.html").render(
        meters=[(each, factor(each)) for each in found],
        scenarios=scenarios,
        cells=[[(outcome, row(outcome)) for outcome in each.outcomes] for each in found],
        meaning=MEANING,
        number=verdict.number,
        version=__version__,
    )
