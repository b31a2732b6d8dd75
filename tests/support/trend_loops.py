"""Training loops that show each trend: real PyTorch, real gradients, one session for each name on the command line.

Each prints what it knows itself, as a line of JSON: the best epoch and its loss.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import ktrdr_bridge
import torch
from torch import nn


@dataclass
class Data:
    """Made-up samples, the same each time."""

    classes: bool = False
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(7))

    def __post_init__(self) -> None:
        self.half = 64 if self.classes else 512
        self.inputs = torch.randn(2 * self.half, 8, generator=self.generator)
        truth = torch.randn(8, 1, generator=self.generator)
        self.targets = self.inputs @ truth + 0.1 * torch.randn(2 * self.half, 1, generator=self.generator)
        if self.classes:
            self.targets = (
                torch.rand(2 * self.half, 1, generator=self.generator) > 0.5
            ).float()  # nothing to be learnt


def train(
    data: Data,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    before: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the metrics of each epoch: half of the samples to learn from, half to validate."""
    half = data.half
    loss_of = nn.BCEWithLogitsLoss() if data.classes else nn.MSELoss()
    for epoch in range(1, epochs + 1):
        before(epoch)
        loss = loss_of(model(data.inputs[:half]), data.targets[:half])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            outputs = model(data.inputs)
            metrics = {
                "train_loss": loss_of(outputs[:half], data.targets[:half]).item(),
                "val_loss": loss_of(outputs[half:], data.targets[half:]).item(),
            }
            if data.classes:
                right = (outputs > 0) == (data.targets > 0.5)
                metrics["val_accuracy"] = right[half:].float().mean().item()
        yield epoch, metrics


def overfitting() -> Iterator[tuple[int, dict[str, float]]]:
    """A network with room for every sample learns labels by heart that mean nothing."""
    data = Data(classes=True)
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
    return train(data, model, torch.optim.Adam(model.parameters(), lr=0.01), 80)


def divergence() -> Iterator[tuple[int, dict[str, float]]]:
    """The learning rate becomes too high in the middle, as schedules can have it."""
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def faster(epoch: int) -> None:
        optimizer.param_groups[0]["lr"] = 0.05 if epoch <= 20 else 1.2

    return train(Data(), model, optimizer, 32, faster)


def not_finite() -> Iterator[tuple[int, dict[str, float]]]:
    """The learning rate is far too high from the start, until the weights are no numbers."""
    model = nn.Linear(8, 1)
    return train(Data(), model, torch.optim.SGD(model.parameters(), lr=1e4), 30)


def no_learning() -> Iterator[tuple[int, dict[str, float]]]:
    """Someone froze the weights."""
    model = nn.Linear(8, 1)
    return train(Data(classes=True), model, torch.optim.SGD(model.parameters(), lr=0.0), 20)


def plateau() -> Iterator[tuple[int, dict[str, float]]]:
    """A small model learns all there is, and has nothing left to gain."""
    model = nn.Linear(8, 1)
    return train(Data(), model, torch.optim.SGD(model.parameters(), lr=0.1), 120)


def healthy() -> Iterator[tuple[int, dict[str, float]]]:
    """A training that is still getting better."""
    model = nn.Linear(8, 1)
    return train(Data(), model, torch.optim.SGD(model.parameters(), lr=0.01), 60)


def throughput_drop() -> Iterator[tuple[int, dict[str, float]]]:
    """Something else takes the machine's time."""
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return train(Data(), model, optimizer, 14, lambda epoch: time.sleep(0.05 if epoch < 10 else 0.5))


def stalled() -> Iterator[tuple[int, dict[str, float]]]:
    """A loop that hangs after its tenth epoch, and goes on when someone asks it to stop."""
    return train(Data(), nn.Linear(8, 1), torch.optim.SGD(nn.Linear(8, 1).parameters(), lr=0.01), 20)


def run(name: str) -> None:
    """Run one loop in a session of its own."""
    best, best_epoch = math.inf, 0
    with ktrdr_bridge.open_session(name) as bridge:
        torch.manual_seed(7)
        for epoch, metrics in globals()[name]():
            if metrics["val_loss"] < best:
                best, best_epoch = metrics["val_loss"], epoch
            bridge.on_epoch(epoch, metrics)
            deadline = time.monotonic() + 200
            while name == "stalled" and epoch == 10 and not bridge.cancelled and time.monotonic() < deadline:
                time.sleep(0.02)
            if bridge.cancelled:
                break
    print(json.dumps({"name": name, "best_epoch": best_epoch, "best": best}), flush=True)  # noqa: T201 - for the test


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in sys.argv[1:]:
        run(each)
