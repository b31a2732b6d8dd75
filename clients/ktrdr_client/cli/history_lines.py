"""Say what an operation has gone through, and what people keep with it."""

from ktrdr.operations.v1.operations_pb2 import AttemptRecord, LineageInput, Operation
from rich.text import Text

from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.words import STATE_STYLES
from ktrdr_client.status_errors import error_from_status
from ktrdr_client.times import duration_text

_PREFIX = "STATE_"
_MOST_LOADS = 3


def note_lines(operation: Operation) -> list[Text]:
    """Return the notes, a line of each."""
    lines = operation.notes.splitlines()
    return [fact("notes" if not index else "", line) for index, line in enumerate(lines)]


def attempt_lines(operation: Operation) -> list[Text]:
    """Return how the attempts before the latest ended, and what was changed after each."""
    lines = []
    for past in operation.past_attempts:
        line = fact(f"attempt {past.attempt}", "")
        state = Operation.State.Name(past.state).removeprefix(_PREFIX)
        line.append(state, style=STATE_STYLES.get(state, ""))
        line.append(_attempt_words(past))
        lines.append(line)
        if past.next_overrides:
            pairs = " ".join(f"--set {key}={value}" for key, value in sorted(past.next_overrides.items()))
            lines.append(fact("", f"then {pairs}"))
    if operation.checkpoint_session_id:
        lines.append(fact("goes on from", f"the last checkpoint of {operation.checkpoint_session_id}"))
    return lines


def input_lines(operation: Operation) -> list[Text]:
    """Return the datasets that were read, and the loads that had left them so; of a load, the datasets that it left."""
    lines = []
    for each in operation.inputs:
        lines.append(fact("read", _input_words(each)))
        lines.append(fact("", f"fingerprint {each.dataset.fingerprint}"))
    for load in operation.data_load_result.loads:
        if load.dataset.fingerprint:
            lines.append(fact("left", f"{load.dataset.key.instrument.symbol}: {load.dataset.rows:,} bars"))
            lines.append(fact("", f"fingerprint {load.dataset.fingerprint}"))
    return lines


def _attempt_words(past: AttemptRecord) -> str:
    words = ""
    if past.start_time.seconds and past.end_time.seconds:
        words += f" after {duration_text(past.end_time.ToDatetime() - past.start_time.ToDatetime())}"
    words += f" on {past.host}" if past.host else ""
    if past.HasField("error"):
        error = error_from_status(past.error)
        words += f": {error.reason}" if error.reason else ""
    return words


def _input_words(each: LineageInput) -> str:
    dataset, loads = each.dataset, each.data_operation_ids
    words = f"{dataset.name}: {dataset.bars:,} bars"
    if loads:
        more = f" and {len(loads) - _MOST_LOADS} more" if len(loads) > _MOST_LOADS else ""
        words += f", loaded by {', '.join(loads[:_MOST_LOADS])}{more}"
    return words
