"""Show how many bars are on their way: a count on a terminal, nothing elsewhere."""

from typing import Protocol, Self

from ktrdr_client.cli.printer import Printer


class TransferDisplay(Protocol):
    """Something that shows how bars move, from entering it to leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_details: object) -> None: ...

    def rows(self, moved: int, total: int | None = None) -> None:
        """Show how many have moved; called in any thread."""

    def note(self, text: str) -> None:
        """Tell something beside it."""


def transfer_display(printer: Printer, verb: str) -> TransferDisplay:
    """Return the display that fits: stderr is a terminal, or not.

    Args:
        printer: Prints.
        verb: What happens to the bars: "written", "sent".
    """
    return _Bar(printer, verb) if printer.live else _Notes(printer)


class _Notes:
    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        pass

    def rows(self, moved: int, total: int | None = None) -> None:
        """Tell nothing: the end says how many there were."""

    def note(self, text: str) -> None:
        """Print it."""
        self._printer.message(text)


class _Bar:
    def __init__(self, printer: Printer, verb: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        self._verb = verb
        self._progress = Progress(*columns, console=printer.err, transient=True)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._progress.stop()

    def rows(self, moved: int, total: int | None = None) -> None:
        """Move the bar."""
        count = f"{moved:,} bars {self._verb}" if total is None else f"{moved:,} of {total:,} bars {self._verb}"
        self._progress.update(self._task, description=count, completed=moved, total=total)

    def note(self, text: str) -> None:
        """Print it above the bar."""
        self._progress.console.print(text, style="yellow", markup=False)
