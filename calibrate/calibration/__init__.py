"""The correction of a probe, its uncertainty, and how to apply it.

correction   the documents
candidates   the forms of a correction, fitted
reading      the uncertainty of one corrected reading
budget       what that is made of
fit          choose a form, and decide whether it is needed and good enough
apply        correct readings
tables       correct the files that meters write
"""

from calibrate.calibration.apply import (
    Corrected,
    CorrectedReading,
    CorrectionWarning,
    Corrector,
    load_calibration,
)
from calibrate.calibration.correction import (
    NEED,
    Band,
    Calibration,
    Conditions,
    Correction,
    Fitness,
)
from calibrate.calibration.fit import fit_calibration
from calibrate.calibration.tables import (
    Columns,
    carbontracker_table,
    codecarbon_columns,
    correct_csv,
    read_header,
    read_table,
)

__all__ = [
    "NEED",
    "Band",
    "Calibration",
    "Columns",
    "Conditions",
    "Corrected",
    "CorrectedReading",
    "Correction",
    "CorrectionWarning",
    "Corrector",
    "Fitness",
    "carbontracker_table",
    "codecarbon_columns",
    "correct_csv",
    "fit_calibration",
    "load_calibration",
    "read_header",
    "read_table",
]
