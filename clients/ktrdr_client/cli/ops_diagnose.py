"""`ktrdr ops diagnose`: what the rules find in the metrics of operations."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from ktrdr.operations.v1.operations_pb2 import DiagnoseOperationResponse, Operation
from ktrdr.operations.v1.trends_pb2 import Verdict
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem
from ktrdr_client.cli.named_operations import Ids, Name
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.verdict_lines import severity_word, verdict_text
from ktrdr_client.cli.words import title
from ktrdr_client.verdicts import parse_verdict_kind, verdict_word

_COLUMNS: Final = (
    Column("VERDICT"),
    Column("HOLDS"),
    Column("SEVERITY"),
    Column("SERIES"),
    Column("STEPS", align="right"),
    Column("EVIDENCE", flexible=True),
)


async def diagnose(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=NUMBER", help="Use this threshold: plateau_epochs=5; may be repeated."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="VERDICT", help="Only this: nan, plateau, …; may be repeated.")
    ] = None,
    attempt: Annotated[int, typer.Option(min=0, help="0 is the latest.")] = 0,
    rules: Annotated[bool, typer.Option("--rules", help="Show the rule of each verdict, and all thresholds.")] = False,
) -> None:
    """Look for trends in the metrics of operations: best epoch, plateau, overfitting, divergence, NaN and more."""
    thresholds, kinds = _thresholds(set_ or []), parse_verdict_words(kind or [], "--kind")
    printer = Printer(invocation)
    records = []
    async with AsyncClient(invocation.server) as client:
        for index, operation in enumerate(await resolve(client, ids or [], name=name)):
            found = await client.diagnose(operation.id, attempt=attempt, thresholds=thresholds, kinds=kinds)
            if printer.format is OutputFormat.TABLE:
                _print_table(printer, operation, found, first=not index, rules=rules)
            else:
                records.append(_record(operation, found, flat=printer.format is OutputFormat.CSV))
    if printer.format is OutputFormat.CSV:
        printer.rows([], [], [row for rows in records for row in rows], name="verdicts")
    elif printer.format is OutputFormat.JSON and len(records) == 1:
        printer.json(records[0][0])
    elif records:
        printer.rows([], [], [row for rows in records for row in rows], name="operations")


def parse_verdict_words(words: Sequence[str], flag: str) -> list[str]:
    """Return the words for the verdicts that a flag names; several may be given in one word, with commas between them.

    Raises:
        UsageProblem: A word names none.
    """
    named = []
    for word in (part.strip() for words_ in words for part in words_.split(",") if part.strip()):
        try:
            named.append(verdict_word(parse_verdict_kind(word)))
        except ValueError as error:
            message = f"{flag}: {error}"
            raise UsageProblem(message) from None
    return named


def _thresholds(words: Sequence[str]) -> dict[str, float]:
    found = {}
    for key, value in parse_pairs(words, "--set").items():
        try:
            found[key] = float(value)
        except ValueError:
            message = f"--set {key}: {value!r} is no number"
            raise UsageProblem(message) from None
    return found


def _print_table(
    printer: Printer, operation: Operation, found: DiagnoseOperationResponse, *, first: bool, rules: bool
) -> None:
    if not first:
        printer.text("")
    attempt = f", attempt {found.attempt}" if found.attempt > 1 else ""
    printer.text(Text(f"{title(operation)} ({operation.id}{attempt}), {found.points:,} points", style="bold"))
    printer.rows(_COLUMNS, [_row(verdict) for verdict in found.verdicts], [], name="verdicts", empty="nothing found")
    if rules:
        for verdict in found.verdicts:
            printer.text(f"  {verdict_word(verdict.kind)}: {verdict.rule}")
        printer.text(
            "  thresholds: " + " ".join(f"{key}={found.thresholds[key]:g}" for key in sorted(found.thresholds))
        )


def _row(verdict: Verdict) -> list[str | Text]:
    low, high = verdict.from_step, verdict.to_step
    steps = f"{low}" if low == high else f"{low}-{high}"
    holds = "yes" if verdict.active else "no more"
    return [verdict_text(verdict), holds, severity_word(verdict.severity), verdict.series, steps, verdict.evidence]


def _record(operation: Operation, found: DiagnoseOperationResponse, *, flat: bool) -> list[dict[str, Any]]:
    """Return the records of one operation: one with all its verdicts, or one for each verdict."""
    values = message_values(found)
    if flat:
        return [{"operation_id": operation.id, "attempt": found.attempt, **each} for each in values["verdicts"]]
    return [{"operation_id": operation.id, **values}]
