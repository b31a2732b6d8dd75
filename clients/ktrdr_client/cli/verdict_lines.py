"""Say what was found in the metrics of an operation."""

from collections.abc import Iterable
from typing import Final

from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr.operations.v1.trends_pb2 import (
    SEVERITY_CRITICAL,
    SEVERITY_INFO,
    SEVERITY_WARNING,
    Severity,
    Verdict,
    VerdictKind,
)
from rich.text import Text

from ktrdr_client.cli.facts import fact
from ktrdr_client.verdicts import verdict_word

_STYLES: Final = {SEVERITY_INFO: "", SEVERITY_WARNING: "yellow", SEVERITY_CRITICAL: "bold red"}


def verdict_lines(verdicts: Iterable[Verdict], stop_on: "Iterable[VerdictKind.ValueType]" = ()) -> list[Text]:
    """Return a line for each verdict, those that no longer hold marked, and what would stop the operation.

    Args:
        verdicts: What was found.
        stop_on: What the operation is stopped on.
    """
    lines = []
    for index, verdict in enumerate(verdicts):
        line = fact("verdicts" if not index else "", "")
        line.append_text(verdict_text(verdict))
        where = f" ({verdict.series})" if verdict.series else ""
        over = "" if verdict.active else "; no longer"
        line.append(f"{where}: {verdict.evidence}{over}", style="" if verdict.active else "dim")
        lines.append(line)
    if words := [verdict_word(kind) for kind in stop_on]:
        lines.append(fact("stops on", ", ".join(words)))
    return lines


def serious_verdicts(operation: Operation) -> list[Verdict]:
    """Return what was found, holds, and should be looked at."""
    return [each for each in operation.verdicts if each.active and each.severity >= SEVERITY_WARNING]


def verdict_text(verdict: Verdict) -> Text:
    """Return the word for a verdict, coloured by how much it matters."""
    return Text(verdict_word(verdict.kind), style=_STYLES.get(verdict.severity, "") if verdict.active else "dim")


def severity_word(severity: "Severity.ValueType") -> str:
    """Return the word for a severity: "warning"."""
    return Severity.Name(severity).removeprefix("SEVERITY_").lower()
