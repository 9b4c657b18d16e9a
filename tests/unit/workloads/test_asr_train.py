"""Training a recogniser: the same twice, phases in order, and what is missing in a sentence."""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.catalog import find, load
from calibrate.loads import PREFIX
from workloads import _corpus, _features, _fsdd, _speech

SCRIPT = find("workloads", "asr-train")
FSDD = Path(__file__).parents[4] / "shared" / "data" / "ml" / "fsdd.tar.xz"
TORCH = "PyTorch is an extra: pip install torch"
train = load(SCRIPT)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), "--marks", *arguments],
        input="go\n",
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={"PYTHONPATH": str(SCRIPT.parent.parent), "PATH": ""},
    )


def marks(done: subprocess.CompletedProcess[str]) -> list[Mapping[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line.removeprefix(PREFIX)) for line in done.stdout.splitlines()]


def asked(**more: object) -> argparse.Namespace:
    given = {"wav": None, "fsdd": None, "utterances": 4, "tests": 3, "seed": 0}
    return argparse.Namespace(**{**given, **more})


@pytest.mark.parametrize("model", ["gru", "conformer"])
def test_two_processes_learn_the_same_bit_for_bit(model: str) -> None:
    pytest.importorskip("torch", reason=TORCH)
    small = ("--utterances", "8", "--tests", "4", "--epochs", "2", "--model", model)
    one, two = (marks(run(*small)) for _ in range(2))
    kept = [
        [(each["name"], each["values"], each["work"]) for each in found if each["mark"] == "phase"]
        for found in (one, two)
    ]
    assert kept[0] == kept[1]
    assert one[-1]["values"] == two[-1]["values"]
    assert [each["mark"] for each in one[:2]] == ["able", "ready"]
    assert [name for name, _, _ in kept[0]] == [
        "init",
        "train[1]",
        "eval[1]",
        "train[2]",
        "eval[2]",
    ]
    phases = one[2:-1]
    assert all(a["end_ns"] <= b["begin_ns"] for a, b in pairwise(phases))
    quality = phases[-1]["values"]
    assert quality["wer_u"] > 0 and quality["loss"] > 0
    assert phases[1]["unit"] == phases[2]["unit"] == "audio-s"
    values = one[-1]["values"]
    assert (values["learnt_s"], values["tried_s"]) == (phases[1]["work"], phases[2]["work"])
    assert (values["samples"], values["epochs"], values["wer"]) == ("synthetic", 2, quality["wer"])


def test_the_time_ends_it_after_an_epoch() -> None:
    pytest.importorskip("torch", reason=TORCH)
    small = ("--utterances", "4", "--tests", "2", "--epochs", "50", "--seconds", "0.001")
    assert marks(run(*small))[-1]["values"]["epochs"] == 1


def test_networks_learn_a_handful_of_words() -> None:
    """Letters are spelled right once they were seen often enough, and batches do not matter."""
    torch = pytest.importorskip("torch", reason=TORCH)
    from workloads import _acoustic

    torch.manual_seed(1)
    clips = _corpus.utterances(6, "train", 1)
    data = _acoustic.examples(clips)
    net = _acoustic.Gru(len(_features.ALPHABET), channels=32)
    course = _acoustic.Course(net, data, 40, np.random.default_rng(1))
    before = course.examine(data)[1]
    for _ in range(40):
        course.epoch()
    assert course.examine(data)[1] < before / 2
    frames, lengths = _acoustic.tensors(_acoustic.batches(data)[0])
    with torch.inference_mode():
        together, steps = net(frames, lengths)
        alone, _ = net(frames[-1:, : lengths[-1]], lengths[-1:])
    assert torch.allclose(together[-1, : steps[-1]], alone[0], atol=1e-4)


def test_a_conformer_hears_nothing_of_what_lies_beyond_the_sound() -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    from workloads import _acoustic

    data = _acoustic.examples(_corpus.utterances(5, "test", 1))
    net = _acoustic.Conformer(len(_features.ALPHABET)).eval()
    frames, lengths = _acoustic.tensors(_acoustic.batches(data)[0])
    with torch.inference_mode():
        together, steps = net(frames, lengths)
        alone, _ = net(frames[-1:, : lengths[-1]], lengths[-1:])
    assert lengths[0] > lengths[-1]
    assert torch.allclose(together[-1, : steps[-1]], alone[0], atol=1e-4)


def test_what_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="needs PyTorch: pip install 'torch>="):
        train.require("cpu")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("--fsdd", "/no/such/place"), "git clone https://github.com/Jakobovski"),
        (("--wav", "/no/such/place"), "there is no .wav file in this folder"),
        (("--epochs", "0"), "are numbers above 0"),
    ],
)
def test_missing_data_is_one_sentence(arguments: tuple[str, ...], answer: str) -> None:
    pytest.importorskip("torch", reason=TORCH)
    done = run(*arguments)
    assert done.returncode != 0 and done.stdout == ""
    assert answer in done.stderr and done.stderr.count("\n") == 1


# ---- recordings of one's own ----


def speak(folder: Path, *texts: str, seconds: float = 2.0) -> Path:
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 0.1, int(8000 * seconds)).astype(np.float32)
    for number, text in enumerate(texts):
        _speech.write_wav(folder / f"{number}.wav", noise, 8000)
        (folder / f"{number}.txt").write_text(text)
    return folder


def test_a_fifth_of_recordings_is_held_out(tmp_path: Path) -> None:
    folder = speak(tmp_path / "wav", *(f"Größe {n}!" for n in range(10)))
    found = train.lesson(asked(wav=folder))()
    assert (len(found.learnt), len(found.tried)) == (8, 2)
    assert not {c.text for c in found.learnt} & {c.text for c in found.tried}
    assert set("größe ") < set(found.alphabet)
    text = found.tried[0].text
    spelled = _features.encode(text, found.alphabet)
    blanks = [each for letter in spelled for each in (letter, 0)]
    assert _features.decode(blanks, found.alphabet) == text


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (["one"], "add some"),
        (["one", "one hundred and twenty " * 9], "2.00 s of sound are too short"),
    ],
)
def test_recordings_that_cannot_be_learnt_are_refused(
    tmp_path: Path, texts: list[str], answer: str
) -> None:
    with pytest.raises(SystemExit, match=answer):
        train.lesson(asked(wav=speak(tmp_path / "wav", *texts)))


# ---- the Free Spoken Digit Dataset ----


def digits(folder: Path, *, indices: range = range(7), lacking: str = "") -> Path:
    """Write a miniature of the dataset, whose recordings tell digit and split by their length."""
    folder.mkdir()
    for digit in range(10):
        for index in indices:
            name = f"{digit}_ann_{index}.wav"
            if name != lacking:
                length = 1000 + 10 * digit + 5000 * (index < 5)
                _speech.write_wav(folder / name, np.full(length, 0.1, np.float32), 8000)
    return folder


def test_strings_of_digits_keep_to_their_split(tmp_path: Path) -> None:
    folder = digits(tmp_path / "recordings")
    found = train.lesson(asked(fsdd=folder))()
    assert (len(found.learnt), len(found.tried)) == (4, 3)
    for clips, least in ((found.learnt, 1000), (found.tried, 6000)):
        for clip in clips:
            count = len(clip.text.split())
            said = sum(_corpus.WORDS.index(word) for word in clip.text.split())
            rests = len(clip.samples) - count * least - 10 * said
            assert 2 <= count <= 6 and 0.02 * 8000 * count - count <= rests <= 0.15 * 8000 * count
    again = train.lesson(asked(fsdd=folder))()
    assert all(
        np.array_equal(a.samples, b.samples) for a, b in zip(found[0], again[0], strict=True)
    )


def test_an_archive_is_as_good_as_a_folder(tmp_path: Path) -> None:
    folder = digits(tmp_path / "recordings")
    with tarfile.open(tmp_path / "fsdd.tar.xz", "w:xz") as archive:
        archive.add(folder, "fsdd/recordings")
        archive.addfile(tarfile.TarInfo("fsdd/README.md"), io.BytesIO())
    one, two = (_fsdd.read(path) for path in (folder, tmp_path / "fsdd.tar.xz"))
    assert one.keys() == two.keys() == {"train", "test"}
    for split, bank in one.items():
        for digit, recordings in bank["ann"].items():
            assert all(map(np.array_equal, recordings, two[split]["ann"][digit]))


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"indices": range(5)}, "nobody is there in the part for train"),
        ({"indices": range(4, 6), "lacking": "3_ann_5.wav"}, "ann lacks digits in the part for tr"),
    ],
)
def test_a_dataset_with_holes_is_refused(
    tmp_path: Path, change: dict[str, Any], answer: str
) -> None:
    with pytest.raises(SystemExit, match=answer):
        _fsdd.read(digits(tmp_path / "recordings", **change))


def test_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fsdd.tar.xz").write_bytes(b"not an archive")
    with pytest.raises(SystemExit, match="no folder and no archive: git clone"):
        _fsdd.read(tmp_path / "fsdd.tar.xz")


def test_the_real_dataset_is_split_by_its_rule() -> None:
    if not FSDD.is_file():
        pytest.skip(f"{FSDD} is not there")
    banks = _fsdd.read(FSDD)
    assert len(banks["test"]) == len(banks["train"]) == 6
    count = {split: sum(map(len, (r for b in bank.values() for r in b.values())))
             for split, bank in banks.items()}  # fmt: skip
    assert count == {"train": 2700, "test": 300}
