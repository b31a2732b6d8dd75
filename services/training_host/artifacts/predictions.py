"""The table of what the network answers for each sample."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from services.training_host.dataset import Dataset


def write_predictions(
    path: Path, dataset: Dataset, classes: Sequence[str], probabilities: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write a Parquet file with a row for each sample, in the order of time.

    Its columns are time (UTC), symbol, split (`train`, `validation`, `test`), label, prediction, and
    `probability_<class>` for each class.

    Args:
        path: File to write.
        dataset: The samples.
        classes: Names of the classes, in the order of the network's outputs.
        probabilities: float32 [samples, classes] by name of the part, in the order of the parts.
    """
    names = np.array(classes, dtype=object)
    rows = {part: dataset.split.part(part) for part in probabilities}
    chances = np.concatenate(list(probabilities.values()))
    samples = np.concatenate(list(rows.values()))
    table = {
        "time": pa.array(dataset.bars.times[samples], pa.timestamp("ns", "UTC")),
        "symbol": pa.array([dataset.bars.symbol] * len(samples), pa.string()),
        "split": pa.array([part for part, indices in rows.items() for _ in indices], pa.string()),
        "label": pa.array(names[dataset.labels.classes[samples]], pa.string()),
        "prediction": pa.array(names[chances.argmax(axis=1)], pa.string()),
    }
    for index, name in enumerate(classes):
        table[f"probability_{name}"] = pa.array(chances[:, index], pa.float32())
    pyarrow.parquet.write_table(pa.table(table), path)
