"""Findings: how things stand, by area, and how they are shown."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ktrdr.ib.v1.ib_pb2 import Finding
from rich.text import Text

from ktrdr_client.cli.printer import message_values

_SIGNS: Final = {
    Finding.STATE_OK: ("✓", "ok", "green"),
    Finding.STATE_WARNING: ("!", "warning", "yellow"),
    Finding.STATE_PROBLEM: ("✗", "PROBLEM", "bold red"),
    Finding.STATE_SKIPPED: ("-", "skipped", "dim"),
}
_WORDS: Final = 8


class Area(NamedTuple):
    """What belongs together, and how it stands."""

    name: str
    findings: Sequence[Finding]


def ok(name: str, text: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(name=name, state=Finding.STATE_OK, text=text)


def warning(name: str, text: str, advice: str) -> Finding:
    """Return a finding that works, but not as it should."""
    return Finding(name=name, state=Finding.STATE_WARNING, text=text, advice=advice)


def problem(name: str, text: str, advice: str) -> Finding:
    """Return a finding that does not work."""
    return Finding(name=name, state=Finding.STATE_PROBLEM, text=text, advice=advice)


def skipped(name: str, text: str, advice: str = "") -> Finding:
    """Return a finding that could not be looked at."""
    return Finding(name=name, state=Finding.STATE_SKIPPED, text=text, advice=advice)


def area_lines(area: Area, *, coloured: bool, width: int | None) -> list[Text]:
    """Return an area for people: each finding, and below it what to do.

    Args:
        area: The findings.
        coloured: Colours are shown; without them the state is said in words.
        width: Columns of the terminal; None where nothing has to fit.
    """
    names = max((len(each.name) for each in area.findings), default=0)
    lines = [Text(area.name, style="bold")]
    for each in area.findings:
        sign, word, style = _SIGNS.get(each.state, ("?", "not known", "yellow"))
        state = f"  {sign} " if coloured else f"  {sign} {word:<{_WORDS}}"
        indent = len(state) + names + 2
        first, *rest = _folded(each.text, indent, width) or [""]
        lines.append(Text.assemble((state, style), f"{each.name:<{names}}  {first}"))
        lines += [Text(" " * indent + line) for line in rest]
        lines += [Text(" " * indent + line, style="yellow") for line in _folded(each.advice, indent, width)]
    return lines


def _folded(text: str, indent: int, width: int | None) -> list[str]:
    """Return the lines of a text, folded behind an indent; words are never broken."""
    if width is None:
        return [line.strip() for line in text.splitlines()]
    room = max(20, width - indent)
    return [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line.strip(), room, break_long_words=False, break_on_hyphens=False)
    ]


def finding_records(areas: Sequence[Area]) -> list[dict[str, Any]]:
    """Return all findings as plain values."""
    return [{"area": area.name, **message_values(each)} for area in areas for each in area.findings]


def conclusion(areas: Sequence[Area]) -> str:
    """Return the whole in a line: "2 problems, 1 warning"."""
    states = [each.state for area in areas for each in area.findings]
    counts = (
        (states.count(Finding.STATE_PROBLEM), "problem"),
        (states.count(Finding.STATE_WARNING), "warning"),
    )
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    return ", ".join(parts) or "everything is as it should be"


def has_problem(areas: Sequence[Area]) -> bool:
    """Say whether anything does not work."""
    return any(each.state == Finding.STATE_PROBLEM for area in areas for each in area.findings)
