"""Small training loops, what they tell, and their states as bytes."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ktrdr_bridge import Cancelled
from safetensors.torch import load, save
from torch import nn

from services.training_host.loop.objective import (
    CrossEntropyObjective,
    FocalObjective,
    HuberObjective,
    Objective,
)
from services.training_host.loop.samples import Samples
from services.training_host.loop.state import LoopState
from services.training_host.loop.training import TrainingLoop
from services.training_host.model.network import build_network
from services.training_host.strategy.network import MlpNetwork, RecurrentNetwork
from services.training_host.strategy.training import Training

# On a busy machine threads of so small a training wait for each other a thousand times as long as they compute.
torch.set_num_threads(1)

TIMES = {"epoch_seconds", "samples_per_second"}
"""Metrics that differ from run to run."""
OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": CrossEntropyObjective(torch.tensor([0.5, 1.0, 2.0])),
    "focal": FocalObjective(None, 2.0),
    "huber": HuberObjective(1.0),
}


@dataclass
class RecordedProgress:
    """Keeps what a loop tells, and asks it to stop.

    Attributes:
        stop_at: Numbers of the questions that are answered with a stop, from 1.
        asked: Questions so far.
        calls: What was told, but for batches.
        batches: (batch, total, loss) of each batch that was told.
        epochs: Metrics by epoch.
    """

    stop_at: Collection[int] = ()
    asked: int = 0
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    batches: list[tuple[int, int, float]] = field(default_factory=list)
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)

    def set_phase(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        self.calls.append(("set_phase", name, total, unit))

    def advance(self, completed: int, *, step: str = "") -> None:  # noqa: ARG002 - nobody asks for it
        self.calls.append(("advance", completed))

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        self.batches.append((batch, total, metrics["batch_loss"]))

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.calls.append(("on_epoch", epoch))
        self.epochs[epoch] = dict(metrics)

    def raise_if_cancelled(self) -> None:
        self.asked += 1
        if self.asked in self.stop_at:
            raise Cancelled("asked to")


def rules(**changes: Any) -> Training:
    """Return how to train: four epochs of batches of 16."""
    content = {
        "labels": {"source": "zigzag", "threshold": 0.05},
        "data_split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 0.01,
        "seed": 3,
    }
    return Training.model_validate(content | changes)


def part(count: int, *, seed: int, length: int = 1, returns: bool = False, noise: float = 0.4) -> Samples:
    """Return samples that three inputs of their newest row tell apart: three classes, or returns."""
    random = np.random.default_rng(seed)
    rows = count + length - 1
    classes = random.integers(0, 3, rows)
    inputs = torch.from_numpy((np.eye(3)[classes] + random.normal(0, noise, (rows, 3))).astype(np.float32))
    targets = (classes - 1).astype(np.float32) + 0.25 if returns else classes
    return Samples.of_part(inputs, rows=np.arange(length - 1, rows), targets=targets, sequence_length=length)


def network(kind: str = "mlp", *, outputs: int = 3, dropout: float = 0.1, seed: int = 3) -> nn.Module:
    """Return a small network with three inputs; `lstm` and `gru` read four rows."""
    shape: dict[str, Any] = {"hidden_layers": [8] if kind == "mlp" else [5, 4], "dropout": dropout}
    if kind == "mlp":
        chosen: MlpNetwork | RecurrentNetwork = MlpNetwork.model_validate({"type": kind, "architecture": shape})
    else:
        chosen = RecurrentNetwork.model_validate({"type": kind, "architecture": {**shape, "sequence_length": 4}})
    return build_network(chosen, inputs=3, outputs=outputs, seed=seed)


@dataclass(frozen=True)
class Recipe:
    """A training that can be made again and again.

    Attributes:
        kind: Of the network.
        objective: Name of the objective.
        samples: Of the training part.
        changes: To `rules`.
    """

    kind: str = "mlp"
    objective: str = "cross_entropy"
    samples: int = 40
    changes: Mapping[str, Any] = field(default_factory=dict)

    def loop(self, progress: RecordedProgress, **more: Any) -> tuple[TrainingLoop, nn.Module]:
        """Return a loop, and the network that it trains."""
        returns, length = self.objective == "huber", 1 if self.kind == "mlp" else 4
        model = network(self.kind, outputs=1 if returns else 3, dropout=0.3)
        loop = TrainingLoop(
            model,
            training_part=part(self.samples, seed=1, length=length, returns=returns),
            validation_part=part(20, seed=2, length=length, returns=returns),
            objective=OBJECTIVES[self.objective],
            rules=rules(**self.changes),
            progress=progress,
            **more,
        )
        return loop, model


def without_times(metrics: Mapping[str, float]) -> dict[str, str]:
    """Return metrics that have to be the same, as texts, so that NaN is itself."""
    return {name: repr(value) for name, value in metrics.items() if name not in TIMES}


def through_bytes(state: LoopState) -> LoopState:
    """Return a state as it comes back from files."""
    return LoopState(load(save(state.tensors)), json.loads(json.dumps(state.document, allow_nan=False)))


def differences(one: LoopState, other: LoopState) -> set[str]:
    """Return the names of what is not bit for bit the same in two states, times excepted."""
    names = one.tensors.keys() ^ other.tensors.keys()
    names |= {name for name in one.tensors.keys() & other.tensors.keys() if not _same(one, other, name)}
    documents = [{**state.document, "epoch_seconds": 0} for state in (one, other)]
    for document in documents:
        document["history"] = [without_times(epoch) for epoch in document["history"]]
    return names | {key for key in documents[0].keys() | documents[1].keys() if documents[0][key] != documents[1][key]}


def _same(one: LoopState, other: LoopState, name: str) -> bool:
    first, second = one.tensors[name], other.tensors[name]
    return first.dtype == second.dtype and torch.equal(first, second)
