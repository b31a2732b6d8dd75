"""The split by time, purged where labels look over a border."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.training_host.split.borders import Borders
from services.training_host.split.rows import SampleRows

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows belong to which part.

    Attributes:
        train: Rows, int64, in the order of (time, symbol); so are `validation` and `test`. The parts follow each other
            in time.
        validation: To choose the best epoch by.
        test: Seen by nothing but the final evaluation.
        purged: Samples left out at the borders: their label is known only after the next part has begun, or they are
            within the embargo.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    purged: NDArray[np.int64]

    def part(self, name: str) -> NDArray[np.int64]:
        """Return a part by its name in PARTS."""
        part: NDArray[np.int64] = getattr(self, name)
        return part


def chronological_split(samples: SampleRows, borders: Borders, *, embargo: int = 0) -> Split:
    """Split samples by time, those of all symbols at the same borders.

    A sample of one part is purged unless its label is known before the first bar of the next part begins: it would
    carry that part's prices into this one. Each label has an end of its own, so there is no fixed gap. After each
    border the samples of the first bars of each symbol can be left out as well (López de Prado 2018, chapter 7).

    Args:
        samples: All samples.
        borders: When validation and test begin, and the test ends; later samples are in no part.
        embargo: Bars of each symbol that are left out after each border.
    """
    times, end_times = samples.times, samples.end_times
    train = times < borders.validation
    test = (times >= borders.test) & (times < borders.end)
    validation = ~train & (times < borders.test)
    early = np.where(train, end_times < borders.validation, ~validation | (end_times < borders.test))
    late = np.zeros(len(samples), np.bool_)
    if embargo:
        late |= validation & samples.soon_after(borders.validation, embargo)
        late |= test & samples.soon_after(borders.test, embargo)
    kept = early & ~late
    rows = samples.rows
    return Split(
        train=rows[train & kept],
        validation=rows[validation & kept],
        test=rows[test & kept],
        purged=rows[(train | validation | test) & ~kept],
    )
