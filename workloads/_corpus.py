"""Synthetic spoken digits: a speech corpus made of numbers only, no files and no licence.

A formant synthesiser: every phone has three resonances, a share of voice and a share of noise.
The voice is a sum of harmonics under the moving resonances, the noise is shaped white noise, and
every utterance has a speaker of its own (length of the vocal tract, pitch, tempo, pronunciation).
It serves to load a machine with a real recognition task whose errors can be counted; a word
error rate on it says nothing about human speech.

The same seed gives the same corpus. The splits draw from separate random streams, so that no
speaker of one is heard in another, whatever the seeds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: Digits in one utterance, fewest and most.
DIGITS = (3, 8)
#: Signal above white noise, in decibels, lowest and highest: a poor telephone line.
SNR_DB = (-9.0, 5.0)
#: How far a speaker's resonances are from the table's (standard deviation of the ratio).
ACCENT = 0.08
#: How far one phone's are from the speaker's own, each time it is spoken.
SLUR = 0.10
#: The envelope of the harmonics is computed once per this many samples.
HOP = 40

Split = Literal["train", "validation", "test"]
Samples = NDArray[np.float32]
Curve = NDArray[np.float64]


class Phone(NamedTuple):
    """One speech sound: resonances in Hz, shares of voice and noise, length."""

    f1_hz: float
    f2_hz: float
    f3_hz: float
    voice: float
    noise: float
    noise_hz: float
    ms: float


#: The sounds of the ten digits; "_" is the silence between words.
PHONES = {
    "z": Phone(300, 1600, 2500, 0.5, 0.50, 3400, 90),
    "I": Phone(420, 1950, 2550, 1.0, 0.00, 0, 80),
    "i": Phone(350, 2200, 2900, 1.0, 0.00, 0, 80),
    "r": Phone(400, 1200, 1600, 0.9, 0.00, 0, 70),
    "o": Phone(500, 900, 2400, 1.0, 0.00, 0, 140),
    "w": Phone(320, 700, 2200, 0.9, 0.00, 0, 70),
    "V": Phone(650, 1200, 2500, 1.0, 0.00, 0, 120),
    "n": Phone(280, 1500, 2400, 0.6, 0.00, 0, 90),
    "t": Phone(350, 1800, 2600, 0.0, 0.70, 3300, 50),
    "u": Phone(330, 1000, 2300, 1.0, 0.00, 0, 140),
    "T": Phone(400, 1400, 2500, 0.0, 0.25, 3000, 90),
    "f": Phone(350, 1100, 2300, 0.0, 0.25, 2400, 100),
    "O": Phone(550, 850, 2400, 1.0, 0.00, 0, 130),
    "a": Phone(750, 1250, 2550, 1.0, 0.00, 0, 100),
    "v": Phone(300, 1100, 2300, 0.7, 0.15, 2400, 70),
    "s": Phone(350, 1700, 2600, 0.0, 0.90, 3600, 110),
    "k": Phone(350, 2000, 2400, 0.0, 0.60, 1900, 50),
    "E": Phone(560, 1800, 2500, 1.0, 0.00, 0, 100),
    "e": Phone(480, 2000, 2600, 1.0, 0.00, 0, 90),
    "_": Phone(500, 1500, 2500, 0.0, 0.00, 0, 40),
}
#: How the digits are pronounced, in the order of `WORDS`.
PRONUNCIATION = (
    "z I r o", "w V n", "t u", "T r i", "f O r", "f a I v", "s I k s", "s E v V n", "e I _ t",
    "n a I n",
)  # fmt: skip
#: Width in Hz and strength of the three resonances.
BANDWIDTH_HZ = (70.0, 100.0, 150.0)
STRENGTH = (1.0, 0.6, 0.3)


class Speaker(NamedTuple):
    """Who speaks: ratios to the table of phones, the pitch, and an accent."""

    tract: float
    pitch_hz: float
    tempo: float
    accent: tuple[tuple[float, ...], ...]


class Utterance(NamedTuple):
    """A few spoken digits.

    Parameters
    ----------
    samples : mono, at `SAMPLE_RATE_HZ`, between -1 and 1.
    text : the words spoken.
    speaker : who spoke them.
    """

    samples: Samples
    text: str
    speaker: Speaker

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.samples) / SAMPLE_RATE_HZ


def utterances(
    count: int, split: Split, seed: int, snr_db: tuple[float, float] = SNR_DB
) -> list[Utterance]:
    """Return `count` utterances of a split, each by a speaker of its own."""
    random = np.random.default_rng([abs(seed), int(seed < 0), get_args(Split).index(split)])
    return [_utterance(random, snr_db) for _ in range(count)]


def _utterance(random: Generator, snr_db: tuple[float, float]) -> Utterance:
    """Draw a speaker and some digits, and speak them."""
    speaker = Speaker(
        tract=float(random.uniform(0.82, 1.22)),
        pitch_hz=float(random.uniform(85, 240)),
        tempo=float(random.uniform(0.75, 1.35)),
        accent=tuple(map(tuple, random.normal(1, ACCENT, (len(PHONES), 3)).tolist())),
    )
    digits = random.integers(0, 10, random.integers(DIGITS[0], DIGITS[1], endpoint=True))
    clean = _speak(digits.tolist(), speaker, random)
    level = np.sqrt(np.mean(clean**2)) * 10 ** (-random.uniform(*snr_db) / 20)
    heard = clean + level * random.normal(0, 1, len(clean))
    # Sixteen bits, as a recording would have: the last digits of a sine differ between machines.
    steps = np.round(heard / np.abs(heard).max() * 0.9 * 32767)
    samples = (steps / 32768).astype(np.float32)
    return Utterance(samples, " ".join(WORDS[digit] for digit in digits), speaker)


def _speak(digits: list[int], speaker: Speaker, random: Generator) -> Curve:
    """Return the sound of the digits without background noise."""
    names = ["_"]
    for digit in digits:
        names += [*PRONUNCIATION[digit].split(), *["_"] * int(random.integers(1, 4))]
    phones = np.array([PHONES[name] for name in names])
    order = list(PHONES)
    accent = np.array([speaker.accent[order.index(name)] for name in names])
    phones[:, :3] *= speaker.tract * accent * random.normal(1, SLUR, accent.shape)
    lengths_s = phones[:, 6] / 1000 * speaker.tempo * random.uniform(0.75, 1.3, len(names))
    ends_s = np.cumsum(lengths_s)
    count = int(ends_s[-1] * SAMPLE_RATE_HZ) // HOP * HOP
    frames_s = np.arange(count // HOP) * HOP / SAMPLE_RATE_HZ
    # Linear movement from the middle of one sound to the middle of the next.
    middles_s = ends_s - lengths_s / 2
    curves = [np.interp(frames_s, middles_s, column) for column in phones[:, :4].T]
    voice = _voice(np.array(curves[:3]), speaker.pitch_hz, random) * np.repeat(curves[3], HOP)
    noise = _noise(phones, middles_s, count, speaker.tract, random)
    sound: Curve = 0.5 * voice / (np.abs(voice).max() + 1e-9) + 0.5 * noise
    return sound


def _voice(formants_hz: Curve, pitch_hz: float, random: Generator) -> Curve:
    """Return harmonics of a gliding pitch, under resonances given once per `HOP` samples."""
    count = formants_hz.shape[1] * HOP
    at_s = np.arange(count) / SAMPLE_RATE_HZ
    wave = np.sin(2 * np.pi * random.uniform(0.5, 2) * at_s + random.uniform(0, 6))
    glide_hz = pitch_hz * (1 + 0.12 * wave - 0.1 * np.arange(count) / count)
    number = np.arange(1, int(3800 / glide_hz.min()) + 1)[:, None]
    harmonics_hz = number * glide_hz[::HOP]
    envelope = np.zeros_like(harmonics_hz)
    for centre_hz, width_hz, strength in zip(formants_hz, BANDWIDTH_HZ, STRENGTH, strict=True):
        envelope += strength / (1 + ((harmonics_hz - centre_hz) / width_hz) ** 2)
    envelope *= (harmonics_hz < 3900) / np.sqrt(number)
    # The next harmonic is a rotation further: one product instead of one sine.
    turn = np.exp(2j * np.pi * np.cumsum(glide_hz) / SAMPLE_RATE_HZ)
    phase = np.ones_like(turn)
    sound = np.zeros((len(harmonics_hz[0]), HOP))
    for row in envelope:
        phase *= turn
        sound += phase.imag.reshape(-1, HOP) * row[:, None]
    return sound.ravel()


def _noise(phones: Curve, middles_s: Curve, count: int, tract: float, random: Generator) -> Curve:
    """Return the hisses and bursts: white noise around the frequency of each phone."""
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    axis_hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    at_s = np.arange(count) / SAMPLE_RATE_HZ
    loud, centres_hz = phones[:, 4], phones[:, 5]
    sound = np.zeros(count)
    for centre_hz in np.unique(centres_hz[loud > 0]):
        band = np.exp(-0.5 * ((axis_hz - min(centre_hz * tract, 3800)) / 350) ** 2)
        amplitude = np.interp(at_s, middles_s, loud * (centres_hz == centre_hz))
        sound += np.fft.irfft(spectrum * band, count) * amplitude
    return sound
