"""A real training, small enough for reports to be felt: an MLP on one thread, half a millisecond a step."""

import time
from statistics import median

import torch

FEATURES, HIDDEN = 32, 96
STEP_SECONDS = 0.0005


class SmallTraining:
    """Adam (fused) on a network with two hidden layers with random data, as a training host runs it: on one thread.

    Args:
        samples: Rows of a batch; more make a step longer.
    """

    def __init__(self, samples: int) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(1)
        self.samples = samples
        self._inputs = torch.randn(samples, FEATURES)
        self._targets = torch.randn(samples, 1)
        self._network = torch.nn.Sequential(
            torch.nn.Linear(FEATURES, HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN, HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN, 1),
        )
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=1e-3, fused=True)
        self._loss = torch.nn.MSELoss()

    def step(self) -> float:
        """Do one step and return the loss, as every loop does that tells anybody about it."""
        self._optimizer.zero_grad()
        loss = self._loss(self._network(self._inputs), self._targets)
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def step_seconds(self, steps: int = 200) -> float:
        """Return how long a step takes: the median of a few."""
        taken = []
        for _ in range(steps):
            began = time.perf_counter()
            self.step()
            taken.append(time.perf_counter() - began)
        return median(taken)


def training_with_short_steps() -> SmallTraining:
    """Return a training whose step takes about half a millisecond on this machine."""
    samples, training = 8, SmallTraining(8)
    training.step_seconds()
    while training.step_seconds() < 0.97 * STEP_SECONDS and samples < 4_096:
        samples = round(samples * 1.25)
        training = SmallTraining(samples)
        training.step_seconds(50)
    return training
