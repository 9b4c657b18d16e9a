"""What a report says and shows, in the same words and figures for every format.

facts      the machine, the plan, the method
verdict    one line per probe
cards      the verdict on each probe with its reasons
tables     all tables
figures    the figures of every report
canvas     draws SVG
chapters   the parts that only some campaigns have
"""

from calibrate.reporting.cards import Card
from calibrate.reporting.chapters import campaign_chapters
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.figures import figure_legend, identity_panel, power_panels, ratio_panels
from calibrate.reporting.tables import Digest, digest
from calibrate.reporting.verdict import verdicts

__all__ = [
    "Card",
    "Chapter",
    "Digest",
    "Table",
    "campaign_chapters",
    "digest",
    "figure_legend",
    "identity_panel",
    "power_panels",
    "ratio_panels",
    "verdicts",
]
