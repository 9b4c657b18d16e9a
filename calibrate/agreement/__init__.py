"""How far meters are apart, from a table with one row a run and no campaign.

    from calibrate.agreement import agree, read_table

    table = read_table(Path("runs.csv"))
    found = agree(table, reference="wall_j", test=["codecarbon_j"], group="workload")
    found.meters[0].ratio, found.to_frame()

table     read_table, and columns as numbers or labels
methods   agree: every method on a table
lines     the lines through the runs of two meters
result    what is said, or why not
listing   the results as a list of numbers, and as a data frame

Every method that the columns allow is applied. One that they do not allow says why, in place of a
result. A missing value is left out and counted; it is never taken for zero.
"""

from calibrate.agreement.listing import METHODS, Entry, entries
from calibrate.agreement.methods import agree
from calibrate.agreement.result import Agreement, MeterAgreement, NotAvailable, Power, Runs
from calibrate.agreement.table import read_table

__all__ = [
    "METHODS",
    "Agreement",
    "Entry",
    "MeterAgreement",
    "NotAvailable",
    "Power",
    "Runs",
    "agree",
    "entries",
    "read_table",
]
