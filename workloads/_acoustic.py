"""Acoustic models that spell what they hear (CTC), and how they learn; needs PyTorch.

Shared by `_train_asr.py`, which made the embedded network of `asr.py`, and by `asr-train.py`,
whose load is the learning itself. The loss is connectionist temporal classification (Graves et al.,
2006), which needs no alignment of letters and sound.
"""

# mypy: disallow-subclassing-any=False
# (torch is not a dependency, so that its classes are unknown where the types are checked.)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn

from calibrate.catalog import load

_HERE = Path(__file__).resolve().parent
if TYPE_CHECKING:
    from workloads import _features, _speech
    from workloads._speech import Samples, Score
else:
    # By path: in a checkout the folder is no package, in a wheel it is inside one.
    _features, _speech = (load(_HERE / f"{name}.py") for name in ("_features", "_speech"))

BATCH = 16
#: Widest block of bands hidden from the network in training, so that it leans on no single one.
WIDEST_MASK = 7


class Spoken(Protocol):
    """Speech, and the words said in it."""

    @property
    def samples(self) -> Samples:
        """Mono, at the rate of the features."""

    @property
    def text(self) -> str:
        """What is to be spelled."""


class Example(NamedTuple):
    """One utterance, ready for the network."""

    frames: _features.Frames
    classes: list[int]
    text: str


# ---- networks ----


class Gru(nn.Module):
    """Two convolutions and a bidirectional recurrent network of two layers.

    Maps log-mel frames and their number to log-probabilities of letters every 20 ms.

    Parameters
    ----------
    letters : size of the alphabet.
    channels : width of every layer.
    packed : learn from packed sequences, too, as it listens: on a CPU their backward pass takes
        the square of their length, several times as long as the little silence they leave out.
    """

    LEARNING_RATE = 3e-3

    def __init__(self, letters: int, channels: int = 128, *, packed: bool = False) -> None:
        super().__init__()
        self._packed = packed
        self.first = nn.Conv1d(_features.BANDS, channels, 5, stride=2, padding=2)
        self.second = nn.Conv1d(channels, channels, 5, padding=2)
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2))
        self.memory = nn.GRU(
            channels, channels, 2, batch_first=True, bidirectional=True, dropout=0.1
        )
        self.letters = nn.Linear(2 * channels, letters + 1)

    def forward(self, frames: Any, lengths: Any) -> tuple[Any, Any]:
        """Return log-probabilities, batch x steps x classes, and the steps of each utterance.

        What lies beyond an utterance's own length is kept at zero: its transcript must not
        depend on the utterances it shares a batch with, once it has learnt. Lengths stay on the
        CPU.
        """
        steps = (lengths + 1) // 2
        hidden = functional.relu(self.norms[0](self.first(frames.transpose(1, 2))))
        inside = (torch.arange(hidden.shape[2]) < steps[:, None])[:, None]
        inside = inside.to(hidden.device, hidden.dtype)
        hidden = functional.relu(self.norms[1](self.second(hidden * inside)))
        if self.training and not self._packed:
            memory, _ = self.memory((hidden * inside).transpose(1, 2))
            return self.letters(memory).log_softmax(-1), steps
        packed = rnn.pack_padded_sequence(hidden.transpose(1, 2), steps, batch_first=True)
        memory, _ = rnn.pad_packed_sequence(self.memory(packed)[0], batch_first=True)
        return self.letters(memory).log_softmax(-1), steps


class Block(nn.Module):
    """A block of a Conformer: half a feed-forward, attention, convolution, the other half.

    Parameters
    ----------
    width : of every layer.
    heads : of the attention.
    kernel : steps that the convolution sees.
    """

    def __init__(self, width: int, heads: int = 4, kernel: int = 15) -> None:
        super().__init__()
        self.feeds = nn.ModuleList(self._feed(width) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True, dropout=0.1)
        self.gate = nn.Conv1d(width, 2 * width, 1)
        self.deep = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.out = nn.Conv1d(width, width, 1)

    @staticmethod
    def _feed(width: int) -> Any:
        return nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(4 * width, width),
        )

    def forward(self, hidden: Any, outside: Any) -> Any:
        """Return the block's output; `outside`, batch x steps, is what lies beyond the sound."""
        hidden = hidden + 0.5 * self.feeds[0](hidden)
        normal = self.norms[0](hidden)
        hidden = (
            hidden
            + self.attention(normal, normal, normal, key_padding_mask=outside, need_weights=False)[
                0
            ]
        )
        normal = self.norms[1](hidden).masked_fill(outside[:, :, None], 0).transpose(1, 2)
        gated = functional.glu(self.gate(normal), 1).masked_fill(outside[:, None], 0)
        hidden = hidden + self.out(functional.silu(self.batch_norm(self.deep(gated)))).transpose(
            1, 2
        )
        return self.norms[2](hidden + 0.5 * self.feeds[1](hidden))


class Conformer(nn.Module):
    """A convolution and blocks of attention and convolution (Gulati et al., 2020).

    Maps log-mel frames and their number to log-probabilities of letters every 20 ms.

    Parameters
    ----------
    letters : size of the alphabet.
    width, blocks : size of the network.
    """

    LEARNING_RATE = 1.5e-3

    def __init__(self, letters: int, width: int = 96, blocks: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv1d(_features.BANDS, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.letters = nn.Linear(width, letters + 1)

    def forward(self, frames: Any, lengths: Any) -> tuple[Any, Any]:
        """Return log-probabilities, batch x steps x classes, and the steps of each utterance."""
        steps = (lengths + 1) // 2
        hidden = functional.relu(self.first(frames.transpose(1, 2))).transpose(1, 2)
        hidden = hidden + _places(hidden.shape[1], hidden.shape[2]).to(hidden)
        outside = (torch.arange(hidden.shape[1]) >= steps[:, None]).to(hidden.device)
        for block in self.blocks:
            hidden = block(hidden, outside)
        return self.letters(hidden).log_softmax(-1), steps


def _places(steps: int, width: int) -> Any:
    """Return sines and cosines that tell steps apart (Vaswani et al., 2017), steps x width."""
    rates = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(1e4)) / width))
    angles = torch.arange(steps)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


NETWORKS: dict[str, Any] = {"gru": Gru, "conformer": Conformer}


# ---- data ----


def examples(clips: Iterable[Spoken], alphabet: str = _features.ALPHABET) -> list[Example]:
    """Return speech as features and classes."""
    return [
        Example(_features.log_mel(clip.samples), _features.encode(clip.text, alphabet), clip.text)
        for clip in clips
    ]


def batches(data: Sequence[Example]) -> list[list[Example]]:
    """Return batches of similar length; within each the longest comes first."""
    order = sorted(data, key=lambda each: -len(each.frames))
    return [order[at : at + BATCH] for at in range(0, len(order), BATCH)]


def tensors(batch: Sequence[Example]) -> tuple[Any, Any]:
    """Return the padded frames of a batch and their numbers."""
    frames = torch.from_numpy(_features.pad([each.frames for each in batch]))
    return frames, torch.tensor([len(each.frames) for each in batch])


# ---- learning ----


class Course:
    """A network, what it learns from, and how far it is.

    Parameters
    ----------
    net : the network.
    data : what it learns from.
    epochs : how often it will see all of it.
    random : what draws the order of the batches and the bands that are hidden.
    device : where it computes.
    """

    def __init__(
        self, net: Any, data: Sequence[Example], epochs: int, random: Any, device: str = "cpu"
    ) -> None:
        self.net = net.to(device)
        self._groups, self._random, self._device = batches(data), random, device
        rate = net.LEARNING_RATE
        self._optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rate, total_steps=epochs * len(self._groups), pct_start=0.2
        )

    def loss(self, group: Sequence[Example], frames: Any, lengths: Any) -> tuple[Any, Any, Any]:
        """Return the loss of a batch, its scores and steps.

        The loss is computed on the CPU: on a GPU it would not come out the same twice.
        """
        scores, steps = self.net(frames.to(self._device), lengths)
        wanted = torch.tensor([each for example in group for each in example.classes])
        sizes = torch.tensor([len(example.classes) for example in group])
        found = functional.ctc_loss(scores.cpu().transpose(0, 1), wanted, steps, sizes)
        return found, scores, steps

    def warm_up(self) -> None:
        """Do a batch without learning from it: libraries and kernels are slow at their first."""
        group = self._groups[0]
        self.loss(group, *tensors(group))[0].backward()
        self._optimiser.zero_grad()

    def epoch(self) -> float:
        """Show the network every utterance once; return the mean loss."""
        self.net.train()
        total = 0.0
        for index in self._random.permutation(len(self._groups)):
            group = self._groups[index]
            frames, lengths = tensors(group)
            low = self._random.integers(0, _features.BANDS - WIDEST_MASK)
            frames[:, :, low : low + self._random.integers(1, WIDEST_MASK)] = 0
            loss, _, _ = self.loss(group, frames, lengths)
            self._optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 5)
            self._optimiser.step()
            self._schedule.step()
            total += loss.item()
        return total / len(self._groups)

    def examine(
        self, data: Sequence[Example], alphabet: str = _features.ALPHABET
    ) -> tuple[Score, float]:
        """Return the word error rate on data, and the mean loss of its batches."""
        self.net.eval()
        groups = batches(data)
        heard: list[str] = []
        total = 0.0
        with torch.inference_mode():
            for group in groups:
                loss, scores, steps = self.loss(group, *tensors(group))
                total += loss.item()
                heard += [
                    _features.decode(best[:count], alphabet)
                    for best, count in zip(scores.argmax(-1).tolist(), steps.tolist(), strict=True)
                ]
        said = [each.text for group in groups for each in group]
        return _speech.score(said, heard), total / len(groups)
