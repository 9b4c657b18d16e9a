"""What a log that somebody already has allows to say of the energy of a window.

instants    the ends of a window, as a person writes them
chosen      which columns are added up: each part of the machine once
series      a column as what its meter said anew: update period, steps, resets
variation   how the power varies from one reading to the next, and what readings miss of it
parts       what an uncertainty is made of, and the interval of 95 %
windowed    the energy of a window of one series
reason      codes of what a log does not allow
answer      what a check answers, as a document
inventory   an import without a reference: energies, dates, gaps
checking    from files and a window to an answer, in one call
"""

from calibrate.logcheck.answer import Agreement, Answer, Correction, Rate, State
from calibrate.logcheck.checking import NEED, Question, check_log
from calibrate.logcheck.inventory import Inventory, Listed, take_inventory
from calibrate.logcheck.reason import Code, Reason
from calibrate.logcheck.windowed import Measured

__all__ = [
    "NEED",
    "Agreement",
    "Answer",
    "Code",
    "Correction",
    "Inventory",
    "Listed",
    "Measured",
    "Question",
    "Rate",
    "Reason",
    "State",
    "check_log",
    "take_inventory",
]
