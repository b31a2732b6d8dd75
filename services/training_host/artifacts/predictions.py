"""The table of what the networks answer for each bar."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from services.training_host.backtest.span import decision_rows
from services.training_host.dataset import Dataset
from services.training_host.evaluation.decisions import decided, directions
from services.training_host.evaluation.judgement import FoldOutcome
from services.training_host.evaluation.predictions import BACKTEST
from services.training_host.labels.series import UNLABELLED
from services.training_host.split.chronological import PARTS
from services.training_host.strategy.strategy import Strategy


def write_predictions(path: Path, strategy: Strategy, dataset: Dataset, outcomes: Sequence[FoldOutcome]) -> None:
    """Write a Parquet file with a row for each bar that a fold's network answered: fold after fold, by time and symbol.

    Its columns are `fold`, `time` (of the bar, UTC), `symbol`, `split` (`train`, `validation`, `test`, or `backtest`
    for bars of the test's time that are no samples of it), then for a classification `label`, `prediction` and
    `probability_<class>` for each class, for a regression `return` and `prediction`; then `decision` (null where the
    answer does not reach the threshold) and `position` (1, 0 or -1: what the backtest holds from the bar's close on).

    The same predictions give the same bytes.

    Args:
        path: File to write.
        strategy: What the answers mean.
        dataset: The bars.
        outcomes: Of all folds.
    """
    tables = [_table(strategy, dataset, outcome) for outcome in outcomes]
    pyarrow.parquet.write_table(pa.concat_tables(tables), path)


def _table(strategy: Strategy, dataset: Dataset, outcome: FoldOutcome) -> pa.Table:
    rows, parts, predictions = _in_order(dataset, outcome)
    symbols = np.empty(len(dataset.times), object)
    for symbol, own in dataset.symbol_rows.items():
        symbols[own] = symbol
    columns = {
        "fold": pa.array(np.full(len(rows), outcome.fold.number), pa.int32()),
        "time": pa.array(dataset.times[rows], pa.timestamp("ns", "UTC")),
        "symbol": pa.array(symbols[rows], pa.string()),
        "split": pa.array(np.array([*PARTS, BACKTEST], object)[parts], pa.string()),
    }
    answers = _returns if strategy.is_regression else _classes
    columns |= answers(strategy, dataset, rows, predictions)
    wanted = directions(predictions, strategy.decisions, classes=strategy.classes, short=strategy.backtest.short)
    columns["position"] = pa.array(wanted, pa.int8())
    return pa.table(columns)


def _in_order(
    dataset: Dataset, outcome: FoldOutcome
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return all rows of a fold by time and symbol, the index of the part each belongs to, and the answers."""
    split, answers = outcome.fold.split, outcome.predictions
    deciding = decision_rows(dataset, outcome.fold)
    others = ~np.isin(deciding, split.test)
    by_part = [(split.part(name), answers[name]) for name in PARTS]
    by_part.append((deciding[others], answers[BACKTEST][others]))
    rows = np.concatenate([part for part, _ in by_part])
    parts = np.repeat(np.arange(len(by_part)), [len(part) for part, _ in by_part])
    predictions = np.concatenate([answered for _, answered in by_part])
    order = np.lexsort((rows, dataset.times[rows]))
    return rows[order], parts[order], predictions[order]


def _classes(
    strategy: Strategy, dataset: Dataset, rows: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> dict[str, pa.Array]:
    names = np.array(strategy.classes, object)
    labels = dataset.labels.classes[rows]
    predicted = names[probabilities.argmax(axis=1)]
    columns = {
        "label": pa.array(names[labels], pa.string(), mask=labels == UNLABELLED),
        "prediction": pa.array(predicted, pa.string()),
    }
    for index, name in enumerate(strategy.classes):
        columns[f"probability_{name}"] = pa.array(probabilities[:, index], pa.float32())
    undecided = ~decided(probabilities, strategy.decisions)
    return columns | {"decision": pa.array(predicted, pa.string(), mask=undecided)}


def _returns(
    strategy: Strategy, dataset: Dataset, rows: NDArray[np.int64], expected: NDArray[np.float32]
) -> dict[str, pa.Array]:
    returns = dataset.labels.returns[rows]
    directions_by_name = np.where(expected[:, 0] > 0, "up", "down").astype(object)
    undecided = ~decided(expected, strategy.decisions)
    return {
        "return": pa.array(returns, pa.float64(), mask=np.isnan(returns)),
        "prediction": pa.array(expected[:, 0], pa.float32()),
        "decision": pa.array(directions_by_name, pa.string(), mask=undecided),
    }
