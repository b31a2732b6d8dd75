"""Show operations while they are followed: as plain lines, or not at all (`live` has terminals)."""

import re
from collections.abc import Callable
from typing import Protocol, Self

from ktrdr.operations.v1.operations_pb2 import Operation
from rich.text import Text

from ktrdr_client.cli.load_progress import InstrumentProgress, instrument_progress
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.verdict_lines import serious_verdicts
from ktrdr_client.cli.words import metric_words, progress_words, state_text, title
from ktrdr_client.metrics import Metrics
from ktrdr_client.states import is_final, liveness_name, type_name
from ktrdr_client.times import duration_text
from ktrdr_client.verdicts import verdict_word


class Display(Protocol):
    """Something that shows operations as they change, from entering it to leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_details: object) -> None: ...

    def update(self, operation: Operation) -> None:
        """Show an operation as it is now."""

    def history(self, operation_id: str, metrics: Metrics) -> None:
        """Show the curves of an operation, as far as they have come."""

    def gone(self, operation_id: str, why: str) -> None:
        """Show an operation no longer, and say why."""

    def note(self, text: str) -> None:
        """Tell something beside the operations."""


class SilentDisplay:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        pass

    def update(self, operation: Operation) -> None:
        """Show nothing."""

    def history(self, operation_id: str, metrics: Metrics) -> None:
        """Show nothing."""

    def gone(self, operation_id: str, why: str) -> None:
        """Tell nothing."""

    def note(self, text: str) -> None:
        """Tell nothing."""


class LineDisplay:
    """One line for each thing worth telling, for pipes and log files: states, phases, and every tenth part of a phase.

    Args:
        print_line: Prints a line.
        prefixed: Several operations are shown, so that each line begins with whose it is.
        ends: Tell how they end; not needed where a summary follows.
    """

    def __init__(self, print_line: Callable[[str | Text], None], *, prefixed: bool, ends: bool = True) -> None:
        self._ends = ends
        self._print = print_line
        self._prefixed = prefixed
        self._told: dict[str, tuple[object, ...]] = {}
        self._instruments: dict[tuple[str, str], InstrumentProgress] = {}
        self._told_instruments: set[tuple[str, str]] = set()

    @classmethod
    def of(cls, printer: Printer, *, prefixed: bool) -> "LineDisplay":
        """Return one that prints to stderr, beside a summary of each operation on stdout."""
        return cls(printer.message, prefixed=prefixed, ends=prefixed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        pass

    def update(self, operation: Operation) -> None:
        """Print a line if there is something new to tell."""
        self._update_instruments(operation)
        if is_final(operation) and not self._ends:
            return
        progress = operation.progress
        tenth = int(progress.fraction * 10) if progress.HasField("fraction") else None
        # The seconds that a reason to wait counts down are no news.
        waits = re.sub(r"\d+", "#", operation.wait_reason + progress.wait_reason)
        found = tuple(verdict_word(each.kind) for each in serious_verdicts(operation))
        news = (operation.state, progress.phase, tenth, operation.liveness, waits, operation.cancel_stage, found)
        if self._told.get(operation.id) == news:
            return
        self._told[operation.id] = news
        self._print(self._line(operation))

    def _update_instruments(self, operation: Operation) -> None:
        """Print a line for each instrument of a load that is over: when it has stood still, as its chunks may grow."""
        for each in instrument_progress(operation):
            key = (operation.id, each.name)
            stands = is_final(operation) or self._instruments.get(key) == each
            self._instruments[key] = each
            if each.is_over and stands and key not in self._told_instruments:
                self._told_instruments.add(key)
                self._print(f"{operation.id if self._prefixed else ''}  {each.name}: {each.words}")

    def history(self, operation_id: str, metrics: Metrics) -> None:
        """Print nothing: the newest values are in the lines."""

    def gone(self, operation_id: str, why: str) -> None:
        """Print why."""
        self._told.pop(operation_id, None)
        self._print(f"{operation_id}  {why}")

    def note(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def _line(self, operation: Operation) -> Text:
        line = Text(f"{operation.id}  {title(operation)}  " if self._prefixed else "")
        line.append_text(state_text(operation))
        words = [progress_words(operation)]
        if operation.state == Operation.STATE_RUNNING:
            words += metric_words(operation)
            words += [verdict_word(each.kind) for each in serious_verdicts(operation)]
        words.append(trouble(operation))
        line.append("  " + " · ".join(word for word in words if word))
        return line


def trouble(operation: Operation) -> str:
    """Return what is wrong with the view of an operation: "" while it is seen as it should be."""
    liveness = liveness_name(operation)
    if is_final(operation) or liveness in {"", "FRESH"}:
        return ""
    if liveness == "LOST":
        return f"lost: {operation.loss.evidence} {_grace_words(operation)}"
    return f"host {operation.host} does not answer ({liveness.lower()}); the work may go on there"


def _grace_words(operation: Operation) -> str:
    left = operation.loss.grace_left.ToTimedelta()
    when = f"in {duration_text(left)}" if left else "as soon as that is certain"
    return f"It fails {when} unless it is seen again."


def heading(operation: Operation) -> str:
    """Return the line above an operation that is followed."""
    host = f" on {operation.host}" if operation.host else ""
    return f"{type_name(operation).replace('_', ' ')} {title(operation)} · {operation.id}{host}"
