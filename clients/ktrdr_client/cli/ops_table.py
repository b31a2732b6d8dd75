"""Operations as a table, and one operation in full."""

from collections.abc import Sequence
from typing import Any, Final

from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr.operations.v1.trends_pb2 import SEVERITY_INFO
from rich.text import Text

from ktrdr_client.cli.display import trouble
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.history_lines import attempt_lines, input_lines, note_lines
from ktrdr_client.cli.load_summary import asked_words
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.summary import error_lines, summary_lines
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.verdict_lines import verdict_lines, verdict_text
from ktrdr_client.cli.words import age_text, number, progress_words, state_text, time_text, title, work_words
from ktrdr_client.cli.worker_lines import worker_lines
from ktrdr_client.states import is_final, type_name

_COLUMNS: Final = (
    Column("ID"),
    Column("NAME", flexible=True),
    Column("TYPE"),
    Column("STATE"),
    Column("AGE", align="right"),
    Column("PROGRESS", flexible=True),
)


def print_operations(printer: Printer, operations: Sequence[Operation], **extra: Any) -> None:
    """Print a list of operations; in JSON with further keys."""
    printer.rows(
        _COLUMNS,
        [_row(operation) for operation in operations],
        [message_values(operation) for operation in operations],
        name="operations",
        empty="no operations",
        **extra,
    )


def _row(operation: Operation) -> list[str | Text]:
    words = Text()
    for verdict in operation.verdicts:
        if verdict.active and verdict.severity != SEVERITY_INFO:
            words.append_text(verdict_text(verdict)).append(" · ")
    words.append(trouble(operation) or progress_words(operation))
    if operation.attempt > 1:
        words.append(f" · attempt {operation.attempt}")
    age = age_text(operation.create_time)
    return [operation.id, title(operation), type_name(operation), state_text(operation), age, words]


def detail_lines(operation: Operation) -> list[Text]:
    """Return all that is known of an operation, for people."""
    if is_final(operation):
        lines = summary_lines(operation)
    else:
        lines = [Text.assemble(state_text(operation), f"  {title(operation)} ({operation.id})")]
        at_work = operation.state in {Operation.STATE_RUNNING, Operation.STATE_CANCELLING}
        progress = work_words(operation.progress) or "starting" if at_work else progress_words(operation)
        lines.append(fact("progress", progress))
        lines += error_lines_if_any(operation)
    lines.append(fact("type", f"{type_name(operation)}, attempt {operation.attempt}"))
    if operation.HasField("data_load"):
        lines.append(fact("asked", asked_words(operation.data_load)))
    lines.append(fact("host", f"{operation.host or 'none yet'}  session {operation.session_id or 'none yet'}"))
    if problem := trouble(operation):
        lines.append(fact("trouble", problem))
    if operation.cancel_requested:
        lines.append(fact("stop asked", operation.cancel_reason or "without a reason"))
    lines += worker_lines(operation)
    for label, stamp in (
        ("created", operation.create_time),
        ("started", operation.start_time),
        ("changed", operation.update_time),
        ("ended", operation.end_time),
    ):
        if text := time_text(stamp):
            lines.append(fact(label, f"{text} UTC"))
    if operation.labels:
        lines.append(fact("labels", " ".join(f"{key}={value}" for key, value in sorted(operation.labels.items()))))
    lines += note_lines(operation)
    lines += input_lines(operation)
    lines += attempt_lines(operation)
    lines += _metric_lines(operation)
    lines += verdict_lines(operation.verdicts, operation.stop_on)
    return lines


def error_lines_if_any(operation: Operation) -> list[Text]:
    """Return why an operation has an error, if it has one."""
    if not operation.HasField("error"):
        return []
    from ktrdr_client.status_errors import error_from_status

    return error_lines(error_from_status(operation.error))


def _metric_lines(operation: Operation) -> list[Text]:
    values = [f"{each.name} {number(each.value)} ({each.step})" for each in operation.latest_metrics]
    return [fact("metrics" if not index else "", value) for index, value in enumerate(values)]
