"""Say how an operation ended: what it brought, where that lies, and which commands to try next."""

from collections.abc import Sequence
from typing import Final

from ktrdr.operations.v1.operations_pb2 import OPERATION_TYPE_TRAINING, Operation
from rich.text import Text

from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.failures import error_text_lines
from ktrdr_client.cli.invocation import OutputFormat
from ktrdr_client.cli.load_summary import changed_words, data_load_lines, load_commands
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.training_summary import training_lines
from ktrdr_client.cli.words import run_time, state_text, title
from ktrdr_client.errors import KtrdrError
from ktrdr_client.times import duration_text
from ktrdr_client.waiting import FinishedOperation

_ENDS_THE_SAME_AGAIN: Final = ("STRATEGY_INVALID", "TOO_FEW_BARS", "DEVICE_UNAVAILABLE")
"""Why a training failed that would fail again unless its strategy is changed."""
_NOTHING_TO_RETRY: Final = ("INSTRUMENT_NOT_FOUND", "INSTRUMENT_AMBIGUOUS")
"""Why a load failed that needs another request."""


def print_finished(printer: Printer, operations: Sequence[Operation]) -> None:
    """Print finished operations: a summary of each, or the whole records in the chosen format."""
    for operation in operations:
        if changed := changed_words(operation.data_load_result):
            printer.message(
                Text(f"STORED BARS WERE CHANGED: {changed}; trainings on them would differ now", "bold yellow")
            )
    if printer.format is OutputFormat.TABLE:
        for operation in operations:
            for line in summary_lines(operation):
                printer.text(line)
    elif printer.format is OutputFormat.JSON and len(operations) == 1:
        printer.json(message_values(operations[0]))
    else:
        records = [message_values(operation) for operation in operations]
        printer.rows([], [], records, name="operations")


def summary_lines(operation: Operation) -> list[Text]:
    """Return the lines that tell how an operation ended."""
    duration = run_time(operation)
    head = state_text(operation)
    head.append(f"  {title(operation)} ({operation.id})", style="default")
    if duration is not None:
        head.append(f" after {duration_text(duration)}", style="default")
    finished = FinishedOperation(operation)
    lines = [head]
    if finished.training is not None:
        lines += training_lines(finished.training)
    if finished.data_load is not None:
        lines += data_load_lines(finished.data_load, failed=operation.state != Operation.STATE_COMPLETED)
    if finished.error is not None:
        lines += error_lines(finished.error)
    if operation.metrics_incomplete:
        lines.append(fact("metrics", operation.metrics_incomplete))
    return lines + [fact("next" if first else "", text) for first, text in _next_steps(operation)]


def error_lines(error: KtrdrError) -> list[Text]:
    """Return why an operation failed or was cancelled."""
    first, *rest = error_text_lines(error)
    reason = f"{first}  [{error.reason}]" if error.reason else first
    return [fact("why", reason), *(fact("", line) for line in rest)]


def _next_steps(operation: Operation) -> list[tuple[bool, str]]:
    commands: list[str] = []
    if operation.HasField("training_result"):
        commands = [f"ktrdr models get {operation.id}", f"ktrdr ops metrics {operation.id} --plot"]
    elif operation.state == Operation.STATE_COMPLETED and operation.HasField("data_load_result"):
        commands = load_commands(operation.data_load_result)
    elif operation.state in (Operation.STATE_FAILED, Operation.STATE_CANCELLED) and _host_started(operation):
        going_on = f"ktrdr ops retry {operation.id} --from-checkpoint"
        if operation.state == Operation.STATE_FAILED:
            change = " --set KEY=VALUE" if _reason(operation) in _ENDS_THE_SAME_AGAIN else ""
            again = going_on if _may_go_on(operation) else f"ktrdr ops retry {operation.id}{change}"
            commands = [f"ktrdr ops logs {operation.id} --tail 50"]
            commands += [again] if _reason(operation) not in _NOTHING_TO_RETRY else []
        elif _may_go_on(operation):
            commands = [going_on]
    return [(index == 0, text) for index, text in enumerate(commands)]


def _host_started(operation: Operation) -> bool:
    return bool(operation.session_id) and not operation.attached


def _may_go_on(operation: Operation) -> bool:
    """Return whether a training may have left a checkpoint from which more of it would bring more."""
    refused = _reason(operation) in (*_ENDS_THE_SAME_AGAIN, "CHECKPOINT_NOT_FOUND")
    began = bool(operation.latest_metrics or operation.checkpoint_session_id)
    return operation.type == OPERATION_TYPE_TRAINING and began and not refused


def _reason(operation: Operation) -> str:
    error = FinishedOperation(operation).error
    return error.reason if error is not None else ""
