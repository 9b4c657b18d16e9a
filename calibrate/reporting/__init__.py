"""What a report says and shows, in the same words and figures for every format.

facts      the machine, the plan, the method
said       the sentence that comes first, and its clauses
verdict    one line per probe
cards      the verdict on each probe with its reasons
tables     all tables
figures    the figures of every report
canvas     draws SVG
agreement  meters in a table of runs; agreement_figures
chapters   the parts that only some campaigns have
"""

from calibrate.quantity import printable
from calibrate.reporting.agreement import (
    P_MEANS,
    AgreementSection,
    agreement_page,
    agreement_sections,
    column_names,
)
from calibrate.reporting.cards import Card
from calibrate.reporting.chapters import campaign_chapters
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.figures import figure_legend, identity_panel, power_panels, ratio_panels
from calibrate.reporting.said import first_sentence, lost_runs, uncovered
from calibrate.reporting.tables import Digest, digest
from calibrate.reporting.verdict import verdicts
from calibrate.simulated import before_figures

__all__ = [
    "P_MEANS",
    "AgreementSection",
    "Card",
    "Chapter",
    "Digest",
    "Table",
    "agreement_page",
    "agreement_sections",
    "before_figures",
    "campaign_chapters",
    "column_names",
    "digest",
    "figure_legend",
    "first_sentence",
    "identity_panel",
    "lost_runs",
    "power_panels",
    "printable",
    "ratio_panels",
    "uncovered",
    "verdicts",
]
