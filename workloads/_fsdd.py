"""Strings of recorded digits, made of the Free Spoken Digit Dataset.

3000 recordings of single digits by six speakers, 8 kHz (Jakobovski et al., CC-BY-SA-4.0;
https://github.com/Jakobovski/free-spoken-digit-dataset), named DIGIT_SPEAKER_INDEX.wav. By its
rule, indices 0 to 4 are for testing. A string is a few digits by one speaker with short rests
between them, so that a recogniser must find where each begins.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from calibrate.catalog import load

if TYPE_CHECKING:
    from workloads import _corpus, _speech
    from workloads._speech import Clip, Samples
else:
    _here = Path(__file__).resolve().parent
    _corpus, _speech = (load(_here / f"{name}.py") for name in ("_corpus", "_speech"))
    Clip = _speech.Clip

SAMPLE_RATE_HZ = 8000
#: Digits in one string, fewest and most.
DIGITS = (2, 6)
#: Rest after a digit, s, and the noise of a quiet room below it all.
REST_S = (0.02, 0.15)
NOISE = 0.003
_NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")
_GET = "git clone https://github.com/Jakobovski/free-spoken-digit-dataset"

Split = Literal["train", "test"]
#: Recordings by speaker and digit.
Bank = dict[str, dict[int, list["Samples"]]]


def read(path: Path) -> dict[Split, Bank]:
    """Return the recordings of a folder, or of an archive of it, by split.

    Raises
    ------
    SystemExit : there are none, or a speaker lacks a digit; a sentence with the next step.
    """
    banks: dict[Split, Bank] = {"train": {}, "test": {}}
    for name, file in _files(path):
        digit, speaker, index = int(name[1]), name[2], int(name[3])
        samples = _speech.read_wav(path / name[0], SAMPLE_RATE_HZ, file)
        loud: Samples = samples / np.float32(np.abs(samples).max() + 1e-6) * np.float32(0.5)
        bank = banks["test" if index < 5 else "train"]
        bank.setdefault(speaker, {}).setdefault(digit, []).append(loud)
    for split, bank in banks.items():
        lacking = [name for name, digits in sorted(bank.items()) if len(digits) < 10]
        if lacking or not bank:
            who = f"{lacking[0]} lacks digits" if lacking else "nobody is there"
            raise SystemExit(f"--fsdd {path}: {who} in the part for {split}: {_GET}")
    return banks


def _files(path: Path) -> Iterator[tuple[re.Match[str], BinaryIO]]:
    """Yield the recordings there are, in the order of their names."""
    if path.is_dir():
        for each in sorted(path.rglob("*.wav")):
            if name := _NAME.fullmatch(each.name):
                with each.open("rb") as file:
                    yield name, file
        return
    try:
        with tarfile.open(path) as archive:
            found = {
                name: archive.extractfile(member)
                for member in archive
                if member.isfile() and (name := _NAME.fullmatch(Path(member.name).name))
            }
            contents = {name: file.read() for name, file in found.items() if file}
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SystemExit(f"--fsdd {path}: it is no folder and no archive: {_GET}") from error
    for name in sorted(contents, key=lambda each: each[0]):
        yield name, io.BytesIO(contents[name])


def strings(bank: Bank, count: int, split: Split, seed: int) -> list[Clip]:
    """Return `count` strings of digits, each by one speaker."""
    random = np.random.default_rng([abs(seed), int(seed < 0), 7 + (split == "test")])
    speakers = sorted(bank)
    return [_string(bank[speakers[random.integers(len(speakers))]], random) for _ in range(count)]


def _string(digits: dict[int, list[Samples]], random: np.random.Generator) -> Clip:
    said = random.integers(0, 10, random.integers(DIGITS[0], DIGITS[1], endpoint=True)).tolist()
    parts = []
    for digit in said:
        parts.append(digits[digit][random.integers(len(digits[digit]))])
        parts.append(np.zeros(int(SAMPLE_RATE_HZ * random.uniform(*REST_S)), np.float32))
    sound = np.concatenate(parts)
    heard = sound + random.normal(0, NOISE, len(sound)).astype(np.float32)
    return Clip(heard, " ".join(_corpus.WORDS[digit] for digit in said))
