"""How far each instrument of a load is, from the newest values of its series."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.cli.dataset_verdicts import counted

_DONE: Final = " done"


class InstrumentProgress(NamedTuple):
    """How far one instrument is."""

    name: str
    done: int
    """Chunks that are over."""
    total: int
    """Chunks that are known so far."""
    rows: int
    """Bars that came."""

    @property
    def words(self) -> str:
        """Say it: "12/40 chunks, 3,270 bars"."""
        return f"{self.done:,}/{max(self.done, self.total):,} chunks, {counted(self.rows, 'bar')}"

    @property
    def is_over(self) -> bool:
        """Nothing is left of it, as far as is known."""
        return bool(self.total) and self.done >= self.total


def instrument_progress(operation: Operation) -> Sequence[InstrumentProgress]:
    """Return how far each instrument is, in the order of the request; nothing for a load that has only one."""
    if not operation.HasField("data_load"):
        return ()
    values = {each.name: int(each.value) for each in operation.latest_metrics}
    return [
        InstrumentProgress(name, values[name + _DONE], values.get(f"{name} total", 0), values.get(f"{name} rows", 0))
        for name in (each.removesuffix(_DONE) for each in values if each.endswith(_DONE))
    ]


def most_telling(every: Sequence[InstrumentProgress], most: int) -> Sequence[InstrumentProgress]:
    """Return those that fit into a picture: the ones at work and their neighbours, in their order."""
    if len(every) <= most:
        return every
    at_work = next((index for index, each in enumerate(every) if not each.is_over), len(every) - 1)
    first = max(0, min(at_work - 1, len(every) - most))
    return every[first : first + most]
