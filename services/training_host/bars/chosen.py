"""Where a training's bars come from, as its spec says."""

from collections.abc import Callable
from pathlib import Path

import structlog
from ktrdr.training.v1.training_pb2 import TrainingSpec

from services.training_host.bars.cache import BarCache
from services.training_host.bars.coverage import short_series
from services.training_host.bars.ib_host import IbHostBars
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.local_file import load_local_file
from services.training_host.progress import Progress
from services.training_host.strategy.strategy import Strategy

_LOG = structlog.get_logger(__name__)


def chosen_bars(
    spec: TrainingSpec, *, ib_host: str, progress: Progress, cache: BarCache | None = None
) -> Callable[[Strategy], LoadedBars]:
    """Return what reads the bars, and logs where they do not cover the strategy's range.

    Args:
        spec: Names a file, or stored bars; nothing means stored bars.
        ib_host: Address of the IB host, HOST:PORT.
        progress: Told about the rows that have arrived.
        cache: Of bars that were read from the IB host before; None for none.
    """
    if spec.WhichOneof("bars") == "local":
        path = Path(spec.local.path)
        return lambda strategy: _told(load_local_file(path, strategy), strategy)
    stored = IbHostBars(ib_host, spec.stored.source, spec.stored.what_to_show, progress, cache)
    return lambda strategy: _told(stored.load(strategy), strategy)


def _told(loaded: LoadedBars, strategy: Strategy) -> LoadedBars:
    data = strategy.training_data
    for short in short_series(loaded, data):
        _LOG.warning(
            "range_not_covered",
            symbol=short.symbol,
            timeframe=short.timeframe,
            first_bar=f"{short.first:%Y-%m-%d}",
            last_bar=f"{short.last:%Y-%m-%d}",
            range=f"{data.start_date} … {data.end_date}",
        )
    return loaded
