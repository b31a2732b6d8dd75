"""Draw curves with characters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import plotext

from ktrdr_client.cli.printer import Printer
from ktrdr_client.metrics import MetricColumns, Metrics

_HEIGHT: Final = 18
_PANELS: Final = (
    ("loss", ("train_loss", "val_loss")),
    ("accuracy", ("train_accuracy", "val_accuracy")),
    ("rows", ("rows",)),
)
"""What is drawn together when no series are chosen."""


@dataclass(frozen=True)
class Curve:
    """A curve and what it is called in the picture."""

    label: str
    points: MetricColumns


def print_plot(printer: Printer, metrics: Metrics, name: str, *, chosen: bool) -> None:
    """Draw series: those of a kind in one picture; chosen ones all in one."""
    panels = [(", ".join(metrics), list(metrics.values()))] if chosen else _panels(metrics)
    for label, columns in panels:
        print_picture(printer, f"{name}: {label}", [Curve(column.name, column) for column in columns])


def print_picture(printer: Printer, label: str, curves: Sequence[Curve]) -> None:
    """Draw curves over their steps in one picture."""
    printer.raw(_picture(label, curves, printer.width, coloured=printer.coloured))


def _panels(metrics: Metrics) -> list[tuple[str, list[MetricColumns]]]:
    panels = [(label, [metrics[name] for name in names if name in metrics]) for label, names in _PANELS]
    found = [(label, columns) for label, columns in panels if columns]
    return found or [(name, [column]) for name, column in metrics.items()]


def _picture(label: str, curves: Sequence[Curve], width: int, *, coloured: bool) -> str:
    figure = plotext.figure
    figure.clear()
    figure.theme("simple")
    figure.plot_size(width, _HEIGHT)
    figure.title(label)
    top, right = -math.inf, 0
    for curve in curves:
        column = curve.points
        points = [
            (step, value) for step, value in zip(_abscissas(column), column.values, strict=True) if math.isfinite(value)
        ]
        if not points:
            continue
        top, right = max(top, *(value for _, value in points), -math.inf), max(right, points[-1][0])
        signal = figure.signal([step for step, _ in points], [value for _, value in points], marker="braille").lines()
        signal.label(curve.label)
        figure.draw(signal)
    figure.legend(x=right, y=top, ha="right", va="top", relative=True)
    picture: str = figure.build().string(colorless=not coloured)
    return picture


def _abscissas(column: MetricColumns) -> Sequence[int]:
    """Return where the points lie: at their steps, or one after the other where steps begin again (batches do)."""
    steps = column.steps
    rising = all(earlier < later for earlier, later in pairwise(steps))
    return steps if rising else range(1, len(steps) + 1)
