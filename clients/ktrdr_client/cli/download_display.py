"""Show how a download goes: a bar on a terminal, a line for each file elsewhere."""

from typing import Protocol, Self

from ktrdr_client.cli.printer import Printer
from ktrdr_client.errors import KtrdrError
from ktrdr_client.models.model import DownloadProgress
from ktrdr_client.sizes import size_text


class DownloadDisplay(Protocol):
    """Something that shows a download, from entering it to leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_details: object) -> None: ...

    def update(self, progress: DownloadProgress) -> None:
        """Show how far it is."""

    def interrupted(self, error: KtrdrError, pause_seconds: float) -> None:
        """Tell that a stream broke."""


def download_display(printer: Printer) -> DownloadDisplay:
    """Return the display that fits: stderr is a terminal, or not."""
    return _Bar(printer) if printer.live else _Lines(printer)


class _Lines:
    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        pass

    def update(self, progress: DownloadProgress) -> None:
        """Print a line when a file is there."""
        if progress.received_bytes == progress.size_bytes:
            self._printer.message(f"{progress.name}  {size_text(progress.size_bytes)}")

    def interrupted(self, error: KtrdrError, pause_seconds: float) -> None:
        """Print it."""
        self._printer.message(f"{error.message}; trying again in {pause_seconds:.1f} s")


class _Bar:
    def __init__(self, printer: Printer) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(binary_units=True))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=printer.err, transient=True)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._progress.stop()

    def update(self, progress: DownloadProgress) -> None:
        """Move the bar."""
        self._progress.update(
            self._task,
            description=progress.name,
            completed=progress.total_received_bytes,
            total=progress.total_size_bytes,
        )

    def interrupted(self, error: KtrdrError, pause_seconds: float) -> None:
        """Print it above the bar."""
        text = f"{error.message}; trying again in {pause_seconds:.1f} s"
        self._progress.console.print(text, style="yellow", markup=False)
