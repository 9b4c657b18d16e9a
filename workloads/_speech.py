"""Speech for the recognisers: recordings with their words, and how many words were misheard."""

from __future__ import annotations

import re
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibrate.catalog import load

if TYPE_CHECKING:
    from workloads import _corpus
else:
    _corpus = load(Path(__file__).resolve().parent / "_corpus.py")

Samples = NDArray[np.float32]

# fmt: off
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on


class Clip(NamedTuple):
    """A piece of speech, and the words said in it."""

    samples: Samples
    text: str


class Score(NamedTuple):
    """A word error rate and its standard uncertainty over utterances."""

    rate: float
    u: float


# ---- recordings ----


def read_wav(path: Path, rate_hz: int, file: BinaryIO | None = None) -> Samples:
    """Return a 16-bit recording as mono samples at another rate.

    Parameters
    ----------
    path : its name, for what is said of it.
    rate_hz : the rate wanted.
    file : what to read instead of `path`.
    """
    try:
        with wave.open(file or str(path)) as sound:
            width, channels, own_hz = (
                sound.getsampwidth(),
                sound.getnchannels(),
                sound.getframerate(),
            )
            raw = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise SystemExit(f"{path}: not a readable WAV file ({error}).") from error
    if width != 2 or not raw:
        raise SystemExit(f"{path}: {8 * width} bits, {len(raw)} bytes; needed is 16-bit sound.")
    mono = np.frombuffer(raw, "<i2").reshape(-1, channels).mean(1) / 32768
    return resample(mono.astype(np.float32), own_hz, rate_hz)


def write_wav(path: Path, samples: Samples, rate_hz: int) -> None:
    """Write mono samples between -1 and 1 as a 16-bit recording."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return samples at another rate: the spectrum is cut, or filled up with zeros."""
    if from_hz == to_hz:
        return samples
    count = round(len(samples) * to_hz / from_hz)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    other: Samples = np.fft.irfft(spectrum, count).astype(np.float32)
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


# ---- words ----


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


def score(said: Sequence[str], heard: Sequence[str]) -> Score:
    """Return word errors per word said, over all utterances; there must be a word.

    The uncertainty is that of a ratio of sums over utterances drawn at random (Cochran, Sampling
    Techniques, 3rd edition 1977, section 2.11), for words of one utterance are missed together.
    It is never below one word in all: with no error seen, that is the standard deviation of a
    rate of which nothing was known before.
    """
    errors = np.array([word_errors(a, b) for a, b in zip(said, heard, strict=True)], float)
    words = np.array([len(each.split()) for each in said], float)
    rate, n = float(errors.sum() / words.sum()), len(words)
    squares = float(np.sum((errors - rate * words) ** 2)) * n / max(n - 1, 1)
    return Score(rate, max(squares**0.5, 1.0) / float(words.sum()))
