"""Train the acoustic model of `asr.py` and write ``asr.onnx``.

    pip install torch onnx && python workloads/_train_asr.py

The network is `Gru` of `_acoustic.py`. It is seeded: with one thread, the same library versions
and the same kind of processor give the same network. It takes minutes, needs no data, and is not
needed to run the workload.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from calibrate.catalog import load

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _acoustic, _corpus, _features
    from workloads._acoustic import Example
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _acoustic, _corpus, _features = (
        load(_HERE / f"{name}.py") for name in ("_acoustic", "_corpus", "_features")
    )

OPSET = 17
HELD_OUT: tuple[_corpus.Split, ...] = ("validation", "test")


def examples(count: int, split: _corpus.Split, seed: int) -> list[Example]:
    """Return a split of the corpus as features and classes."""
    return _acoustic.examples(_corpus.utterances(count, split, seed))


def write(net: Any, facts: Iterable[tuple[str, object]], path: Path) -> None:
    """Export the network with its facts as metadata."""
    net.eval()
    onnx = importlib.import_module("onnx")
    # One utterance: the exporter would freeze any other number of them in the first state.
    frames, lengths = torch.zeros(1, 100, _features.BANDS), torch.tensor([100])
    buffer = io.BytesIO()
    export: Any = torch.onnx.export  # its types leave out that a buffer will do
    export(
        net,
        (frames, lengths),
        buffer,
        input_names=["frames", "lengths"],
        output_names=["scores", "steps"],
        dynamic_axes={
            "frames": {0: "batch", 1: "frame"},
            "lengths": {0: "batch"},
            "scores": {0: "batch", 1: "step"},
            "steps": {0: "batch"},
        },
        opset_version=OPSET,
        dynamo=False,  # the newer exporter cannot express sequences of several lengths
    )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {name: str(value) for name, value in facts})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main() -> None:
    """Train, print the word error rate after each epoch, and write the network."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--utterances", type=int, default=1200, help="size of the training set")
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--out", type=Path, default=_HERE / "asr.onnx")
    given = options.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    random = np.random.default_rng(given.seed)
    data = examples(given.utterances, "train", given.seed)
    held_out, tests = (examples(300, split, given.seed) for split in HELD_OUT)
    net = _acoustic.Gru(len(_features.ALPHABET), packed=True)
    size = sum(each.numel() for each in net.parameters())
    print(f"{size} parameters", flush=True)
    course = _acoustic.Course(net, data, given.epochs, random)
    for number in range(1, given.epochs + 1):
        begin = time.monotonic()
        loss = course.epoch()
        seconds, score = time.monotonic() - begin, course.examine(held_out)[0]
        print(f"epoch {number}: loss {loss:.3f}, WER {score.rate:.4f}, {seconds:.1f} s", flush=True)
    rate = course.examine(tests)[0].rate
    print(f"test: WER {rate:.4f}")
    features = {
        name.lower(): getattr(_features, name)
        for name in ("SAMPLE_RATE_HZ", "BANDS", "HOP", "WINDOW", "TRANSFORM", "LOWEST_HZ")
    } | {"highest_hz": _features.HIGHEST_HZ}
    command = (
        f"python workloads/_train_asr.py --utterances {given.utterances} --epochs {given.epochs}"
        f" --seed {given.seed} --threads {given.threads}"
    )
    facts = {
        "description": "spoken digits, synthetic; says nothing about human speech",
        "alphabet": _features.ALPHABET,
        "features": json.dumps(features),
        "parameters": size,
        "seed": given.seed,
        "wer": f"{rate:.4f}",
        "torch": torch.__version__,
        "command": command,
    }
    write(net, facts.items(), given.out)
    print(f"{given.out}: {given.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
