"""The way from bars to the network's inputs, so that it can be gone without this program."""

from collections.abc import Sequence
from typing import Any, Final

from services.training_host.artifacts.recipe import RULES
from services.training_host.artifacts.recipes import recipe
from services.training_host.dataset import Dataset, Fold
from services.training_host.features.column import FeatureColumn
from services.training_host.indicators.definition import references
from services.training_host.strategy.strategy import Strategy

_HISTORY: Final = (
    "So many bars at the beginning, in each timeframe, only feed the indicators: nothing reads an indicator's value at "
    "them, and no answer is given at them."
)
_INDICATORS: Final = (
    "For each symbol and timeframe by itself, over all of its bars from the first on, in float64. `steps` are done in "
    "their order: functions of TA-Lib (its Python package, with these parameter names and all others at their "
    "defaults), and the rules below. Inputs are columns of the bars or outputs of earlier steps; `references` says "
    "which output each name in `inputs` below means. Averages that never forget depend on the first bar: to get the "
    "same numbers, begin with the same one (metadata.json names it)."
)
_MEMBERSHIPS: Final = {
    "triangular": "parameters a, b, c: as trapezoidal with a, b, b, c",
    "trapezoidal": (
        "parameters a, b, c, d: max(0, min((x - a) / (b - a), 1, (d - x) / (d - c))); where a = b the first is 1 from "
        "a on and 0 before, where c = d the last is 1 up to d and 0 after"
    ),
    "gaussian": "parameters center, spread: exp(-((x - center) / spread)² / 2)",
}
_SCALING: Final = (
    "float32((value - offset) / scale), of the membership where there is one and of the indicator's value elsewhere. "
    "Offsets and scales were fitted on the training part of the last fold only."
)
_JOIN: Final = (
    "There is a sample for each bar of the base timeframe. An input of a longer timeframe has the value of the newest "
    "bar of that timeframe that was over when the base bar was over (at the same instant counts as over)."
)
_OVER: Final = {
    "shorter than a day": "its time and its length",
    "1d": (
        "36 hours after the beginning, UTC, of the date that its time is in: when that date has ended everywhere on "
        "earth; but not before its time and 25 hours"
    ),
    "1w": "12 hours after the end, UTC, of the Sunday of the week that its time is in",
    "1month": "12 hours after the end, UTC, of the month that its time is in",
}


def features(strategy: Strategy, dataset: Dataset, fold: Fold) -> dict[str, Any]:
    """Describe indicators, memberships, scaling, the join of timeframes, and what the answers mean.

    Args:
        strategy: What was trained.
        dataset: Its inputs.
        fold: Whose network is kept, and so whose scaling.
    """
    return {
        "symbols": list(strategy.symbols),
        "timeframes": list(strategy.timeframes),
        "base_timeframe": strategy.base_timeframe,
        "history_bars": strategy.warm_up_bars,
        "history_rule": _HISTORY,
        "sequence_length": dataset.sequence_length,
        "bar_columns": ["open", "high", "low", "close", "volume"],
        "indicators_rule": _INDICATORS,
        "rules": RULES,
        "indicators": {
            identifier: {
                **indicator.model_dump(),
                "steps": recipe(indicator),
                "references": dict(zip(references(identifier, indicator.outputs), indicator.outputs, strict=True)),
            }
            for identifier, indicator in strategy.indicators.items()
        },
        "membership_functions": _MEMBERSHIPS,
        "scaling_rule": _SCALING,
        "inputs": _inputs(dataset.columns, fold),
        "timeframe_join": {"rule": _JOIN, "over_at": _OVER},
        "classes": list(strategy.classes),
        "target_scale": fold.target_scale,
        "decisions": strategy.decisions.model_dump(),
    }


def _inputs(columns: Sequence[FeatureColumn], fold: Fold) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "timeframe": column.timeframe,
            "source": column.source,
            "membership": column.membership.model_dump() if column.membership else None,
            "normalization": column.normalization,
            "offset": float(offset),
            "scale": float(scale),
        }
        for column, offset, scale in zip(columns, fold.scaler.offset, fold.scaler.scale, strict=True)
    ]
