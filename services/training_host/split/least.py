"""How many bars a split needs."""

import math
from typing import Final

from services.training_host.strategy.evaluation import WalkForward
from services.training_host.strategy.labels import ForwardReturnLabels
from services.training_host.strategy.strategy import Strategy

LEAST_SAMPLES: Final = 10
"""Samples that each part needs at least: below that its accuracy means nothing."""

_OVERHANG: Final = 1
"""Bars between the one at whose close a label is known and the first that may begin the next part: a daily bar is over
only when its date has ended everywhere."""


def bars_needed(strategy: Strategy) -> int:
    """Return how many bars of the base timeframe, of all symbols together, give each part of each fold its samples.

    Labels that end after a fixed number of bars cost as many at the end of each part; what swings and barriers cost is
    not known before they happen, and neither is how long the indicators of longer bars take to begin: there the number
    is a lower bound.
    """
    labels, shares, symbols = strategy.training.labels, strategy.training.data_split, len(strategy.symbols)
    ahead = labels.horizon if isinstance(labels, ForwardReturnLabels) else 1
    purged, embargo = symbols * (ahead + _OVERHANG), symbols * strategy.evaluation.embargo
    train, validation, test = LEAST_SAMPLES + purged, LEAST_SAMPLES + purged + embargo, LEAST_SAMPLES + embargo
    # One more for each border, which is rounded; and samples of one time are never parted.
    rounding = 2 * symbols
    if isinstance(strategy.evaluation, WalkForward):
        together = shares.train + shares.validation
        before = max(train * together / shares.train, validation * together / shares.validation)
        samples = (strategy.evaluation.folds + 1) * (max(before, test) + rounding)
    else:
        samples = max(train / shares.train, validation / shares.validation, test / shares.test) + rounding
    each = strategy.warm_up_bars + strategy.model.sequence_length - 1 + ahead
    return symbols * each + math.ceil(samples)
