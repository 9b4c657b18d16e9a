"""Parts of a report that only some campaigns have: one subject a file, each with a `chapter`.

workloads   ratio and watts of difference, workload by workload and socket by socket
learning    energy against quality, epoch by epoch
algorithms  learning algorithms: energy and accuracy, and a study's claims
phases      energy of the phases that a workload marks
lifecycle   after how many uses a model has cost more in use than in training
"""

from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.order import campaign_chapters
from calibrate.reporting.chapters.table import Row, Table

__all__ = ["Chapter", "Row", "Table", "campaign_chapters"]
