"""JUnit XML: a suite for each probe, a case for each rule.

What fails is a failure. What is inconclusive is an error: it did not pass, and it shows nothing
wrong either.
"""

from __future__ import annotations

from xml.etree import ElementTree

from calibrate.escaping import xml_text
from calibrate.gate.forms.words import why
from calibrate.gate.judgement import Judgement
from calibrate.gate.ruling import Ruling
from calibrate.simulated import before_figures

_ELEMENTS = {"fail": "failure", "inconclusive": "error"}


def junit_xml(found: Judgement) -> str:
    """Return XML that readers of test results take, whatever a probe is called."""
    root = ElementTree.Element(
        "testsuites",
        {"name": xml_text(f"{before_figures(simulated=found.simulated)}crosswatt gate")}
        | _counts(found.rulings),
    )
    for probe in dict.fromkeys(each.probe for each in found.rulings):
        mine = [each for each in found.rulings if each.probe == probe]
        suite = ElementTree.SubElement(root, "testsuite", {"name": xml_text(probe)} | _counts(mine))
        _properties(suite, found)
        for each in mine:
            _case(suite, each)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _counts(rulings: tuple[Ruling, ...] | list[Ruling]) -> dict[str, str]:
    states = [each.state for each in rulings]
    return {
        "tests": str(len(states)),
        "failures": str(states.count("fail")),
        "errors": str(states.count("inconclusive")),
    }


def _properties(suite: ElementTree.Element, found: Judgement) -> None:
    """Say what was judged, by what, and where the report is."""
    listed = ElementTree.SubElement(suite, "properties")
    facts = {
        "campaign": found.campaign,
        "policy": found.policy,
        "machine": found.machine,
        "reference": found.reference,
        "report": found.report,
    }
    for name, value in facts.items():
        if value:
            ElementTree.SubElement(listed, "property", name=name, value=xml_text(value))


def _case(suite: ElementTree.Element, ruling: Ruling) -> None:
    name, words = xml_text(ruling.name), xml_text(why(ruling))
    case = ElementTree.SubElement(suite, "testcase", name=name, classname=xml_text(ruling.probe))
    element = _ELEMENTS.get(ruling.state)
    if element is None:
        ElementTree.SubElement(case, "system-out").text = words
    else:
        bad = ElementTree.SubElement(case, element, type=ruling.kind.value, message=words)
        bad.text = xml_text(ruling.line)
