"""Log-mel features and the alphabet: what the acoustic model of `asr.py` hears and says.

Training and recognition share this file, so that they cannot drift apart. It needs numpy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8000
BANDS = 40
#: Samples from one frame to the next (10 ms), in one frame (25 ms), and in its transform.
HOP, WINDOW, TRANSFORM = 80, 200, 256
LOWEST_HZ, HIGHEST_HZ = 60.0, 3900.0
#: The letters of the ten digits. Class 0 of the network is the blank, class 1 the space.
ALPHABET = " efghinorstuvwxz"

Samples = NDArray[np.float32]
Frames = NDArray[np.float32]


def log_mel(samples: Samples) -> Frames:
    """Return frames x bands, every band of mean 0 and deviation 1 over the utterance."""
    short = max(0, WINDOW - len(samples))
    frames = sliding_window_view(np.pad(samples, (0, short)), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * _window(), TRANSFORM)) ** 2
    mel = np.log(power @ _filters() + 1e-6)
    normal: Frames = ((mel - mel.mean(0)) / (mel.std(0) + 1e-3)).astype(np.float32)
    return normal


def pad(utterances: Sequence[Frames]) -> Frames:
    """Stack utterances of several lengths; what is missing is 0, the mean of every band."""
    longest = max(map(len, utterances))
    batch = np.zeros((len(utterances), longest, BANDS), np.float32)
    for row, frames in zip(batch, utterances, strict=True):
        row[: len(frames)] = frames
    return batch


def encode(text: str, alphabet: str = ALPHABET) -> list[int]:
    """Return the classes of a text's letters."""
    return [alphabet.index(letter) + 1 for letter in text]


def decode(classes: Iterable[int], alphabet: str = ALPHABET) -> str:
    """Return the text of the best class per frame: repeats are one letter, blanks none (CTC)."""
    letters, last = [], 0
    for each in classes:
        if each not in (last, 0):
            letters.append(alphabet[each - 1])
        last = each
    return "".join(letters)


@cache
def _window() -> NDArray[np.float32]:
    """Return the Hann window of one frame."""
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@cache
def _filters() -> NDArray[np.float32]:
    """Return triangles of equal width on the mel scale, frequencies x bands."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    corners_hz = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    axis_hz = np.fft.rfftfreq(TRANSFORM, 1 / SAMPLE_RATE_HZ)[:, None]
    low, centre, high = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    rise, fall = (axis_hz - low) / (centre - low), (high - axis_hz) / (high - centre)
    triangles: NDArray[np.float32] = np.clip(np.minimum(rise, fall), 0, None).astype(np.float32)
    return triangles
