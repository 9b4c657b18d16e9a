"""Train the acoustic model of `asr.py` and write ``asr.onnx``.

    pip install torch onnx && python workloads/_train_asr.py

Two convolutions and a bidirectional recurrent network of two layers map log-mel frames to
letters; the loss is connectionist temporal classification (CTC), which needs no alignment. It is
seeded: with one thread, the same library versions and the same kind of processor give the same
network. It takes minutes, needs no data, and is not needed to run the workload.
"""

# mypy: disallow-subclassing-any=False
# (torch is not a dependency, so that its classes are unknown where the types are checked.)

from __future__ import annotations

import argparse
import importlib
import io
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn

from calibrate.catalog import load

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _corpus, _features, asr
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _corpus, _features, asr = (
        load(_HERE / f"{name}.py") for name in ("_corpus", "_features", "asr")
    )

CHANNELS = 128
BATCH = 16
LEARNING_RATE = 3e-3
#: Widest block of bands hidden from the network in training, so that it leans on no single one.
WIDEST_MASK = 7
OPSET = 17


class Example(NamedTuple):
    """One utterance, ready for the network."""

    frames: _features.Frames
    classes: list[int]
    text: str


class Net(nn.Module):
    """Log-mel frames and their number, to log-probabilities of letters every 20 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(_features.BANDS, CHANNELS, 5, stride=2, padding=2)
        self.second = nn.Conv1d(CHANNELS, CHANNELS, 5, padding=2)
        self.norms = nn.ModuleList(nn.BatchNorm1d(CHANNELS) for _ in range(2))
        self.memory = nn.GRU(
            CHANNELS, CHANNELS, 2, batch_first=True, bidirectional=True, dropout=0.1
        )
        self.letters = nn.Linear(2 * CHANNELS, len(_features.ALPHABET) + 1)

    def forward(self, frames: Any, lengths: Any) -> tuple[Any, Any]:
        """Return log-probabilities, batch x steps x classes, and the steps of each utterance.

        What lies beyond an utterance's own length is kept at zero: its transcript must not
        depend on the utterances it shares a batch with.
        """
        steps = (lengths + 1) // 2
        hidden = functional.relu(self.norms[0](self.first(frames.transpose(1, 2))))
        inside = (torch.arange(hidden.shape[2]) < steps[:, None])[:, None].to(hidden.dtype)
        hidden = functional.relu(self.norms[1](self.second(hidden * inside)))
        packed = rnn.pack_padded_sequence(hidden.transpose(1, 2), steps, batch_first=True)
        memory, _ = rnn.pad_packed_sequence(self.memory(packed)[0], batch_first=True)
        return self.letters(memory).log_softmax(-1), steps


def examples(count: int, split: _corpus.Split, seed: int) -> list[Example]:
    """Return a split of the corpus as features and classes."""
    return [
        Example(_features.log_mel(each.samples), _features.encode(each.text), each.text)
        for each in _corpus.utterances(count, split, seed)
    ]


def batches(data: list[Example]) -> list[list[Example]]:
    """Return batches of similar length; within each the longest comes first."""
    order = sorted(data, key=lambda each: -len(each.frames))
    return [order[at : at + BATCH] for at in range(0, len(order), BATCH)]


def tensors(batch: list[Example]) -> tuple[Any, Any]:
    """Return the padded frames of a batch and their numbers."""
    frames = torch.from_numpy(_features.pad([each.frames for each in batch]))
    return frames, torch.tensor([len(each.frames) for each in batch])


def epoch(net: Any, data: list[Example], optimiser: Any, schedule: Any, random: Any) -> float:
    """Show the network every utterance once; return the mean loss."""
    net.train()
    total, groups = 0.0, batches(data)
    for index in random.permutation(len(groups)):
        group = groups[index]
        frames, lengths = tensors(group)
        low = random.integers(0, _features.BANDS - WIDEST_MASK)
        frames[:, :, low : low + random.integers(1, WIDEST_MASK)] = 0
        scores, steps = net(frames, lengths)
        wanted = torch.tensor([each for example in group for each in example.classes])
        sizes = torch.tensor([len(example.classes) for example in group])
        loss = functional.ctc_loss(scores.transpose(0, 1), wanted, steps, sizes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimiser.step()
        schedule.step()
        total += loss.item()
    return total / len(groups)


def word_error_rate(net: Any, data: list[Example]) -> float:
    """Return the share of words that the network gets wrong."""
    net.eval()
    heard: list[str] = []
    with torch.inference_mode():
        for group in batches(data):
            scores, steps = net(*tensors(group))
            best = scores.argmax(-1).tolist()
            heard += [_features.decode(b[:n]) for b, n in zip(best, steps.tolist(), strict=True)]
    said = [each.text for group in batches(data) for each in group]
    rate: float = asr.word_error_rate(said, heard)
    return rate


def write(net: Any, facts: Iterable[tuple[str, object]], path: Path) -> None:
    """Export the network with its facts as metadata."""
    net.eval()
    onnx = importlib.import_module("onnx")
    # One utterance: the exporter would freeze any other number of them in the first state.
    frames, lengths = torch.zeros(1, 100, _features.BANDS), torch.tensor([100])
    buffer = io.BytesIO()
    torch.onnx.export(
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
    held_out = examples(300, "validation", given.seed)
    net = Net()
    size = sum(each.numel() for each in net.parameters())
    print(f"{size} parameters", flush=True)
    optimiser = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=given.epochs * len(batches(data)), pct_start=0.2
    )
    for number in range(1, given.epochs + 1):
        begin = time.monotonic()
        loss = epoch(net, data, optimiser, schedule, random)
        seconds, rate = time.monotonic() - begin, word_error_rate(net, held_out)
        print(f"epoch {number}: loss {loss:.3f}, WER {rate:.4f}, {seconds:.1f} s", flush=True)
    rate = word_error_rate(net, examples(300, "test", given.seed))
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
