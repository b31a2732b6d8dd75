"""Where a training's bars come from, as its spec says."""

from collections.abc import Callable
from pathlib import Path

from ktrdr.training.v1.training_pb2 import TrainingSpec

from services.training_host.bars.ib_host import IbHostBars
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.local_file import load_local_file
from services.training_host.progress import Progress
from services.training_host.strategy.strategy import Strategy


def chosen_bars(spec: TrainingSpec, *, ib_host: str, progress: Progress) -> Callable[[Strategy], LoadedBars]:
    """Return what reads the bars.

    Args:
        spec: Names a file, or stored bars; nothing means stored bars.
        ib_host: Address of the IB host, HOST:PORT.
        progress: Told about the rows that have arrived.
    """
    if spec.WhichOneof("bars") == "local":
        path = Path(spec.local.path)
        return lambda strategy: load_local_file(path, strategy)
    return IbHostBars(ib_host, spec.stored.source, spec.stored.what_to_show, progress).load
