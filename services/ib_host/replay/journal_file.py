"""The journal of a gateway that runs as a process of its own: a file with a line of JSON for each event."""

import json
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from services.ib_host.replay.journal import Event, FiredRule, PacingViolation, QueryEvent, ReceivedFrame
from services.ib_host.replay.journal_summary import JournalSummary, message_name

_KINDS: dict[type[Event], str] = {
    ReceivedFrame: "frame",
    FiredRule: "fault",
    PacingViolation: "violation",
    QueryEvent: "query",
}


class JournalFile:
    """Writes events as they come; each is in the file before the next message is dealt with.

    Args:
        path: of the file; what is in it already is replaced.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIOWrapper = path.open("w", encoding="utf-8")

    def write(self, event: Event) -> None:
        """Append an event."""
        line: dict[str, Any] = {"kind": _KINDS[type(event)], **asdict(event)}
        line["time"] = event.time.isoformat()
        if not isinstance(event, QueryEvent) and event.fields:
            line["message"] = message_name(event.fields)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_summary(path: Path) -> JournalSummary:
    """Return the counts over a journal's file, also while its gateway still runs or after it was killed.

    Raises:
        OSError: it can't be read.
        ValueError: a line in it is no event.
    """
    summary = JournalSummary()
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):  # the last one may be cut where the gateway was killed
                _count(summary, json.loads(line))
    return summary


def _count(summary: JournalSummary, event: dict[str, Any]) -> None:
    match event["kind"]:
        case "frame":
            summary.frame(event["fields"])
        case "fault":
            summary.faults[event["action"]] += 1
        case "violation":
            summary.violations[event["rule"]] += 1
        case "query":
            summary.query(event["change"])
        case kind:
            message = f"{kind!r} is no kind of event"
            raise ValueError(message)
