"""What a report says and shows, in the same words and figures for every format.

facts      the machine, the plan, the method
said       the sentence that comes first, and its clauses
verdict    one line per probe
cards      the verdict on each probe with its reasons
scorecard  a row for each probe, with every column of it
emitted    how a mass of CO2e is written
tables     all tables
page       the chapters of a page in their order
charts     the charts of every report
rendering  pages: templates with charts inside
agreement  meters in a table of runs
chapters   the parts that only some campaigns have
pages      pages about probes, and about several campaigns
"""

from calibrate.escaping import markdown_text
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
from calibrate.reporting.chapters.program import program_rows, program_sentences
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.charts.chart import Chart
from calibrate.reporting.charts.forest import forest_chart
from calibrate.reporting.page import page_parts
from calibrate.reporting.pages.datasheet import SHEET_HEAD, datasheet_page, sheet_rows
from calibrate.reporting.pages.differences import (
    ACROSS_NOTE,
    CHANGES_HEAD,
    change_cells,
    change_in_watts,
    diff_page,
    diff_sentence,
    relative_change,
)
from calibrate.reporting.pages.drift import (
    change_of_level_text,
    course_rows,
    drift_page,
    drift_sentence,
)
from calibrate.reporting.pages.interference import (
    EFFECTS_NOTE,
    effect_tables,
    effects_sentence,
    interference_page,
)
from calibrate.reporting.pages.inventory import inventory_page
from calibrate.reporting.rendering import draw, draw_parts, render
from calibrate.reporting.said import first_sentence, lost_runs, uncovered
from calibrate.reporting.scorecard import scorecard
from calibrate.reporting.tables import Digest, digest
from calibrate.reporting.verdict import verdicts
from calibrate.simulated import before_figures

__all__ = [
    "ACROSS_NOTE",
    "CHANGES_HEAD",
    "EFFECTS_NOTE",
    "P_MEANS",
    "SHEET_HEAD",
    "AgreementSection",
    "Card",
    "Chapter",
    "Chart",
    "Digest",
    "Table",
    "agreement_page",
    "agreement_sections",
    "before_figures",
    "campaign_chapters",
    "change_cells",
    "change_in_watts",
    "change_of_level_text",
    "column_names",
    "course_rows",
    "datasheet_page",
    "diff_page",
    "diff_sentence",
    "digest",
    "draw",
    "draw_parts",
    "drift_page",
    "drift_sentence",
    "effect_tables",
    "effects_sentence",
    "first_sentence",
    "forest_chart",
    "interference_page",
    "inventory_page",
    "lost_runs",
    "markdown_text",
    "page_parts",
    "printable",
    "program_rows",
    "program_sentences",
    "relative_change",
    "render",
    "scorecard",
    "sheet_rows",
    "uncovered",
    "verdicts",
]
