"""Print data on stdout, and everything else on stderr."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.tables import Column, table_lines


def message_values(message: Message) -> dict[str, Any]:
    """Return a message as plain values, with the names of the contract."""
    values: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return values


class Printer:
    """Where and how one command prints.

    Args:
        invocation: Flags of the call.
    """

    def __init__(self, invocation: Invocation) -> None:
        self.format = invocation.output
        self.quiet = invocation.quiet
        no_color = not invocation.color
        self.out = Console(no_color=no_color, highlight=False, emoji=False, soft_wrap=True)
        self._streamed = False
        self.err = Console(stderr=True, no_color=no_color, highlight=False, emoji=False)

    @property
    def live(self) -> bool:
        """Progress may be drawn in place: stderr is a terminal, and nobody asked for silence."""
        return self.err.is_terminal and not self.quiet

    def message(self, text: str | Text) -> None:
        """Tell something beside the data."""
        if not self.quiet:
            self.err.print(text, soft_wrap=True, markup=False)

    def problem(self, text: str) -> None:
        """Tell what went wrong; --quiet does not hide it."""
        first, _, rest = text.partition("\n")
        line = Text.assemble(("error: ", "bold red"), first)
        self.err.print(line, soft_wrap=True)
        if rest:
            self.err.print(rest, soft_wrap=True, markup=False)

    def text(self, text: str | Text) -> None:
        """Print a line of data."""
        self.out.print(text, markup=False)

    def markdown(self, text: str) -> None:
        """Print Markdown: laid out on a terminal, as it is elsewhere."""
        if not self.out.is_terminal:
            self.raw(text)
            return
        from rich.markdown import Markdown

        self.out.print(Markdown(text), width=self.width, soft_wrap=False)

    def raw(self, text: str) -> None:
        """Print text that is laid out already."""
        sys.stdout.write("".join(line.rstrip() + "\n" for line in text.splitlines()))
        sys.stdout.flush()

    @property
    def width(self) -> int:
        """Columns that a picture may take."""
        return min(self.out.width, 120)

    @property
    def coloured(self) -> bool:
        """Data may be coloured."""
        return self.out.is_terminal and not self.out.no_color

    def record(self, record: Mapping[str, Any]) -> None:
        """Print one record of a stream, at once; JSON streams are lines too."""
        if self.format is OutputFormat.CSV:
            write_csv([record], header=not self._streamed)
        else:
            print(json.dumps(record), flush=True)  # noqa: T201 - data
        self._streamed = True

    def json(self, value: Any) -> None:
        """Print one value as JSON: indented, or on a line of its own for jsonl."""
        print(json.dumps(value, indent=2 if self.format is OutputFormat.JSON else None), flush=True)  # noqa: T201 - data

    def rows(
        self,
        columns: Sequence[Column],
        cells: Iterable[Sequence[str | Text]],
        records: Iterable[Mapping[str, Any]],
        *,
        name: str,
        empty: str = "",
        **extra: Any,
    ) -> None:
        """Print a list in the chosen format.

        Args:
            columns: Columns of the table.
            cells: Rows of the table.
            records: The same rows, whole, for JSON and CSV.
            name: Key of the list in JSON.
            empty: What to say on stderr instead of an empty table.
            extra: Further keys in JSON.
        """
        if self.format is OutputFormat.JSON:
            self.json({name: list(records), **extra})
        elif self.format is OutputFormat.JSONL:
            for record in records:
                self.json(record)
        elif self.format is OutputFormat.CSV:
            write_csv(records)
        else:
            self._table(columns, list(cells), empty)

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], empty: str) -> None:
        if rows:
            for line in table_lines(columns, rows, self.out.width if self.out.is_terminal else None):
                self.text(line)
        else:
            self.message(empty)


def write_csv(records: Iterable[Mapping[str, Any]], *, header: bool = True) -> None:
    """Print records as CSV; the first one names the columns. What is nested becomes JSON within its cell."""
    writer: csv.DictWriter[str] | None = None
    for record in records:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(record), extrasaction="ignore", lineterminator="\n")
            if header:
                writer.writeheader()
        writer.writerow(
            {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in record.items()}
        )
    sys.stdout.flush()
