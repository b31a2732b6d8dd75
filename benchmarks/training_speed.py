"""How fast the trainer's loop is: its epochs beside those of a loop written by hand, in one run.

`python -m benchmarks.training_speed [--seconds SECONDS] [--json PATH]`. The trainer's loop has all that a session has:
a journal that batches and epochs are told to, a control file that may ask it to stop, the log, the best weights,
accuracies and gradient norms, and a state that is whole between any two batches. The other one has the same network,
data, optimizer, order of samples and clipping, and nothing else but a validation loss. Their epochs alternate, on one
thread; both must end with the same weights, bit for bit.
"""

import argparse
import contextlib
import copy
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import structlog
import torch
from ktrdr_bridge import Bridge
from pydantic import TypeAdapter

from benchmarks.bare_loop import BareLoop
from benchmarks.findings import Findings, add_json_flag
from benchmarks.paired import Slowdown, slowdown
from services.training_host.loop.determinism import make_deterministic
from services.training_host.loop.objective import CrossEntropyObjective
from services.training_host.loop.samples import Samples
from services.training_host.loop.training import TrainingLoop
from services.training_host.model.network import build_network, parameter_count
from services.training_host.strategy.network import MlpNetwork, Network, RecurrentNetwork
from services.training_host.strategy.training import Training

SEED = 3
CLASSES = 3
WARM_UP_EPOCHS = 3
LEAST_PAIRS = 10
TARGET = 0.97
"""Least speed, as a share of the bare loop's."""
NETWORK: TypeAdapter[MlpNetwork | RecurrentNetwork] = TypeAdapter(Network)


@dataclass(frozen=True)
class Case:
    """A training.

    Attributes:
        name: In the table.
        network: As a strategy says it.
        inputs: Width of the feature matrix.
        samples: Of the training part; a third of that validates.
        batch_size: Samples of a batch.
    """

    name: str
    network: dict[str, Any]
    inputs: int
    samples: int
    batch_size: int


CASES = (
    Case("mlp 32-16", {"type": "mlp", "architecture": {"hidden_layers": [32, 16]}}, 12, 3_000, 64),
    Case("mlp 256-128", {"type": "mlp", "architecture": {"hidden_layers": [256, 128]}}, 40, 20_000, 256),
    Case(
        "gru 32, sequence 20",
        {"type": "gru", "architecture": {"hidden_layers": [32], "sequence_length": 20}},
        12,
        3_000,
        64,
    ),
)


@dataclass
class Times:
    """Seconds of epochs, by the clock and on the processor.

    Attributes:
        wall: By the clock.
        processor: By the thread's own time on a processor, which others do not disturb as much.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    _began: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        """An epoch begins."""
        self._began = (time.perf_counter(), time.thread_time())

    def end(self) -> None:
        """It has ended."""
        wall, processor = self._began
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.thread_time() - processor)


class EnoughMeasuredError(Exception):
    """Leaves the loop."""


def parts(case: Case, length: int) -> tuple[Samples, Samples]:
    """Return random samples to train on and to validate with."""
    random = np.random.default_rng(SEED)
    rows = case.samples * 4 // 3 + length
    inputs = torch.from_numpy(random.normal(size=(rows, case.inputs)).astype(np.float32))
    targets = random.integers(0, CLASSES, rows)
    border = length - 1 + case.samples
    older, newer = (
        Samples.of_part(inputs, rows=span, targets=targets, sequence_length=length)
        for span in (np.arange(length - 1, border), np.arange(border, rows))
    )
    return older, newer


def measure(case: Case, seconds: float, folder: Path) -> tuple[Times, Times, bool, int]:
    """Run both loops for a while; return their times, whether their weights are equal, and their number."""
    make_deterministic(SEED, threads=1)
    network = NETWORK.validate_python(case.network)
    model = build_network(network, inputs=case.inputs, outputs=CLASSES, seed=SEED)
    training_part, validation_part = parts(case, network.sequence_length)
    rules = Training.model_validate(
        {
            "labels": {"source": "zigzag", "threshold": 0.05},
            "data_split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            "epochs": 100_000,
            "batch_size": case.batch_size,
            "learning_rate": 0.001,
            "gradient_clip_norm": 1.0,
            "seed": SEED,
        }
    )
    bare = BareLoop(
        copy.deepcopy(model),
        training_part,
        validation_part,
        batch_size=rules.batch_size,
        learning_rate=rules.learning_rate,
        clip_norm=1.0,
        seed=SEED,
    )
    ours, theirs, until = Times(), Times(), time.monotonic() + seconds

    def alternate() -> None:
        ours.end()
        theirs.begin()
        bare.run_epoch()
        theirs.end()
        if time.monotonic() > until and len(ours.wall) >= WARM_UP_EPOCHS + LEAST_PAIRS:
            raise EnoughMeasuredError
        ours.begin()

    with Bridge.create(folder / "journal", control=folder / "control") as bridge:
        loop = TrainingLoop(
            model,
            training_part=training_part,
            validation_part=validation_part,
            objective=CrossEntropyObjective(None),
            rules=rules,
            progress=bridge,
        )
        ours.begin()
        with contextlib.suppress(EnoughMeasuredError):
            loop.run(after_epoch=alternate)
    pairs = zip(model.state_dict().values(), bare.model.state_dict().values(), strict=True)
    equal = all(torch.equal(one, other) for one, other in pairs)
    return ours, theirs, equal, parameter_count(model)


def tell(case: Case, ours: Times, theirs: Times, findings: Findings) -> None:
    """Print a case and its verdict."""
    found = {
        "by the clock": slowdown(ours.wall[WARM_UP_EPOCHS:], theirs.wall[WARM_UP_EPOCHS:]),
        "on the processor": slowdown(ours.processor[WARM_UP_EPOCHS:], theirs.processor[WARM_UP_EPOCHS:]),
    }
    speeds = [1 / median(each.wall[WARM_UP_EPOCHS:]) for each in (ours, theirs)]
    print(f"{'epochs/s':20}{speeds[0]:>10.2f}{speeds[1]:>10.2f} bare, {found['by the clock'].pairs} pairs of epochs")
    for name, each in found.items():
        low, high = speed(each.high), speed(each.low)
        print(f"{name:20}{speed(each.value):>10.3f} x{'':4}{low:.3f} to {high:.3f}")
    findings.keep(case.name, epochs_per_second=speeds[0], bare=speeds[1], **{k: asdict(v) for k, v in found.items()})
    best: Slowdown = min(found.values(), key=lambda each: each.high - each.low)
    value = speed(best.value)
    told = f"{value:.3f} x ({speed(best.high):.3f} to {speed(best.low):.3f})"
    findings.check(f"{case.name}, speed against the bare loop", value, told, f">= {TARGET} x", passed=value >= TARGET)


def speed(slower: float) -> float:
    """Return the speed of one that is so much slower, as a share."""
    return 1 / (1 + slower)


def main() -> int:
    """Run the benchmark; the exit code says whether every target was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="time for each case (default 15)")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("training_speed")
    findings.head()
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder, (Path(folder) / "log").open("w") as log:
            structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
            ours, theirs, equal, parameters = measure(case, options.seconds, Path(folder))
        print(f"\n{case.name}: {parameters:,} weights, {case.samples:,} samples, batches of {case.batch_size}")
        tell(case, ours, theirs, findings)
        findings.check(f"{case.name}, weights", None, "the same" if equal else "not the same", "the same", passed=equal)
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
