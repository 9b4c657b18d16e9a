"""Many small runs in one file, ``runs.jsonl``: an import of 10,000 runs is a few files.

A line is a run, with what ``run.json`` and the files of its probes say::

    {"doc": "run", "folder": "001-gemm", "run": {...}, "logs": {"wall": [{"doc": "probe"}, ...]}}

It stands for the folders of all runs of its campaign; see `calibrate.store.documents`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from calibrate.errors import BadFile
from calibrate.store.documents import RUN, RunRecord, save
from calibrate.store.files import LINE_BYTES, FileName, parse_json, read_lines, write
from calibrate.store.readings import ProbeLog, log_of_documents

#: Where the runs of a campaign lie that have no folder each.
BUNDLE = "runs.jsonl"

Documents = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class BundledRun:
    """A run with the documents of its probes' files, by name of the probe."""

    folder: str
    record: RunRecord
    documents: Mapping[str, Documents]

    def logs(self, path: Path, number: int) -> dict[str, ProbeLog]:
        """Return what the probes say; `path` and `number` of its line are for errors."""
        return {
            name: log_of_documents(path, name, [(number, dict(each)) for each in documents])
            for name, documents in self.documents.items()
        }


class _Line(BaseModel):
    """A line of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    doc: Literal["run"]
    folder: FileName
    run: RunRecord
    logs: dict[FileName, list[dict[str, Any]]]


def save_bundle(folder: Path, runs: Iterable[BundledRun]) -> None:
    """Write the runs of a campaign into one file.

    Raises
    ------
    ValueError : a run is too long for a line; nothing is written.
    """
    write(folder / BUNDLE, map(_text, runs))


def _text(run: BundledRun) -> str:
    document = {
        "doc": "run",
        "folder": run.folder,
        "run": run.record.model_dump(mode="json", by_alias=True),
        "logs": run.documents,
    }
    line = json.dumps(document, allow_nan=False) + "\n"
    if len(line) >= LINE_BYTES:
        raise ValueError(f"run {run.folder} is longer than a line may be")
    return line


def read_bundle(folder: Path) -> Iterator[tuple[int, BundledRun]]:
    """Yield the runs of a campaign that lie in one file, each with its line; none without one.

    Raises
    ------
    BadFile : a line is damaged, or there are two runs of one folder.
    """
    path, seen = folder / BUNDLE, set()
    if not path.exists() and not path.is_symlink():
        return
    for number, text in read_lines(path):
        try:
            line = _Line.model_validate(parse_json(text))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BadFile(
                path, f"it is not a run ({where}: {first['msg'][:200]})", number
            ) from None
        except ValueError as error:
            raise BadFile(path, f"the line is damaged ({error})", number) from None
        if line.folder in seen:
            raise BadFile(path, f"run {line.folder!r} is there twice", number)
        if line.logs.keys() != line.run.probes.keys():
            raise BadFile(path, "its logs are not those of the probes of its run", number)
        seen.add(line.folder)
        yield number, BundledRun(line.folder, line.run, line.logs)


def unbundle(folder: Path) -> None:
    """Give each run of a campaign its folder, and remove the file in which they were."""
    for _, run in read_bundle(folder):
        place = folder / run.folder
        place.mkdir()
        for name, documents in run.documents.items():
            lines = "".join(json.dumps(each) + "\n" for each in documents)
            (place / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        save(place / RUN, run.record)
    (folder / BUNDLE).unlink(missing_ok=True)
