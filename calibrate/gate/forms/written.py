"""The forms by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from calibrate.errors import UnknownName
from calibrate.gate.forms.badge import badge_json
from calibrate.gate.forms.document import document_json
from calibrate.gate.forms.github import annotation_lines
from calibrate.gate.forms.junit import junit_xml
from calibrate.gate.forms.markdown import markdown_page
from calibrate.gate.forms.sarif import sarif_json
from calibrate.gate.forms.text import text_lines
from calibrate.gate.judgement import Judgement

FORMS: Mapping[str, Callable[[Judgement], str]] = {
    "text": text_lines,
    "markdown": markdown_page,
    "junit": junit_xml,
    "sarif": sarif_json,
    "json": document_json,
    "github": annotation_lines,
    "badge": badge_json,
}


def write_form(judgement: Judgement, form: str) -> str:
    """Return a judgement in a form, with a newline at its end.

    Raises
    ------
    UnknownName : there is no such form.
    """
    if form not in FORMS:
        raise UnknownName("form of a judgement", form, FORMS)
    return FORMS[form](judgement)
