"""Learning to recognise speech: a deep network, epoch by epoch, and what it has learnt after each.

python workloads/asr-train.py [--model gru|conformer] [--epochs N] [--utterances N] [--tests N]
                              [--device cpu|cuda] [--threads N] [--seed N]
                              [--fsdd PATH | --wav FOLDER]

Needs PyTorch: ``pip install torch``. The network spells what it hears (CTC). It
learns spoken digits that are synthesised beforehand, in heavy noise, so that it takes some epochs
and no file; or with ``--fsdd`` those of the Free Spoken Digit Dataset, a folder or an archive of
it; or with ``--wav`` your own recordings, as ``asr.py`` reads them, a fifth of which is held out.

Phases: ``init`` (the network is made and tried), then ``train[1]``, ``eval[1]``, ``train[2]``, ...
Each ``eval`` has the word error rate on speech that is not learnt from, with its standard
uncertainty over utterances. On a CPU with one thread, the same seed gives the same numbers.
``--seconds`` ends it after the epoch in which that time is over. ``--device cuda``: not tried on
hardware.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from calibrate.catalog import load
from calibrate.loads import Phase, Stage, parser
from calibrate.requirement import pip_install

# Features are small products; the network has threads of its own. Before numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Without it, matrix products on a GPU do not come out the same twice. Before CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _corpus, _features, _fsdd, _speech
    from workloads._speech import Clip
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _corpus, _features, _fsdd, _speech = (
        load(_HERE / f"{name}.py") for name in ("_corpus", "_features", "_fsdd", "_speech")
    )
    Clip = _speech.Clip

#: Signal above noise, in decibels, lowest and highest: hard enough that learning takes some
#: epochs, easier than for the embedded network, so that fewer will do.
SNR_DB = (-3.0, 9.0)
TORCH = pip_install("torch")


class Lesson(NamedTuple):
    """What is learnt, what it is tried on, its letters, and where it is from."""

    learnt: Sequence[Clip]
    tried: Sequence[Clip]
    alphabet: str
    source: str


def command_line() -> argparse.Namespace:
    """Return what was asked for."""
    options = parser(__doc__, seconds=math.inf)
    options.add_argument("--model", choices=("gru", "conformer"), default="gru", help="the network")
    options.add_argument("--epochs", type=int, default=10, help="how often all speech is learnt")
    options.add_argument("--utterances", type=int, default=600, help="learnt, where they are made")
    options.add_argument("--tests", type=int, default=300, help="tried, where they are made")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what computes")
    options.add_argument("--threads", type=int, default=1, help="with more, WER may differ")
    speech = options.add_mutually_exclusive_group()
    speech.add_argument("--fsdd", type=Path, metavar="PATH", help="the folder, or its archive")
    speech.add_argument("--wav", type=Path, metavar="FOLDER", help="recordings and their words")
    given = options.parse_args()
    if min(given.epochs, given.utterances, given.tests, given.threads) < 1:
        raise SystemExit("--epochs, --utterances, --tests and --threads are numbers above 0.")
    return given


def require(device: str) -> None:
    """Return if PyTorch is here, and a GPU where one is asked for; else say what to do."""
    if importlib.util.find_spec("torch") is None:
        raise SystemExit(f"asr-train needs PyTorch: {TORCH}")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SystemExit("--device cuda: PyTorch sees no GPU here; leave it out.")


def lesson(given: argparse.Namespace) -> Callable[[], Lesson]:
    """Read the files that are asked for, and return what makes speech of them."""
    if given.wav:
        found = held_out(_speech.read_folder(given.wav, _features.SAMPLE_RATE_HZ), given)
        return lambda: found
    if given.fsdd:
        banks = _fsdd.read(given.fsdd)
        return lambda: Lesson(
            _fsdd.strings(banks["train"], given.utterances, "train", given.seed),
            _fsdd.strings(banks["test"], given.tests, "test", given.seed),
            _features.ALPHABET,
            "Free Spoken Digit Dataset",
        )
    return lambda: Lesson(
        spoken(given.utterances, "train", given.seed),
        spoken(given.tests, "test", given.seed),
        _features.ALPHABET,
        "synthetic",
    )


def spoken(count: int, split: _corpus.Split, seed: int) -> list[Clip]:
    """Return synthetic speech."""
    made = _corpus.utterances(count, split, seed, SNR_DB)
    return [Clip(each.samples, each.text) for each in made]


def held_out(clips: Sequence[Clip], given: argparse.Namespace) -> Lesson:
    """Return a user's recordings, a fifth of them to be tried on; or what is wrong with them."""
    import numpy as np

    if len(clips) < 2:
        raise SystemExit(f"--wav {given.wav}: one recording cannot be learnt and tried; add some.")
    plain = [Clip(clip.samples, _speech.normalise(clip.text)) for clip in clips]
    for clip in plain:
        seconds = len(clip.samples) / _features.SAMPLE_RATE_HZ
        doubled = sum(a == b for a, b in zip(clip.text, clip.text[1:], strict=False))
        needed = (len(clip.text) + doubled + 2) * 2 * _features.HOP / _features.SAMPLE_RATE_HZ
        if seconds < needed:  # no spelling of it would fit into the steps of the network
            raise SystemExit(
                f"--wav {given.wav}: {seconds:.2f} s of sound are too short for {clip.text!r}, "
                f"which takes {needed:.2f} s; correct its text or leave it out."
            )
    order = np.random.default_rng(abs(given.seed)).permutation(len(plain))
    tried = max(1, len(plain) // 5)
    return Lesson(
        [plain[index] for index in order[tried:]],
        [plain[index] for index in order[:tried]],
        "".join(sorted({*" ", *"".join(clip.text for clip in plain)})),
        str(given.wav),
    )


def seconds_of(clips: Sequence[Clip]) -> float:
    """Return the length of speech."""
    return sum(len(clip.samples) for clip in clips) / _features.SAMPLE_RATE_HZ


def timed(stage: Stage, name: str, seconds: float | None, do: Callable[[], Any]) -> Any:
    """Do something as a phase; where it returns figures of quality, they belong to it."""
    begin = time.monotonic_ns()
    made = do()
    values = made if isinstance(made, dict) else {}
    unit = None if seconds is None else "audio-s"
    stage.phase(Phase(name, begin, time.monotonic_ns(), seconds, unit, values))
    return made


def main() -> None:
    """Prepare speech, wait for the start, learn and be examined epoch by epoch."""
    given = command_line()
    require(given.device)
    make = lesson(given)
    stage = Stage(given.marks)
    stage.able()
    acoustic: Any = load(_HERE / "_acoustic.py")
    import numpy as np
    import torch

    torch.set_num_threads(given.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(given.seed)
    speech = make()
    data, tests = (acoustic.examples(part, speech.alphabet) for part in speech[:2])
    learnt_s, tried_s = seconds_of(speech.learnt), seconds_of(speech.tried)

    def enrol() -> Any:
        net = acoustic.NETWORKS[given.model](len(speech.alphabet))
        random = np.random.default_rng(abs(given.seed))
        course = acoustic.Course(net, data, given.epochs, random, given.device)
        course.warm_up()
        return course

    def examine() -> dict[str, float]:
        score, loss = course.examine(tests, speech.alphabet)
        return {"wer": score.rate, "wer_u": score.u, "loss": loss}

    stage.ready()
    begin = time.monotonic()
    course = timed(stage, "init", None, enrol)
    for number in range(1, given.epochs + 1):
        timed(stage, f"train[{number}]", learnt_s, lambda: {"loss": course.epoch()})
        quality = timed(stage, f"eval[{number}]", tried_s, examine)
        if time.monotonic() - begin >= given.seconds:
            break
    stage.result(
        wer=quality["wer"],
        wer_u=quality["wer_u"],
        epochs=number,
        parameters=sum(each.numel() for each in course.net.parameters()),
        learnt_s=learnt_s,
        tried_s=tried_s,
        model=given.model,
        device=given.device,
        threads=given.threads,
        seed=given.seed,
        samples=speech.source,
        torch=str(torch.__version__),
    )


if __name__ == "__main__":
    main()
