"""Other people's measurements, made a campaign: one importer a format.

formats     the importers by format
feed        what an importer hands over
opened      files, packed or not
long        a long table, as it is read
sheet       rows of delimited text
documents   objects of JSON; bson has those of MongoDB's dumps
stamps      lines beside the time at which they were written
prometheus  what was extracted from Prometheus
metrics     any exporter's joules and watts from there
trackers, perun, powerapi, scaphandre, processors, gpus, wattmeters, plugs, boards
            what meters write
published   folders that were published with a paper
mapping     any CSV by a short mapping file
folder      the campaign that comes of it
divide      one long log as several runs
falls       counters that fall without a known wrap
run_rows    tables with a run per row
logs        the readings of files as they are, without a campaign; whose format a file is
importing   from a format and files to a campaign, in one call
merge       a log that was taken elsewhere joins a campaign
"""

from calibrate.ingest.feed import Options
from calibrate.ingest.folder import source_files
from calibrate.ingest.formats import find_importer, importers
from calibrate.ingest.importing import Imported, ImportWatcher, can_resume, import_files
from calibrate.ingest.logs import Log, LogColumn, LogProbe, format_of, instant_ns, read_log
from calibrate.ingest.merge import Merged, merge_log
from calibrate.ingest.trackers import consumptions

__all__ = [
    "ImportWatcher",
    "Imported",
    "Log",
    "LogColumn",
    "LogProbe",
    "Merged",
    "Options",
    "can_resume",
    "consumptions",
    "find_importer",
    "format_of",
    "import_files",
    "importers",
    "instant_ns",
    "merge_log",
    "read_log",
    "source_files",
]
