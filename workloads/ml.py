"""Four learning algorithms on four data sets: fits and predictions, counted.

python workloads/ml.py --data wine|mushroom|mnist|fashion
                       --algorithm tree|neighbours|regression|network
                       [--path FILE | --fetch | --synthetic] [--rows N] [--test-rows N] [--seed N]

The data are looked for at ``--path``, in the folder that CROSSWATT_DATA names, and where packages
put them; with ``--fetch`` they are downloaded from OpenML. Otherwise synthetic data of the same
shape take their place, and the result says so. docs/workloads.md tells how to get the real ones.

Three phases, each repeated for a time because one alone is too short for most meters, each with
the number of its repetitions as its work: ``prepare`` (rows are drawn and scaled), ``fit`` (whole
fits, all the same) and ``predict`` (whole passes over the test rows). One thread does it all, so
that the same seed gives the same accuracy to the last bit.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from calibrate.catalog import load
from calibrate.loads import Phase, Stage, one_thread, parser
from calibrate.requirement import pip_install

if TYPE_CHECKING:
    from workloads import _datasets
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _datasets = load(Path(__file__).resolve().parent / "_datasets.py")

Made = TypeVar("Made")
#: Fewer rows may lack a class, or the neighbours that are asked for.
LEAST_ROWS = 20
NEEDS = f"The workload ml needs scikit-learn: {pip_install('scikit-learn')}"


@dataclass(frozen=True)
class Algorithm:
    """A classifier of scikit-learn with its hyper-parameters; the others are its defaults.

    Parameters
    ----------
    module, name : where the class is.
    fixed : hyper-parameters on all data sets.
    on_images : what differs on MNIST and Fashion-MNIST.
    seeded : whether it draws random numbers.
    """

    module: str
    name: str
    fixed: Mapping[str, Any]
    on_images: Mapping[str, Any] = field(default_factory=dict)
    seeded: bool = True


#: Nothing is tuned. The network learns for 20 epochs on images, since 200 would take minutes.
ALGORITHMS = {
    "tree": Algorithm(
        "sklearn.tree",
        "DecisionTreeClassifier",
        {"criterion": "gini", "max_depth": None, "min_samples_leaf": 1},
    ),
    "neighbours": Algorithm(
        "sklearn.neighbors",
        "KNeighborsClassifier",
        {"n_neighbors": 5, "weights": "uniform", "n_jobs": 1},
        seeded=False,
    ),
    "regression": Algorithm(
        "sklearn.linear_model",
        "LogisticRegression",
        {"C": 1.0, "solver": "lbfgs", "max_iter": 100},
    ),
    "network": Algorithm(
        "sklearn.neural_network",
        "MLPClassifier",
        {
            "hidden_layer_sizes": (100,),
            "activation": "relu",
            "solver": "adam",
            "learning_rate_init": 0.001,
            "max_iter": 200,
        },
        {"max_iter": 20},
    ),
}


def parameters(algorithm: Algorithm, *, images: bool) -> dict[str, Any]:
    """Return the hyper-parameters that are fixed here."""
    return {**algorithm.fixed, **(algorithm.on_images if images else {})}


def maker(algorithm: Algorithm, seed: int, *, images: bool) -> Callable[[], Any]:
    """Return a function that makes a classifier that has learnt nothing yet.

    Raises
    ------
    SystemExit : scikit-learn is not installed.
    """
    try:
        module = __import__(algorithm.module, fromlist=[algorithm.name])
    except ImportError:
        raise SystemExit(NEEDS) from None
    chosen = parameters(algorithm, images=images)
    chosen |= {"random_state": seed} if algorithm.seeded else {}
    return lambda: getattr(module, algorithm.name)(**chosen)


def repeat(
    name: str, unit: str, of_one: float, seconds: float, work: Callable[[], Made]
) -> tuple[Phase, Made]:
    """Do something whole, again and again, until the time is over; return what it made last.

    Parameters
    ----------
    of_one : how many units one repetition is.
    """
    done = 0
    begin = now = time.monotonic_ns()
    while done == 0 or now < begin + seconds * 1e9:
        made = work()
        done += 1
        now = time.monotonic_ns()
    return Phase(name, begin, now, done * of_one, unit), made


def learnt(make: Callable[[], Any], x: _datasets.Floats, y: _datasets.Labels) -> Any:
    """Return a classifier that has learnt.

    One that stops at its last iteration warns that it might get better: what it reached counts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=_not_converged())
        return make().fit(x, y)


def _not_converged() -> type[Warning]:
    from sklearn.exceptions import ConvergenceWarning

    kind: type[Warning] = ConvergenceWarning
    return kind


def iterations(classifier: Any) -> dict[str, int]:
    """Return how many iterations a classifier learnt for, as a result, where it counts them."""
    import numpy as np

    found = getattr(classifier, "n_iter_", None)
    return {} if found is None else {"iterations": int(np.max(found))}


def warm_up(make: Callable[[], Any]) -> None:
    """Learn and predict something small, for the first call of a library is slow."""
    import numpy as np

    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    learnt(make, x, y).predict(x)


def command_line() -> argparse.Namespace:
    """Return what was asked for."""
    options = parser(__doc__, seconds=3.0)
    options.add_argument("--data", choices=tuple(_datasets.SPECS), default="wine")
    options.add_argument("--algorithm", choices=tuple(ALGORITHMS), default="tree")
    options.add_argument("--path", type=Path, help="the data set's file, or folder of IDX files")
    options.add_argument("--fetch", action="store_true", help="download it if it is not here")
    options.add_argument("--synthetic", action="store_true", help="data of the same shape")
    options.add_argument("--rows", type=int, default=0, help="to learn from; 0 means all")
    options.add_argument("--test-rows", type=int, default=0, help="to predict; 0 means all")
    options.add_argument("--predict-seconds", type=float, default=2.0)
    options.add_argument("--prepare-seconds", type=float, default=0.5)
    given = options.parse_args()
    if bool(given.path) + given.fetch + given.synthetic > 1:
        raise SystemExit("Choose one of --path, --fetch and --synthetic.")
    if given.rows and given.rows < LEAST_ROWS:
        raise SystemExit(f"--rows {given.rows}: 0 means all, otherwise {LEAST_ROWS} or more.")
    if given.test_rows < 0 or given.seed < 0:
        raise SystemExit("--test-rows and --seed are numbers from 0 on.")
    return given


def main() -> None:
    """Load the data, wait for the start, prepare, fit and predict."""
    one_thread()
    given = command_line()
    spec = _datasets.SPECS[given.data]
    algorithm, images = ALGORITHMS[given.algorithm], spec.kind == "images"
    if find_spec("sklearn") is None:
        raise SystemExit(NEEDS)
    stage = Stage(given.marks)
    if given.synthetic:
        stage.able()  # no file can be missing, and importing scikit-learn takes a second
    raw = _datasets.find(
        spec, given.path, fetch=given.fetch, synthetic=given.synthetic, rows=given.rows
    )
    make = maker(algorithm, given.seed, images=images)
    warm_up(make)
    stage.ready()
    prepared, split = repeat(
        "prepare", "prepare", 1, given.prepare_seconds,
        lambda: _datasets.prepare(spec, raw, given.seed, given.rows, given.test_rows),
    )  # fmt: skip
    stage.phase(prepared)
    fitted, classifier = repeat(
        "fit", "fit", 1, given.seconds, lambda: learnt(make, split.learn_x, split.learn_y)
    )
    stage.phase(fitted)
    scored = len(split.test_y)
    predicted, answers = repeat(
        "predict", "prediction", scored, given.predict_seconds,
        lambda: classifier.predict(split.test_x),
    )  # fmt: skip
    stage.phase(predicted)
    import sklearn

    stage.result(
        data=given.data,
        algorithm=given.algorithm,
        accuracy=float((answers == split.test_y).mean()),
        samples="synthetic" if raw.synthetic else "real",
        data_source=raw.source,
        sha256=raw.sha256 or "none: synthetic",
        rows=len(split.learn_y),
        all_rows=spec.learn_rows,
        scored_rows=scored,
        test_rows=spec.test_rows,
        features=split.learn_x.shape[1],
        classes=spec.classes,
        **iterations(classifier),
        hyperparameters=", ".join(
            f"{name}={value}" for name, value in parameters(algorithm, images=images).items()
        ),
        classifier=f"{algorithm.name} of scikit-learn {sklearn.__version__}",
        seed=given.seed,
    )


if __name__ == "__main__":
    main()
