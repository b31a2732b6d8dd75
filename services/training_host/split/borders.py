"""Where one part ends and the next one begins."""

from typing import Final, NamedTuple

import numpy as np

from services.training_host.split.rows import SampleRows
from services.training_host.strategy.evaluation import Evaluation, WalkForward
from services.training_host.strategy.training import DataSplit

NEVER: Final = int(np.iinfo(np.int64).max)
"""A time after all others."""


class Borders(NamedTuple):
    """Times, in nanoseconds since 1970 UTC, that cut the samples of all symbols alike.

    Attributes:
        validation: The first sample of the validation part begins here; those before it train.
        test: The first of the test part begins here.
        end: The test part ends before this.
    """

    validation: int
    test: int
    end: int


def borders(samples: SampleRows, shares: DataSplit, evaluation: Evaluation) -> list[Borders]:
    """Return the borders of each fold: one of a holdout, several of a walk-forward evaluation, oldest first.

    Shares are of the samples of all symbols together. Samples that begin at the same time are never parted.
    """
    if isinstance(evaluation, WalkForward):
        return _walk_forward(samples, shares, evaluation.folds)
    count = len(samples)
    validation, test = round(count * shares.train), round(count * (shares.train + shares.validation))
    return [Borders(_time(samples, validation), _time(samples, test), NEVER)]


def _walk_forward(samples: SampleRows, shares: DataSplit, folds: int) -> list[Borders]:
    stretches = [_time(samples, round(len(samples) * number / (folds + 1))) for number in range(1, folds + 1)]
    training_share = shares.train / (shares.train + shares.validation)
    found: list[Borders] = []
    for test, end in zip(stretches, [*stretches[1:], NEVER], strict=True):
        before = int(np.searchsorted(samples.times, test))
        found.append(Borders(_time(samples, round(before * training_share)), test, end))
    return found


def _time(samples: SampleRows, index: int) -> int:
    return int(samples.times[index]) if index < len(samples) else NEVER
