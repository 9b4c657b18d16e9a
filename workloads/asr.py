"""Speech recognition by a deep network: features, acoustic model, letters.

python workloads/asr.py --seconds 5 [--threads N] [--batch N] [--device cpu|cuda]
                        [--model embedded|whisper|moonshine|module:factory] [--command 'CMD {wav}']
                        [--sample synthetic|librivox|two-cities] [--wav FOLDER]

``embedded`` is a small network for synthetic spoken digits, both part of this program, so that
the workload runs anywhere. ``whisper`` (tiny.en) and ``moonshine`` are real English models that
come in packages: the extra ``asr``. ``module:factory`` is yours, found from the
current folder: ``factory()`` returns an object with ``transcribe(batch, sample_rate) ->
list[str]``, where a batch is a list of mono float32 arrays, or a function ``f(samples,
sample_rate) -> str``; where it has an argument ``device``, it gets ``--device``. ``--command`` is
any program that prints what it hears in the recording ``{wav}``.

``--wav`` reads your speech: 16-bit ``x.wav`` files, each with its words in ``x.txt``, or all of
them in one file ``transcription`` of lines ``the words (x)``. Without it, models other than the
embedded one hear five recorded sentences where they are installed (LibriVox, in Debian's
``pocketsphinx-testdata``).

A word error rate is given only where it says something about the model: for the embedded one on
its digits, for the others on human speech. Elsewhere the speech is a load, and ``wer`` is absent.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from calibrate.catalog import load
from calibrate.loads import Phase, Stage, cores, parser

# The features are small products: threads of numpy would cost more CPU time than they save. The
# network has threads of its own. It has to be set before numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _corpus, _features, _recognisers, _speech
    from workloads._recognisers import Loader, Model
    from workloads._speech import Clip
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _corpus, _features, _recognisers, _speech = (
        load(_HERE / f"{name}.py") for name in ("_corpus", "_features", "_recognisers", "_speech")
    )
    Clip = _speech.Clip

#: Synthetic utterances; they are repeated as long as the load lasts.
UTTERANCES = 96
#: What speech models expect.
SAMPLE_RATE_HZ = 16_000
SAMPLES = ("synthetic", "librivox", "two-cities")
#: Where Debian's package pocketsphinx-testdata keeps five recorded sentences.
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
#: What is read in the sample: the opening of Charles Dickens, A Tale of Two Cities (1859).
TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of
Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we
had everything before us, we had nothing before us, we were all going direct to Heaven, we were
all going direct the other way--in short, the period was so far like the present period, that
some of its noisiest authorities insisted on its being received, for good or for evil, in the
superlative degree of comparison only.
"""


class Speech(NamedTuple):
    """Clips, and where they are from; `human` where a person spoke."""

    clips: list[Clip]
    source: str
    human: bool


class Heard(NamedTuple):
    """What came of the transcribing: last texts by clip, how many utterances, their seconds."""

    texts: dict[int, str]
    utterances: int
    audio_s: float
    begin_ns: int
    end_ns: int


def choose_speech(given: argparse.Namespace, rate_hz: int) -> Speech:
    """Return the speech that was asked for, or what suits the model and is installed."""
    if given.wav:
        return Speech(_speech.read_folder(given.wav, rate_hz), str(given.wav), human=True)
    sample = given.sample or _suitable(given)
    if sample == "librivox":
        if not LIBRIVOX.is_dir():
            raise SystemExit(
                "--sample librivox needs the recordings: apt-get install pocketsphinx-testdata"
            )
        clips = _speech.read_folder(LIBRIVOX, rate_hz)
        return Speech(clips, f"{len(clips)} sentences of LibriVox, pocketsphinx-testdata", True)
    if sample == "two-cities":
        path = _recognisers.moonshine_assets() / "two_cities.wav"
        clips = [Clip(_speech.read_wav(path, rate_hz), TWO_CITIES)]
        return Speech(clips, f"{path.name} of {_recognisers.MOONSHINE}", human=True)
    spoken = _corpus.utterances(UTTERANCES, "test", given.seed)
    own_hz = _corpus.SAMPLE_RATE_HZ
    clips = [Clip(_speech.resample(each.samples, own_hz, rate_hz), each.text) for each in spoken]
    return Speech(clips, "synthetic", human=False)


def _suitable(given: argparse.Namespace) -> str:
    """Return recorded speech for a real model, where there is some."""
    if _is_embedded(given):
        return "synthetic"
    if LIBRIVOX.is_dir():
        return "librivox"
    return "two-cities" if given.model == "moonshine" else "synthetic"


def _is_embedded(given: argparse.Namespace) -> bool:
    return given.model == "embedded" and not given.command


def plan_batches(clips: Sequence[Clip], size: int, seed: int) -> list[list[int]]:
    """Return batches of similar length, to pad little, in random order, to keep the load even."""
    import numpy as np

    order = sorted(range(len(clips)), key=lambda index: len(clips[index].samples))
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    return [batches[index] for index in np.random.default_rng(abs(seed)).permutation(len(batches))]


def load_model(loader: Loader, clips: Sequence[Clip], rate_hz: int, name: str) -> Model:
    """Load a model and transcribe one second, for the first call is slow.

    Refuses a model that returns nonsense.
    """
    model = loader()
    heard: Any = model.transcribe([clips[0].samples[:rate_hz]], rate_hz)
    if not (isinstance(heard, list) and len(heard) == 1 and isinstance(heard[0], str)):
        raise SystemExit(f"--model {name}: transcribe must return one text for each recording.")
    return model


def transcribe(
    model: Model,
    clips: Sequence[Clip],
    batches: Sequence[Sequence[int]],
    rate_hz: int,
    seconds: float,
) -> Heard:
    """Transcribe whole batches, again and again, until the time is over."""
    texts: dict[int, str] = {}
    done = samples = turn = 0
    begin = now = time.monotonic_ns()
    while turn == 0 or now < begin + seconds * 1e9:
        batch = batches[turn % len(batches)]
        heard = model.transcribe([clips[index].samples for index in batch], rate_hz)
        texts.update(zip(batch, heard, strict=True))
        done += len(batch)
        samples += sum(len(clips[index].samples) for index in batch)
        turn += 1
        now = time.monotonic_ns()
    return Heard(texts, done, samples / rate_hz, begin, now)


def command_line() -> argparse.Namespace:
    """Return what was asked for."""
    options = parser(__doc__)
    options.add_argument(
        "--model", default="embedded", help="embedded, whisper, moonshine or module:factory"
    )
    options.add_argument("--command", metavar="'CMD {wav}'", help="a program instead of a model")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what computes")
    options.add_argument(
        "--threads", type=int, default=len(cores()), help="of the embedded model and Whisper"
    )
    options.add_argument("--batch", type=int, default=16, help="utterances transcribed together")
    options.add_argument("--sample", choices=SAMPLES, help="which of the speech that comes along")
    options.add_argument("--wav", type=Path, metavar="FOLDER", help="recordings and their words")
    given = options.parse_args()
    if given.threads < 1 or given.batch < 1:
        raise SystemExit("--threads and --batch are numbers above 0.")
    return given


def choose_loader(given: argparse.Namespace) -> Loader:
    """Return what loads the recogniser that was asked for."""
    if not given.command:
        return _recognisers.choose(given.model, given.threads, given.device)
    if given.device != "cpu":
        raise SystemExit("--device is for models; tell your program itself, in --command.")
    return _recognisers.command(given.command)


def main() -> None:
    """Prepare, wait for the start, load, transcribe, and count the errors afterwards."""
    given = command_line()
    embedded = _is_embedded(given)
    rate_hz = _features.SAMPLE_RATE_HZ if embedded else SAMPLE_RATE_HZ
    name = given.command or given.model
    loader = choose_loader(given)
    speech = choose_speech(given, rate_hz)
    batches = plan_batches(speech.clips, given.batch, given.seed)
    stage = Stage(given.marks)
    stage.ready()
    begin = time.monotonic_ns()
    model = load_model(loader, speech.clips, rate_hz, name)
    loaded = Phase("load", begin, time.monotonic_ns())
    stage.phase(loaded)
    heard = transcribe(model, speech.clips, batches, rate_hz, given.seconds)
    said = [_speech.normalise(speech.clips[index].text) for index in heard.texts]
    got = [_speech.normalise(text) for text in heard.texts.values()]
    # Human speech to the embedded model, or its digits to another, is load and not a test.
    found = _speech.score(said, got) if embedded != speech.human else None
    quality = {"wer": found and found.rate, "wer_u": found and found.u}
    phase = Phase(
        "infer",
        heard.begin_ns,
        heard.end_ns,
        heard.audio_s,
        "audio-s",
        {"utterances": heard.utterances, **quality},
    )
    stage.phase(phase)
    stage.result(
        **quality,
        utterances=heard.utterances,
        distinct_utterances=len(said),
        words=sum(len(text.split()) for text in said),
        audio_s=heard.audio_s,
        real_time_factor=phase.seconds / heard.audio_s,
        load_s=loaded.seconds,
        model=name,
        device=given.device,
        threads=given.threads if given.model in {"embedded", "whisper"} else None,
        samples=speech.source,
    )


if __name__ == "__main__":
    main()
