"""The errors of a training, each made in one place."""

from collections.abc import Sequence
from pathlib import Path

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError
from services.training_host.strategy.fault import Fault
from services.training_host.strategy.training_data import TrainingData

_SHOWN_FAULTS = 3
"""Faults in the message; all of them are in the fields."""


def strategy_invalid(faults: Sequence[Fault]) -> ServiceError:
    """The strategy breaks the rules of its format."""
    fields = [FieldViolation(fault.field, _with_place(fault)) for fault in faults]
    # In the words of the fields, so that a client which shows both can leave one of them out.
    shown = "; ".join(f"{field.field}: {field.description}" for field in fields[:_SHOWN_FAULTS])
    more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    return ServiceError(ErrorReason.ERROR_REASON_STRATEGY_INVALID, fields=fields, detail=shown + more)


def training_diverged(epochs: int) -> ServiceError:
    """The loss was never a number."""
    message = f"the loss is not a number after epoch {epochs}, and was not before; try a lower one"
    return strategy_invalid([Fault("training.learning_rate", message)])


def one_class_only(name: str) -> ServiceError:
    """The labels leave nothing to tell apart."""
    return strategy_invalid(
        [Fault("training.labels", f'all samples of the training part are "{name}"; change the threshold')]
    )


def bars_missing(symbol: str, data: TrainingData, detail: str = "") -> ServiceError:
    """There are no bars in the range of the strategy."""
    timeframe = data.timeframes.timeframe
    return ServiceError(
        ErrorReason.ERROR_REASON_BARS_MISSING,
        symbol=symbol,
        bar_size=timeframe,
        command=load_command(symbol, data),
        detail=detail,
    )


def load_command(symbol: str, data: TrainingData) -> str:
    """Return the command that brings a strategy's bars."""
    quoted = f"'{symbol}'" if " " in symbol else symbol
    return f"ktrdr data load {quoted} {data.timeframes.timeframe} --start {data.start_date} --end {data.end_date}"


def too_few_bars(available: int, needed: int, detail: str) -> ServiceError:
    """There are bars, but fewer than warm-up, labels and split need."""
    return ServiceError(ErrorReason.ERROR_REASON_TOO_FEW_BARS, available=available, needed=needed, detail=detail)


def device_unavailable(device: str, available: Sequence[str]) -> ServiceError:
    """This machine has no such device."""
    return ServiceError(
        ErrorReason.ERROR_REASON_DEVICE_UNAVAILABLE, device=device, available=", ".join(["auto", *available])
    )


def bar_source_unavailable(source: str, detail: str) -> ServiceError:
    """The place that bars come from cannot be read."""
    return ServiceError(ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE, source=source, detail=detail)


def storage_full(folder: Path, error: Exception) -> ServiceError:
    """The model cannot be written."""
    detail = (error.strerror or "") if isinstance(error, OSError) else ""
    return ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path=str(folder), detail=detail)


def _with_place(fault: Fault) -> str:
    return f"line {fault.line}, column {fault.column}: {fault.description}" if fault.line else fault.description
