"""The split, purged where labels look over a border."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.training_host.strategy.training import DataSplit

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Which bars belong to which part.

    Attributes:
        train: Indices of bars, int64, ascending; so are `validation` and `test`. The parts follow each other in time.
        validation: To choose the best epoch by.
        test: Seen by nothing but the final evaluation.
        purged: Samples left out because their label is known only after the next part has begun.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    purged: NDArray[np.int64]

    def part(self, name: str) -> NDArray[np.int64]:
        """Return a part by its name in PARTS."""
        part: NDArray[np.int64] = getattr(self, name)
        return part


def chronological_split(samples: NDArray[np.int64], ends: NDArray[np.int64], shares: DataSplit) -> Split:
    """Split samples in the order of time.

    A sample of one part whose label ends at or after the first bar of the next part is purged: it would carry the next
    part's prices into this one. Each label has an end of its own, so there is no fixed gap.

    Args:
        samples: Indices of the bars that have inputs and a label, int64 ascending.
        ends: For each of these, the bar at whose close its label is known.
        shares: Of the samples before purging.
    """
    first_validation = round(len(samples) * shares.train)
    first_test = round(len(samples) * (shares.train + shares.validation))
    parts: list[NDArray[np.int64]] = []
    purged: list[NDArray[np.int64]] = []
    for start, stop in ((0, first_validation), (first_validation, first_test)):
        border = samples[stop] if stop < len(samples) else np.iinfo(np.int64).max
        keep = ends[start:stop] < border
        parts.append(samples[start:stop][keep])
        purged.append(samples[start:stop][~keep])
    return Split(parts[0], parts[1], samples[first_test:], np.concatenate(purged))
