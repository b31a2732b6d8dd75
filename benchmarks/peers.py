"""Peers that record what loops report, each as its own documentation has it used; none touches a network here.

They live in an environment of their own (requirements-peers.txt). What is not installed there is left out.
"""

import importlib
import importlib.util
import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from benchmarks.ways import BatchReporter, Metrics

OFFLINE = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "DO_NOT_TRACK": "true",
}
"""Environment in which the peers talk to nobody."""


class InTqdm:
    """tqdm: a bar with the metrics behind it, drawn at its own pace into nowhere."""

    def __init__(self, _folder: Path) -> None:
        self._bar: Any = importlib.import_module("tqdm").tqdm(total=None, file=io.StringIO(), mininterval=0.1)

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:  # noqa: ARG002  # every way has one signature
        """Move on, and put the metrics behind the bar; it is drawn ten times a second at most."""
        self._bar.set_postfix(metrics, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


class InWandb:
    """wandb offline: one call an event; a process of its own writes the file."""

    def __init__(self, folder: Path) -> None:
        wandb = importlib.import_module("wandb")
        settings = wandb.Settings(mode="offline", console="off", silent=True, x_disable_stats=True)
        self._run: Any = wandb.init(project="benchmark", dir=str(folder), settings=settings)

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:  # noqa: ARG002  # every way has one signature
        """Log a step."""
        self._run.log(metrics)

    def close(self) -> None:
        """End the run and its process."""
        self._run.finish()


class InMlflow:
    """mlflow with its file store: one file a metric, opened for each value."""

    def __init__(self, folder: Path) -> None:
        self._mlflow: Any = importlib.import_module("mlflow")
        self._mlflow.set_tracking_uri((folder / "mlflow").as_uri())
        self._mlflow.start_run()
        self._step = 0

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:  # noqa: ARG002  # every way has one signature
        """Log a step."""
        self._step += 1
        self._mlflow.log_metrics(metrics, step=self._step)

    def close(self) -> None:
        """End the run."""
        self._mlflow.end_run()


_PEERS: dict[str, tuple[str, Callable[[Path], Any], int]] = {
    "tqdm set_postfix + update": ("tqdm", InTqdm, 16),
    "wandb offline log": ("wandb", InWandb, 128),
    "mlflow log_metrics, file store": ("mlflow", InMlflow, 1_024),
}
"""What it is called, the package, what makes it, and how many times fewer events a block has than the bridge's."""


def installed_peers(folder: Path, stack: ExitStack) -> Iterator[tuple[str, BatchReporter, int]]:
    """Yield each installed peer, made in a folder of its own and closed by the stack: name, target, fewer events.

    What is missing, or cannot be started, is told on standard output.
    """
    os.environ.update(OFFLINE)
    for name, (package, make, fewer) in _PEERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"SKIPPED  {name}: {package} is not installed (make bench installs it into .venv-bench)")
            continue
        place = folder / package
        place.mkdir()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about their own deprecations
                target = make(place)
        except Exception as error:  # a peer that does not start is no reason not to measure the others
            print(f"SKIPPED  {name}: {error}")
            continue
        stack.enter_context(closing(target))
        yield name, target, fewer
