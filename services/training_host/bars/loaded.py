"""Bars together with where they came from."""

from dataclasses import dataclass

from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.bars_pb2 import Source

from services.training_host.bars.series import Bars


@dataclass(frozen=True, eq=False)
class LoadedBars:
    """Bars of a strategy's range.

    Attributes:
        bars: The bars.
        origin: Where they came from, for people: a path, or the IB host's address and dataset.
        source: Real or recorded; unspecified for a file.
        dataset: What they are a part of, as it was when they were read.
    """

    bars: Bars
    origin: str
    source: Source.ValueType
    dataset: DatasetUse
