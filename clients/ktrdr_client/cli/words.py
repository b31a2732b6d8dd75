"""Operations, numbers and times in few words."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1.session_pb2 import Progress
from ktrdr.ib.v1.bars_pb2 import DatasetKey, Instrument
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr.training.v1.training_pb2 import Evaluation
from rich.text import Text

from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.stop_words import stop_words
from ktrdr_client.instruments import instrument_title
from ktrdr_client.states import state_name, what_to_show_name
from ktrdr_client.times import duration_text

STATE_STYLES: Final = {
    "PENDING": "yellow",
    "QUEUED": "yellow",
    "RUNNING": "cyan",
    "CANCELLING": "magenta",
    "COMPLETED": "green",
    "FAILED": "bold red",
    "CANCELLED": "magenta",
}
_METRIC_WORDS: Final = {"train_loss": "train loss", "val_loss": "val loss", "val_accuracy": "val acc"}
"""The metrics that are worth a place in a line of progress, and how they are called there."""
_MOST_NAMES: Final = 6
"""Instruments that a title names."""


def state_text(operation: Operation) -> Text:
    """Return the state in its colour."""
    name = state_name(operation)
    return Text(name, style=STATE_STYLES.get(name, ""))


def title(operation: Operation) -> str:
    """Return what an operation is called: its name, or what it works on."""
    if operation.display_name:
        return operation.display_name
    if operation.HasField("data_load"):
        return f"{_symbols(operation.data_load.instruments)} {bar_size_name(operation.data_load.bar_size)}"
    if operation.HasField("training"):
        return strategy_name(operation.training.strategy) or "training"
    return operation.session_id or operation.id


def dataset_title(key: DatasetKey) -> str:
    """Return what a dataset is called: "AAPL 1d trades"."""
    prices = what_to_show_name(key.what_to_show).lower()
    return f"{instrument_title(key.instrument)} {bar_size_name(key.bar_size)} {prices}"


def _symbols(instruments: Sequence[Instrument]) -> str:
    names = [instrument_title(each) for each in instruments]
    more = len(names) - _MOST_NAMES
    return " ".join(names if more <= 1 else [*names[:_MOST_NAMES], f"and {more} more"])


def strategy_name(yaml_text: str) -> str:
    """Return the name that the YAML of a strategy gives it; "" if there is none at the beginning of a line."""
    for line in yaml_text.splitlines():
        key, colon, value = line.partition(":")
        if key == "name" and colon:
            return value.split(" #")[0].strip().strip("\"'")
    return ""


def progress_words(operation: Operation) -> str:
    """Return where an operation stands: "train 38 %, epoch 23/60"; why it waits, stops or failed, if it does."""
    progress = operation.progress
    if operation.state in {Operation.STATE_PENDING, Operation.STATE_QUEUED}:
        return operation.wait_reason or progress.wait_reason or "waiting"
    if operation.state == Operation.STATE_FAILED:
        return operation.error.message.splitlines()[0] if operation.error.message else ""
    if operation.state == Operation.STATE_CANCELLED:
        return operation.cancel_reason or "on request"
    if operation.state == Operation.STATE_COMPLETED:
        return result_words(operation)
    return ", ".join(part for part in (stop_words(operation), work_words(progress)) if part) or "starting"


def work_words(progress: Progress) -> str:
    """Return where the work of a session stands: "train 38 %, epoch 23/60"; "" while it has told nothing."""
    share = f"{progress.phase} {percent(progress.fraction)}" if progress.HasField("fraction") else progress.phase
    return ", ".join(part for part in (share, progress.step, progress.wait_reason) if part)


def result_words(operation: Operation) -> str:
    """Return what a completed operation brought, in one line; "" if it says nothing."""
    if operation.HasField("training_result"):
        result = operation.training_result
        accuracy = "sign accuracy" if is_regression(result.test) else "test accuracy"
        return f"{accuracy} {percent(result.test_accuracy, 1)} (majority {percent(result.majority_accuracy, 1)})"
    if operation.HasField("data_load_result"):
        loads = operation.data_load_result.loads
        gaps = sum(load.HasField("verdict") and not load.verdict.complete for load in loads)
        incomplete = f", {gaps} of {len(loads)} incomplete" if len(loads) > 1 else ", incomplete"
        bars = sum(load.range_rows for load in loads)
        return f"{bars:,} bar{'' if bars == 1 else 's'}{incomplete if gaps else ''}"
    return ""


def is_regression(test: Evaluation) -> bool:
    """Say whether a network was judged by returns, and not by classes."""
    return test.samples > 0 and not test.classes


def percent(share: float, digits: int = 0, *, signed: bool = False) -> str:
    """Return a share as percentage: "38 %", or "+38 %" where the sign matters."""
    return f"{100 * share:{'+' if signed else ''}.{digits}f} %" if math.isfinite(share) else "n/a"


def number(value: float) -> str:
    """Return a number with the digits that matter: "0.9231", "1.2e-05", "3,270"."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if 0.001 <= abs(value) < 100_000:
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return f"{value:.2g}"


def metric_words(operation: Operation) -> list[str]:
    """Return the newest metrics that have a place in a line of progress: "val loss 0.9231"."""
    latest = {each.name: each.value for each in operation.latest_metrics}
    return [
        f"{word} {percent(latest[name], 1) if name.endswith('accuracy') else number(latest[name])}"
        for name, word in _METRIC_WORDS.items()
        if name in latest
    ]


def date_text(stamp: Timestamp) -> str:
    """Return the date of a time, UTC: "2000-03-01"."""
    return stamp.ToDatetime(tzinfo=UTC).date().isoformat()


def time_text(stamp: Timestamp) -> str:
    """Return a time, UTC, to the second: "2000-03-01 14:30:00"; "" for one that is not set."""
    if stamp.seconds == 0 and stamp.nanos == 0:
        return ""
    return stamp.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S")


def age_text(stamp: Timestamp) -> str:
    """Return how long ago something was, in one unit: "12s", "5m", "3h", "2d"; "" for a time that is not set."""
    if stamp.seconds == 0:
        return ""
    seconds = max(0, int((datetime.now(UTC) - stamp.ToDatetime(tzinfo=UTC)).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def run_time(operation: Operation) -> timedelta | None:
    """Return how long an operation has worked, or worked in all; None if it has not begun."""
    if operation.start_time.seconds == 0:
        return None
    end = operation.end_time if operation.end_time.seconds else operation.update_time
    return max(timedelta(), end.ToDatetime() - operation.start_time.ToDatetime())


def eta_words(progress: Progress) -> str:
    """Return the estimated time to the end of the phase: "4 s left"; "" while it cannot be told."""
    return f"{duration_text(progress.eta.ToTimedelta())} left" if progress.HasField("eta") else ""
