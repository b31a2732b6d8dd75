"""The verdict on one dataset, in full, for people."""

from datetime import UTC, datetime
from typing import Final

from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY, DatasetKey, DatasetVerdict, Revision
from rich.text import Text

from ktrdr_client.cli.data.commands import data_command, last_text, moment_text, shown
from ktrdr_client.cli.dataset_verdicts import counted, fault_words, missing_words, sessions_are_known, verdict_text
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.words import dataset_title, time_text
from ktrdr_client.states import source_name

_MOST_SHOWN: Final = 5


def verdict_lines(verdict: DatasetVerdict) -> list[Text]:
    """Return all that is known of a dataset's completeness and soundness."""
    key = verdict.dataset.key
    head = Text.assemble((dataset_title(key), "bold"), "  ", verdict_text(verdict))
    if key.source == SOURCE_REPLAY:
        head.append("  REPLAY: recorded history, nothing comes from a market", style="yellow")
    start, end = (stamp.ToDatetime(tzinfo=UTC) for stamp in (verdict.start_time, verdict.end_time))
    lines = [
        head,
        fact(
            "checked",
            f"{shown(moment_text(start, key))} … {shown(last_text(end, key))}, source {source_name(key.source)}",
        ),
        fact("sessions", verdict.calendar or "not known: gaps cannot be told"),
        fact("bars", _bars_words(verdict)),
    ]
    if verdict.missing_bars:
        lines.append(fact("missing", f"{missing_words(verdict)}:  {data_command('gaps', key, source=True)}"))
    if verdict.unexpected_bars:
        lines.append(fact("outside", f"{counted(verdict.unexpected_bars, 'bar')} outside of the sessions"))
    if faults := fault_words(verdict):
        lines.append(fact("at fault", ", ".join(faults)))
        told = verdict.faults[:_MOST_SHOWN]
        lines += [fact("", f"{_at(each.time.ToDatetime(tzinfo=UTC), key)}  {each.text}") for each in told]
        if len(verdict.faults) > len(told):
            lines.append(fact("", f"… and {len(verdict.faults) - len(told)} more (--output json has them)"))
    return lines + [fact("" if index else "changed", _revision(each)) for index, each in enumerate(verdict.revisions)]


def _at(moment: datetime, key: DatasetKey) -> str:
    return shown(moment_text(moment, key))


def _bars_words(verdict: DatasetVerdict) -> str:
    if not sessions_are_known(verdict):
        return f"{verdict.stored_bars:,} stored"
    return f"{verdict.stored_bars:,} stored, {verdict.expected_bars:,} expected"


def _revision(revision: Revision) -> str:
    return f"{time_text(revision.notice_time)[:10]}  {revision.text}"
