"""Speech recognition by a deep network: features, acoustic model, letters.

python workloads/asr.py --seconds 5 [--threads N] [--batch N] [--wav FOLDER]
                        [--model embedded|moonshine|module:factory]

``embedded`` is a small network for synthetic spoken digits, both part of this program, so that
the workload runs anywhere. ``moonshine`` is a real English model; it comes with the package
``moonshine-voice`` and reads the sample of human speech that is in it. ``module:factory`` is
yours, found from the current folder: ``factory()`` returns an object with
``transcribe(batch, sample_rate) -> list[str]``, where a batch is a list of mono float32 arrays,
or a function ``f(samples, sample_rate) -> str``.

``--wav`` reads your speech: 16-bit ``x.wav`` files, each with its words in ``x.txt``, or all of
them in one file ``transcription`` of lines ``the words (x)``.

A word error rate is given only where it says something about the model: for the embedded one on
its digits, for the others on human speech. Elsewhere the speech is a load, and ``wer`` is absent.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import sys
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from calibrate.catalog import load
from calibrate.workload import Phase, Stage, cores, parser

# The features are small products: threads of numpy would cost more CPU time than they save. The
# network has threads of its own. It has to be set before numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _corpus, _features
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _corpus, _features = (load(_HERE / f"{name}.py") for name in ("_corpus", "_features"))

#: Synthetic utterances; they are repeated as long as the load lasts.
UTTERANCES = 96
#: What speech models expect.
SAMPLE_RATE_HZ = 16_000
MOONSHINE = "moonshine-voice==0.1.0"
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
# fmt: off
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on


class Clip(NamedTuple):
    """A piece of speech, and the words said in it."""

    samples: _corpus.Samples
    text: str


class Model(Protocol):
    """What turns speech into text."""

    def transcribe(self, batch: list[_corpus.Samples], sample_rate: int) -> list[str]:
        """Return the text of each of a batch of mono recordings."""


class Embedded:
    """The network in ``asr.onnx``, made by `_train_asr.py`.

    Parameters
    ----------
    threads : number of threads of the network.
    """

    def __init__(self, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise SystemExit(
                "--model embedded needs onnxruntime: pip install onnxruntime"
            ) from None
        path = _HERE / "asr.onnx"
        if not path.is_file():
            raise SystemExit(f"{path} is missing: pip install --force-reinstall crosswatt")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A thread that spins while it waits would use CPU time for nothing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def transcribe(self, batch: list[_corpus.Samples], sample_rate: int) -> list[str]:
        """Return the digits heard, by features, network and best letter per frame."""
        if sample_rate != _features.SAMPLE_RATE_HZ:
            raise ValueError(f"{sample_rate} Hz; the embedded model is made for 8000 Hz")
        import numpy as np

        frames = [_features.log_mel(samples) for samples in batch]
        lengths = np.array([len(each) for each in frames], np.int64)
        feed = {"frames": _features.pad(frames), "lengths": lengths}
        scores, steps = self._session.run(["scores", "steps"], feed)
        best = scores.argmax(-1).tolist()
        return [_features.decode(row[:count]) for row, count in zip(best, steps, strict=True)]


class OneByOne:
    """A function of one recording, as a model.

    Parameters
    ----------
    function : takes samples and a sample rate, returns text.
    """

    def __init__(self, function: Callable[[_corpus.Samples, int], str]) -> None:
        self._function = function

    def transcribe(self, batch: list[_corpus.Samples], sample_rate: int) -> list[str]:
        """Return the text of each recording."""
        return [self._function(samples, sample_rate) for samples in batch]


def moonshine() -> OneByOne:
    """Return the English model that moonshine-voice 0.1.0 carries; later ones download theirs."""
    folder = _moonshine_assets()
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber

    transcriber = Transcriber(folder / "tiny-en", ModelArch.TINY)

    def transcribe(samples: _corpus.Samples, sample_rate: int) -> str:
        heard = transcriber.transcribe_without_streaming(samples.tolist(), sample_rate)
        return " ".join(line.text for line in heard.lines)

    return OneByOne(transcribe)


def _moonshine_assets() -> Path:
    """Return the folder of the model and its sample, or say how to get them."""
    found = importlib.util.find_spec("moonshine_voice")
    folder = Path(found.origin).parent / "assets" if found and found.origin else None
    if folder is None or not (folder / "tiny-en" / "encoder_model.ort").is_file():
        raise SystemExit(f"--model moonshine needs {MOONSHINE}: pip install {MOONSHINE}")
    return folder


def resolve(spec: str) -> Model:
    """Return the user's model that ``module:factory`` names, or say what is wrong with it."""
    name, colon, factory = spec.partition(":")
    if not (name and colon and factory):
        raise SystemExit(f"--model {spec}: it is embedded, moonshine or module:factory.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        make = getattr(importlib.import_module(name), factory)
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"--model {spec}: {error}.") from error
    model: Any = make() if callable(make) else None
    if hasattr(model, "transcribe"):
        chosen: Model = model
        return chosen
    if callable(model):
        return OneByOne(model)
    raise SystemExit(
        f"--model {spec}: the factory must return an object with transcribe(batch, sample_rate), "
        "or a function of (samples, sample_rate)."
    )


def read_wav(path: Path, rate_hz: int) -> _corpus.Samples:
    """Return a 16-bit recording as mono samples at another rate."""
    import numpy as np

    try:
        with wave.open(str(path)) as file:
            width, channels, own_hz = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise SystemExit(f"{path}: not a readable WAV file ({error}).") from error
    if width != 2 or not raw:
        raise SystemExit(f"{path}: {8 * width} bits, {len(raw)} bytes; needed is 16-bit sound.")
    mono = np.frombuffer(raw, "<i2").reshape(-1, channels).mean(1) / 32768
    return resample(mono.astype(np.float32), own_hz, rate_hz)


def resample(samples: _corpus.Samples, from_hz: int, to_hz: int) -> _corpus.Samples:
    """Return samples at another rate: the spectrum is cut, or filled up with zeros."""
    import numpy as np

    if from_hz == to_hz:
        return samples
    count = round(len(samples) * to_hz / from_hz)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    other: _corpus.Samples = np.fft.irfft(spectrum, count).astype(np.float32)
    return other * np.float32(count / len(samples))


def read_folder(folder: Path, rate_hz: int) -> list[Clip]:
    """Return the recordings of a folder and their words."""
    table = folder / "transcription"
    words = _transcription(table) if table.is_file() else {}
    clips = []
    for path in sorted(folder.glob("*.wav")):
        beside = path.with_suffix(".txt")
        text = words.get(path.stem) or (beside.read_text("utf-8") if beside.is_file() else "")
        if not normalise(text):
            raise SystemExit(f"{path}: write the words that are said in it into {beside.name}.")
        clips.append(Clip(read_wav(path, rate_hz), text))
    if not clips:
        raise SystemExit(f"--wav {folder}: there is no .wav file in this folder.")
    return clips


def _transcription(path: Path) -> Mapping[str, str]:
    """Return texts by name from lines like ``<s> the words </s> (name)``."""
    lines = [
        re.fullmatch(r"(?:<s>)?(.*?)(?:</s>)?\s*\((\S+)\)", line.strip())
        for line in path.read_text("utf-8").splitlines()
    ]
    return {line[2]: line[1] for line in lines if line}


def normalise(text: str) -> str:
    """Return lower-case words without punctuation, numbers written out.

    Writing is not hearing: "25" and "Twenty-five." are the same words. Numbers of four and more
    digits are spelled digit by digit, for there is no telling how they were said.
    """
    plain = re.sub(r"['’]", "", text.lower())
    plain = re.sub(r"\d+", lambda found: f" {_spell(found[0])} ", plain)
    return " ".join(re.findall(r"[^\W_]+", plain))


def _spell(digits: str) -> str:
    """Return the words of a number."""
    if len(digits) > 3 or (len(digits) > 1 and digits[0] == "0"):
        return " ".join(_corpus.WORDS[int(digit)] for digit in digits)
    number = int(digits)
    if number < 20:
        return [*_corpus.WORDS, *_TEENS][number]
    large, rest = divmod(number, 100 if number >= 100 else 10)
    words = f"{_corpus.WORDS[large]} hundred" if number >= 100 else _TENS[large - 2]
    return f"{words} {_spell(str(rest))}" if rest else words


def word_errors(said: str, heard: str) -> int:
    """Return how many words were missed, added or replaced (Levenshtein's distance)."""
    wanted, got = said.split(), heard.split()
    row = list(range(len(got) + 1))
    for done, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], done
        for at, other in enumerate(got, 1):
            replaced = diagonal + (word != other)
            diagonal = row[at]
            row[at] = min(replaced, row[at] + 1, row[at - 1] + 1)
    return row[-1]


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return word errors per word said, over all utterances; there must be a word."""
    errors = sum(word_errors(a, b) for a, b in zip(said, heard, strict=True))
    return errors / sum(len(each.split()) for each in said)


def choose_model(given: argparse.Namespace) -> Model:
    """Return the model asked for."""
    if given.model == "embedded":
        return Embedded(given.threads)
    return moonshine() if given.model == "moonshine" else resolve(given.model)


def choose_clips(given: argparse.Namespace, rate_hz: int) -> tuple[list[Clip], str]:
    """Return the speech, and where it is from."""
    if given.wav:
        return read_folder(given.wav, rate_hz), str(given.wav)
    if given.model == "moonshine":
        sample = _moonshine_assets() / "two_cities.wav"
        return [Clip(read_wav(sample, rate_hz), TWO_CITIES)], f"{sample.name} of {MOONSHINE}"
    spoken = _corpus.utterances(UTTERANCES, "test", given.seed)
    own_hz = _corpus.SAMPLE_RATE_HZ
    clips = [Clip(resample(each.samples, own_hz, rate_hz), each.text) for each in spoken]
    return clips, "synthetic"


def plan_batches(clips: Sequence[Clip], size: int, seed: int) -> list[list[int]]:
    """Return batches of similar length, to pad little, in random order, to keep the load even."""
    import numpy as np

    order = sorted(range(len(clips)), key=lambda index: len(clips[index].samples))
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    return [batches[index] for index in np.random.default_rng(abs(seed)).permutation(len(batches))]


def warm_up(model: Model, clips: Sequence[Clip], rate_hz: int, name: str) -> None:
    """Transcribe one second, for the first call is slow; refuse a model that returns nonsense."""
    heard: Any = model.transcribe([clips[0].samples[:rate_hz]], rate_hz)
    if not (isinstance(heard, list) and len(heard) == 1 and isinstance(heard[0], str)):
        raise SystemExit(f"--model {name}: transcribe must return one text for each recording.")


def infer(
    model: Model,
    clips: Sequence[Clip],
    batches: Sequence[Sequence[int]],
    rate_hz: int,
    seconds: float,
) -> tuple[Phase, dict[int, str], int]:
    """Transcribe whole batches, again and again, until the time is over.

    Returns the phase, the last text heard of every clip, and the number of utterances.
    """
    heard: dict[int, str] = {}
    done = samples = turn = 0
    begin = now = time.monotonic_ns()
    while turn == 0 or now < begin + seconds * 1e9:
        batch = batches[turn % len(batches)]
        texts = model.transcribe([clips[index].samples for index in batch], rate_hz)
        heard.update(zip(batch, texts, strict=True))
        done += len(batch)
        samples += sum(len(clips[index].samples) for index in batch)
        turn += 1
        now = time.monotonic_ns()
    return Phase("infer", begin, now, samples / rate_hz, "audio-s"), heard, done


def command_line() -> argparse.Namespace:
    """Return what was asked for."""
    options = parser(__doc__)
    options.add_argument("--threads", type=int, default=len(cores()), help="of the embedded model")
    options.add_argument(
        "--model", default="embedded", help="embedded, moonshine or module:factory"
    )
    options.add_argument("--batch", type=int, default=16, help="utterances transcribed together")
    options.add_argument("--wav", type=Path, metavar="FOLDER", help="recordings and their words")
    given = options.parse_args()
    if given.threads < 1 or given.batch < 1:
        raise SystemExit("--threads and --batch are numbers above 0.")
    return given


def main() -> None:
    """Prepare, wait for the start, transcribe, and count the errors afterwards."""
    given = command_line()
    embedded = given.model == "embedded"
    rate_hz = _features.SAMPLE_RATE_HZ if embedded else SAMPLE_RATE_HZ
    begin = time.monotonic()
    model = choose_model(given)
    load_s = time.monotonic() - begin
    clips, source = choose_clips(given, rate_hz)
    batches = plan_batches(clips, given.batch, given.seed)
    warm_up(model, clips, rate_hz, given.model)
    stage = Stage(given.marks)
    stage.ready()
    phase, heard, done = infer(model, clips, batches, rate_hz, given.seconds)
    stage.phase(phase)
    said = [normalise(clips[index].text) for index in heard]
    rate = word_error_rate(said, [normalise(text) for text in heard.values()])
    audio_s = phase.work or 0.0
    stage.result(
        # Human speech to the embedded model, or its digits to another, is load and not a test.
        wer=rate if embedded == (source == "synthetic") else None,
        utterances=done,
        distinct_utterances=len(heard),
        words=sum(len(text.split()) for text in said),
        audio_s=audio_s,
        real_time_factor=phase.seconds / audio_s,
        load_s=load_s,
        model=given.model,
        threads=given.threads if embedded else None,
        samples=source,
    )


if __name__ == "__main__":
    main()
