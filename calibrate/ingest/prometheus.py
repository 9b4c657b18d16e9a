"""What was extracted from Prometheus: answers of its HTTP API, or pages that were scraped.

Sources: prometheus.io/docs, HTTP API (query and query_range: ``resultType`` vector and matrix) and
text-based format (a line may end in milliseconds since 1970; else the time stands before the page);
OpenMetrics 1.0, with seconds. The size of the number tells which it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Options, epoch_ns
from calibrate.ingest.stamps import MISSING, lines

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?[\d.]+))?(?:\s+#.*)?")
_LABEL = re.compile(r'\b(\w{1,200})="((?:[^"\\]|\\.)*)"')
_FIX = (
    "Ask for the metric itself: /api/v1/query_range?query=METRIC&start=...&end=...&step=1, without "
    "rate() and divisions."
)


@dataclass(frozen=True)
class Sample:
    """One figure as it is written, in the unit that the metric's name tells."""

    at_ns: int
    metric: str
    labels: Mapping[str, str]
    text: str


def samples(paths: Sequence[Path], options: Options) -> Iterator[Sample]:
    """Yield the samples of files, all of one machine.

    Raises
    ------
    BadFile : it is an answer of the API that has no series, or series without a name, or there are
        series of several machines.
    """
    first: dict[str, str] = {}
    for path in paths:
        for sample in _answers(path, options) if is_answer(path) else _page(path, options):
            for label in {"instance", "Hostname"} & sample.labels.keys():
                if first.setdefault(label, sample.labels[label]) != sample.labels[label]:
                    raise BadFile(
                        path,
                        f"it has series of several machines ({first[label]}, "
                        f"{sample.labels[label]}); a campaign is of one",
                        fix=f'Ask for one: METRIC{{{label}="{first[label]}"}}.',
                    )
            yield sample


def is_answer(path: Path) -> bool:
    """Tell whether a file is an answer of the API."""
    with opened.characters(path) as stream:
        head = stream.read(400).lstrip()
    return head.startswith("{") and ('"status"' in head or '"resultType"' in head)


def _answers(path: Path, options: Options) -> Iterator[Sample]:
    """Yield the samples of one answer, or of one a line."""
    text = opened.whole(path, options.seen)
    try:
        answers = [json.loads(text)]
    except (ValueError, RecursionError):
        answers = list(_each(text, options))
    for answer in answers:
        try:
            series = answer["data"]["result"]
        except (KeyError, TypeError):
            told = answer.get("error", "") if isinstance(answer, dict) else ""
            why = f"no answer of Prometheus with series {str(told)[:200]}".rstrip()
            if len(answers) == 1:
                raise BadFile(path, f"it is {why}", fix=_FIX) from None
            options.reject(str(answer)[:200], why)
            continue
        for each in series:
            yield from _series(path, each, options)


def _each(text: str, options: Options) -> Iterator[Any]:
    for line in text.splitlines():
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                options.reject(line, f"no answer of Prometheus ({error})")


def _series(path: Path, series: Mapping[str, Any], options: Options) -> Iterator[Sample]:
    """Yield the samples of one series."""
    labels = {str(key): str(value) for key, value in series["metric"].items()}
    metric = labels.pop("__name__", "")
    if not metric:
        raise BadFile(path, f"a series has no name, only labels ({labels})"[:300], fix=_FIX)
    for point in series.get("values") or [series.get("value")]:
        try:
            at_s, text = point
            if not str(text).endswith(("NaN", "Inf")):
                yield Sample(epoch_ns(str(at_s), options), metric, labels, str(text))
        except (TypeError, ValueError) as error:
            options.reject(f"{metric} {point}", str(error))


def _page(path: Path, options: Options) -> Iterator[Sample]:
    """Yield the samples of pages, one after the other."""
    for before_ns, line in lines(path, options):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            options.reject(line, "no sample of Prometheus")
            continue
        metric, labels, text, at = found.groups()
        try:
            at_ns = epoch_ns(at, options) if at else before_ns
        except ValueError as error:
            options.reject(line, str(error))
            continue
        if at_ns is None:
            options.reject(line, MISSING)
        elif not text.endswith(("NaN", "Inf")):
            yield Sample(at_ns, metric, dict(_LABEL.findall(labels or "")), text)
