"""The errors of a training, each made in one place."""

from collections.abc import Sequence
from pathlib import Path

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError
from services.training_host.bars.missing import MissingBars, fitting, load_commands
from services.training_host.strategy.fault import Fault
from services.training_host.strategy.training_data import TrainingData

_SHOWN_FAULTS = 3
"""Faults in the message; all of them are in the fields."""
_SHOWN_SERIES = 5
"""Series in the message; the commands name all of them."""

_LOG = structlog.get_logger(__name__)


def strategy_invalid(faults: Sequence[Fault]) -> ServiceError:
    """The strategy breaks the rules of its format."""
    fields = [FieldViolation(fault.field, _with_place(fault)) for fault in faults]
    # In the words of the fields, so that a client which shows both can leave one of them out.
    shown = "; ".join(": ".join(filter(None, field)) for field in fields[:_SHOWN_FAULTS])
    more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    return ServiceError(ErrorReason.ERROR_REASON_STRATEGY_INVALID, fields=fields, detail=shown + more)


def training_diverged(epochs: int) -> ServiceError:
    """The loss was never a number."""
    message = f"the loss is not a number after epoch {epochs}, and was not before; try a lower one"
    return strategy_invalid([Fault("training.learning_rate", message)])


def one_class_only(name: str, place: str = "training part") -> ServiceError:
    """The labels leave nothing to tell apart."""
    return strategy_invalid(
        [Fault("training.labels", f'all samples of the {place} are "{name}"; change the threshold')]
    )


def volume_missing(indicator: str, message: str) -> ServiceError:
    """An indicator reads what the bars do not have."""
    return strategy_invalid([Fault(f"indicators.{indicator}", message)])


def equal_returns(place: str = "training part") -> ServiceError:
    """A regression has nothing to learn."""
    message = f"the returns of the {place} are all the same; choose another horizon or range"
    return strategy_invalid([Fault("training.labels", message)])


def bars_missing(missing: Sequence[MissingBars], data: TrainingData, what_to_show: str = "") -> ServiceError:
    """There are no bars of some series in the range of the strategy.

    Args:
        missing: All of them, at least one.
        data: Says the range.
        what_to_show: Kind of prices in the words of the command; empty for trades.
    """
    commands = load_commands(missing, data, what_to_show)
    command = fitting(commands)
    _LOG.warning("bars_missing", series=len(missing), commands=commands)
    return ServiceError(
        ErrorReason.ERROR_REASON_BARS_MISSING,
        symbol=", ".join(dict.fromkeys(each.symbol for each in missing)),
        bar_size=", ".join(dict.fromkeys(each.timeframe for each in missing)),
        command=command,
        detail=_missing_detail(missing, all_told=command == " && ".join(commands)),
    )


def _missing_detail(missing: Sequence[MissingBars], *, all_told: bool) -> str:
    if len(missing) == 1:
        return missing[0].detail
    named = "; ".join(
        f"{each.symbol} {each.timeframe}" + (f" ({each.detail})" if each.detail else "")
        for each in missing[:_SHOWN_SERIES]
    )
    more = f"; and {len(missing) - _SHOWN_SERIES} more" if len(missing) > _SHOWN_SERIES else ""
    commands = "" if all_told else ". The first command follows; the session's log has all of them"
    return f"Missing are {named}{more}{commands}"


def mixed_sources(recorded: str, real: str) -> ServiceError:
    """Some series are recorded and some are real, and nothing says which are meant."""
    detail = f"{recorded} is recorded, {real} is real; a training takes one or the other."
    return ServiceError(ErrorReason.ERROR_REASON_DATASET_AMBIGUOUS, dataset="the strategy's series", detail=detail)


def damaged_bars(source: str, symbol: str, timeframe: str, fault: str) -> ServiceError:
    """A bar cannot be trained on."""
    detail = (
        f"Its bars of {symbol} {timeframe} are damaged: {fault}. Load them again (ktrdr data load … --reload), or "
        "correct the file"
    )
    return ServiceError(ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE, source=source, detail=detail)


def too_few_bars(available: int, needed: int, detail: str) -> ServiceError:
    """There are bars, but fewer than warm-up, labels and split need."""
    return ServiceError(ErrorReason.ERROR_REASON_TOO_FEW_BARS, available=available, needed=needed, detail=detail)


def device_unavailable(device: str, available: Sequence[str]) -> ServiceError:
    """This machine has no such device."""
    return ServiceError(
        ErrorReason.ERROR_REASON_DEVICE_UNAVAILABLE, device=device, available=", ".join(["auto", *available])
    )


def bar_source_unavailable(address: str, detail: str) -> ServiceError:
    """The IB host that bars come from cannot be read."""
    advice = "Start the IB host, or correct its address on the training host"
    return ServiceError(
        ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE, source=address, detail=f"{detail.rstrip('.')}. {advice}"
    )


def bar_file_unreadable(path: Path, detail: str) -> ServiceError:
    """The file that bars should come from cannot be read."""
    advice = "Name a Parquet or CSV file on the training host's machine that has them"
    return ServiceError(
        ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE, source=str(path), detail=f"{detail.rstrip('.')}. {advice}"
    )


def storage_full(folder: Path, error: Exception) -> ServiceError:
    """The model cannot be written."""
    detail = (error.strerror or "") if isinstance(error, OSError) else ""
    return ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path=str(folder), detail=detail)


def _with_place(fault: Fault) -> str:
    return f"line {fault.line}, column {fault.column}: {fault.description}" if fault.line else fault.description
