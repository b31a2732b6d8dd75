"""Draw curves with characters."""

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


def print_plot(printer: Printer, metrics: Metrics, name: str, *, chosen: bool) -> None:
    """Draw series: those of a kind in one picture; chosen ones all in one."""
    panels = [(", ".join(metrics), list(metrics.values()))] if chosen else _panels(metrics)
    for label, columns in panels:
        printer.raw(_picture(f"{name}: {label}", columns, printer.width, coloured=printer.coloured))


def _panels(metrics: Metrics) -> list[tuple[str, list[MetricColumns]]]:
    panels = [(label, [metrics[name] for name in names if name in metrics]) for label, names in _PANELS]
    found = [(label, columns) for label, columns in panels if columns]
    return found or [(name, [column]) for name, column in metrics.items()]


def _picture(label: str, columns: list[MetricColumns], width: int, *, coloured: bool) -> str:
    plotext.clear_figure()
    plotext.theme("clear" if not coloured else "pro")
    plotext.plotsize(width, _HEIGHT)
    plotext.title(label)
    for column in columns:
        plotext.plot(list(column.steps), list(column.values), label=column.name, marker="braille")
    picture: str = plotext.build()
    return picture if coloured else plotext.uncolorize(picture)
