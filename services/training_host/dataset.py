"""From bars to the parts of a training, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.closing import close_times
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.series import Bars, faulty_bar
from services.training_host.failures import damaged_bars, volume_missing
from services.training_host.features.blocks import row_blocks
from services.training_host.features.column import FeatureColumn, feature_columns
from services.training_host.features.matrix import fill_features
from services.training_host.features.windows import whole_windows
from services.training_host.folds import Fold, make_folds
from services.training_host.indicators.calculation import VolumeMissing
from services.training_host.labels.series import LabelSeries
from services.training_host.labels.source import make_labels
from services.training_host.progress import Progress
from services.training_host.split.rows import SampleRows
from services.training_host.strategy.strategy import Strategy

__all__ = ["Dataset", "Fold", "prepare"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything that networks are trained and judged on.

    Its rows are the bars of the base timeframe of all symbols, one symbol after the other in the order of the strategy.
    A sample is a row that has inputs and a label.

    Attributes:
        strategy: What was asked for.
        bars: Bars of the base timeframe by symbol.
        symbol_rows: Rows of each symbol.
        times: int64 [rows]: start of each row's bar, nanoseconds since 1970 UTC.
        close_times: int64 [rows]: when the bar is over. What a row tells was known then.
        columns: The inputs.
        matrix: float64 [rows, inputs], not scaled; NaN where a value is not known, or known from the warm-up only.
        has_inputs: bool [rows]: the row and those before it that the network reads with it, of the same symbol, are all
            known.
        labels: Of all rows.
        sequence_length: Rows that the network reads for one answer: the sample's and those before it.
        folds: Splits of the samples: one for a holdout; oldest first for a walk-forward evaluation.
    """

    strategy: Strategy
    bars: Mapping[str, Bars]
    symbol_rows: Mapping[str, slice]
    times: NDArray[np.int64]
    close_times: NDArray[np.int64]
    columns: list[FeatureColumn]
    matrix: NDArray[np.float64]
    has_inputs: NDArray[np.bool_]
    labels: LabelSeries
    sequence_length: int
    folds: list[Fold]

    def inputs(self, fold: Fold) -> NDArray[np.float32]:
        """Return float32 [rows, inputs], scaled as the fold learnt; 0 where not known, which no sample's rows are."""
        inputs = np.empty(self.matrix.shape, np.float32)
        for rows in row_blocks(len(inputs)):
            scaled = fold.scaler.apply(self.matrix[rows])
            inputs[rows] = np.where(np.isfinite(scaled), scaled, 0)
        return inputs

    def targets(self, fold: Fold) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return what the network should answer for each row.

        Returns:
            Classes, int64 [rows] (UNLABELLED where there is none); of a regression the returns divided by the fold's
            `target_scale`, float32 [rows] (NaN where there is none).
        """
        if self.strategy.is_regression:
            return (self.labels.returns / fold.target_scale).astype(np.float32)
        return self.labels.classes


def prepare(strategy: Strategy, loaded: LoadedBars, progress: Progress) -> Dataset:
    """Compute indicators, inputs and labels, and split the samples.

    Args:
        strategy: What to compute.
        loaded: The bars, with a series for each symbol and timeframe.
        progress: Told about the phases.

    Raises:
        ServiceError: BAR_SOURCE_UNAVAILABLE, if a bar is damaged. TOO_FEW_BARS, if a part of a split comes out too
            small. STRATEGY_INVALID, if a training part leaves nothing to tell apart, or an indicator reads the volume
            of bars that have none.
    """
    for bars in loaded.series.values():
        if fault := faulty_bar(bars):
            raise damaged_bars(loaded.origin, bars.symbol, bars.timeframe, fault)
    base = {symbol: loaded.series[symbol, strategy.base_timeframe] for symbol in strategy.symbols}
    symbol_rows = _rows(base)
    columns = feature_columns(strategy)
    progress.set_phase("features", total=len(loaded.series), unit="series")
    matrix = _features(strategy, loaded, columns, symbol_rows, progress)
    progress.set_phase("labels", total=len(base), unit="symbol")
    labels = _labels(strategy, base, symbol_rows, progress)
    length = strategy.model.sequence_length
    has_inputs = np.concatenate([whole_windows(matrix[rows], length) for rows in symbol_rows.values()])
    progress.raise_if_cancelled()
    times = np.concatenate([bars.times for bars in base.values()])
    progress.set_phase("split")
    samples = SampleRows.choose(
        has_inputs & labels.known, times=times, end_times=labels.end_times, symbol_rows=list(symbol_rows.values())
    )
    return Dataset(
        strategy=strategy,
        bars=base,
        symbol_rows=symbol_rows,
        times=times,
        close_times=np.concatenate([close_times(bars) for bars in base.values()]),
        columns=columns,
        matrix=matrix,
        has_inputs=has_inputs,
        labels=labels,
        sequence_length=length,
        folds=make_folds(strategy, loaded, samples, matrix=matrix, columns=columns, labels=labels),
    )


def _rows(base: Mapping[str, Bars]) -> dict[str, slice]:
    ends = np.cumsum([len(bars) for bars in base.values()]).tolist()
    return {symbol: slice(end - len(bars), end) for (symbol, bars), end in zip(base.items(), ends, strict=True)}


def _features(
    strategy: Strategy,
    loaded: LoadedBars,
    columns: list[FeatureColumn],
    symbol_rows: Mapping[str, slice],
    progress: Progress,
) -> NDArray[np.float64]:
    matrix = np.full((max(rows.stop for rows in symbol_rows.values()), len(columns)), np.nan)
    for number, ((symbol, timeframe), bars) in enumerate(loaded.series.items()):
        progress.raise_if_cancelled()
        progress.advance(number, step=f"{symbol} {timeframe}")
        rows = symbol_rows[symbol]
        try:
            fill_features(
                matrix[rows],
                columns,
                indicators=strategy.indicators,
                bars=bars,
                base_bars=loaded.series[symbol, strategy.base_timeframe],
                warm_up_bars=strategy.warm_up_bars,
            )
        except VolumeMissing as error:
            raise volume_missing(error.identifier, f"{error} ({symbol} {timeframe})") from None
    progress.advance(len(loaded.series))
    for rows in symbol_rows.values():
        # The base bars of the history become no samples, even where all inputs come from longer bars.
        matrix[rows.start : rows.start + strategy.warm_up_bars] = np.nan
    return matrix


def _labels(
    strategy: Strategy, base: Mapping[str, Bars], symbol_rows: Mapping[str, slice], progress: Progress
) -> LabelSeries:
    """Label each symbol by itself: no label of one looks at the prices of another."""
    parts: list[LabelSeries] = []
    for number, (symbol, bars) in enumerate(base.items()):
        progress.raise_if_cancelled()
        progress.advance(number, step=symbol)
        parts.append(LabelSeries.of_bars(make_labels(strategy.training.labels, bars), bars, symbol_rows[symbol].start))
    progress.advance(len(base))
    return LabelSeries.joined(parts)
