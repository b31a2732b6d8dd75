"""Show operations in place on a terminal: phase, bar, epoch, losses and a curve, redrawn as they change."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Self

from ktrdr.operations.v1.operations_pb2 import Operation
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ktrdr_client.cli.display import heading, trouble
from ktrdr_client.cli.load_progress import InstrumentProgress, instrument_progress, most_telling
from ktrdr_client.cli.stop_words import stop_words
from ktrdr_client.cli.verdict_lines import serious_verdicts, verdict_text
from ktrdr_client.cli.words import (
    eta_words,
    metric_words,
    number,
    percent,
    progress_words,
    result_words,
    run_time,
    state_text,
)
from ktrdr_client.metrics import MetricColumns, Metrics
from ktrdr_client.states import is_final, source_name, state_name
from ktrdr_client.times import duration_text

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_BAR_WIDTH: Final = 30
_BESIDE_BAR: Final = 10
"""Columns beside a bar: the indent, the share and the gaps."""
_STEP_WIDTH: Final = 50
"""Columns that a step and the time that is left should have; a bar takes what is left of them."""
_NARROWEST_BAR: Final = 8
_FEWEST_LETTERS: Final = 8
"""Letters of a step that are shown on the narrowest terminal."""
_MAXIMUM_SHOWN: Final = 8
"""Operations that are drawn at the same time."""
_MOST_INSTRUMENTS: Final = 10
"""Instruments of a load that are drawn."""


class LiveDisplay:
    """Draws what goes on at the bottom of the terminal; what has ended leaves its last picture behind.

    Args:
        console: Terminal to draw on.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._views: dict[str, OperationView] = {}
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._picture, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._live.stop()
        for view in self._views.values():
            self._console.print(view)

    def update(self, operation: Operation) -> None:
        """Draw an operation as it is now."""
        view = self._views.setdefault(operation.id, OperationView())
        view.take(operation)
        if is_final(operation) and len(self._views) > 1:
            del self._views[operation.id]
            self._live.console.print(view)

    def history(self, operation_id: str, metrics: Metrics) -> None:
        """Draw the curves of an operation."""
        if operation_id in self._views:
            self._views[operation_id].curves = metrics

    def gone(self, operation_id: str, why: str) -> None:
        """Take an operation out of the picture, and print a line above it."""
        self._views.pop(operation_id, None)
        self._live.console.print(f"{operation_id}  {why}", style="dim", markup=False)

    def note(self, text: str) -> None:
        """Print a line above the picture."""
        self._live.console.print(text, style="yellow", markup=False)

    def _picture(self) -> RenderableType:
        views = list(self._views.values())
        hidden = len(views) - _MAXIMUM_SHOWN
        more = [Text(f"… and {hidden} more", style="dim")] if hidden > 0 else []
        return Group(*views[:_MAXIMUM_SHOWN], *more)


class OperationView:
    """The picture of one operation."""

    def __init__(self) -> None:
        self.operation = Operation()
        self.curves: Metrics | None = None
        self._phases: list[str] = []

    def take(self, operation: Operation) -> None:
        """Show this newer state."""
        self.operation = operation
        phase = operation.progress.phase
        if phase and phase not in self._phases:
            self._phases.append(phase)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._picture(options.max_width)

    def _picture(self, width: int) -> RenderableType:
        operation = self.operation
        parts: list[RenderableType] = [self._first_line()]
        if len(self._phases) > 1:
            parts.append(self._phase_line())
        if not is_final(operation):
            parts.append(self._bar_line(width))
            if instruments := instrument_progress(operation):
                parts.append(instrument_lines(instruments, len(operation.data_load.instruments), width))
        elif operation.HasField("data_load_result"):
            source = source_name(operation.data_load_result.source)
            parts.append(Text(f"  {result_words(operation)} ({source})", style="dim"))
        parts += [Text("  " + line, style="dim", overflow="ellipsis", no_wrap=True) for line in self._metric_lines()]
        for verdict in serious_verdicts(operation):
            line = Text("  ", no_wrap=True, overflow="ellipsis").append_text(verdict_text(verdict))
            parts.append(line.append(f": {verdict.evidence}", style="dim"))
        if trouble_text := trouble(operation):
            parts.append(Text("  " + trouble_text, style="yellow"))
        return Group(*parts)

    def _first_line(self) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append_text(state_text(self.operation))
        line.append(f"  {heading(self.operation)}")
        if (duration := run_time(self.operation)) is not None:
            line.append(f"  {duration_text(duration)}", style="dim")
        return line

    def _phase_line(self) -> Text:
        done = state_name(self.operation) == "COMPLETED"
        line = Text("  ")
        for phase in self._phases:
            current = phase == self.operation.progress.phase and not done
            line.append("▸ " if current else "✓ ", style="cyan" if current else "green")
            line.append(phase + "  ", style="" if current else "dim")
        return line

    def _bar_line(self, width: int) -> RenderableType:
        progress = self.operation.progress
        bar_width = min(_BAR_WIDTH, max(_NARROWEST_BAR, width - _STEP_WIDTH))
        line = Table.grid(padding=(0, 1))
        line.add_column(width=1)
        line.add_column(width=bar_width, no_wrap=True)
        line.add_column(width=5, justify="right", no_wrap=True)
        line.add_column(overflow="ellipsis", no_wrap=True)
        known = progress.HasField("fraction")
        bar = ProgressBar(total=1.0, completed=progress.fraction if known else 0.0, width=bar_width, pulse=not known)
        # The step is cut where the terminal is too narrow, and not the time that is left.
        eta = f" · {eta_words(progress)}" if progress.HasField("eta") else ""
        step = Text(self._step())
        step.truncate(max(_FEWEST_LETTERS, width - bar_width - _BESIDE_BAR - len(eta)), overflow="ellipsis")
        left = Text.assemble(step, eta) if step else Text(eta.removeprefix(" · "))
        line.add_row("", bar, percent(progress.fraction) if known else "", left)
        return line

    def _step(self) -> str:
        progress = self.operation.progress
        if self.operation.state in {Operation.STATE_PENDING, Operation.STATE_QUEUED}:
            return progress_words(self.operation)
        return stop_words(self.operation) or progress.wait_reason or progress.step or progress.phase

    def _metric_lines(self) -> Sequence[str]:
        words = metric_words(self.operation)
        losses = self.curves.get("val_loss") if self.curves is not None else None
        if losses is None or not len(losses):
            return [" · ".join(words)] if words else []
        best = best_point(losses)
        if best is not None:
            points = [(losses.values[best], losses.steps[best])]
            points += [(each.value, each.step) for each in self.operation.latest_metrics if each.name == "val_loss"]
            words.append("best {} at {}".format(*(number(part) for part in min(points))))
        return [" · ".join(words), f"val loss {sparkline(losses.values, 60)}"]


def instrument_lines(every: Sequence[InstrumentProgress], total: int, width: int) -> RenderableType:
    """Return a small bar for each instrument of a load; those around the one at work where there are many."""
    shown = most_telling(every, _MOST_INSTRUMENTS)
    name_width = min(16, max(len(each.name) for each in every))
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(no_wrap=True, width=name_width)
    table.add_column(no_wrap=True, width=_BAR_WIDTH // 2)
    table.add_column(overflow="ellipsis", no_wrap=True)
    for each in shown:
        bar = ProgressBar(total=max(1, each.total, each.done), completed=each.done, width=_BAR_WIDTH // 2)
        words = Text(each.words, style="green" if each.is_over else "")
        words.truncate(max(_FEWEST_LETTERS, width - name_width - _BAR_WIDTH // 2 - _BESIDE_BAR), overflow="ellipsis")
        table.add_row("", each.name, bar, words)
    if (hidden := max(total, len(every)) - len(shown)) > 0:
        over = sum(each.is_over for each in every)
        return Group(table, Text(f"  … {hidden} more; {over} of {max(total, len(every))} are over", style="dim"))
    return table


def best_point(losses: MetricColumns) -> int | None:
    """Return the index of the lowest finite loss; None if there is none."""
    finite = [index for index, value in enumerate(losses.values) if math.isfinite(value)]
    return min(finite, key=lambda index: losses.values[index], default=None)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve of one line: the newest values at the right, each block the mean of its share of them."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    count = min(width, len(finite))
    edges = [len(finite) * index // count for index in range(count + 1)]
    means = [sum(finite[low:high]) / (high - low) for low, high in pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)
