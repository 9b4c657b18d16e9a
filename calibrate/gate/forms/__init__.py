"""A judgement as text: for a terminal, a pull request, and what CI systems read.

text       for a terminal
markdown   a job's summary, or a comment on a pull request
junit      XML for whatever shows test results
sarif      SARIF 2.1.0, for code scanning
github     annotations, printed in a step of a workflow
badge      an endpoint of shields.io
document   JSON
written    the form of a name
"""

from calibrate.gate.forms.document import SCHEMA
from calibrate.gate.forms.written import FORMS, write_form

__all__ = ["FORMS", "SCHEMA", "write_form"]
