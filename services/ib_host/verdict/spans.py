"""Missing bars for people."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from ktrdr.ib.v1 import bars_pb2

from services.common.timestamps import to_timestamp
from services.ib_host.store.columns import instant
from services.ib_host.store.commands import load_command
from services.ib_host.verdict.answers import Answers
from services.ib_host.verdict.gaps import Gap


def spans_of(
    gaps: Sequence[Gap], counting: Sequence[bool], answers: Answers, key: bars_pb2.DatasetKey, most: int
) -> list[bars_pb2.MissingSpan]:
    """Return gaps as the contract has them, oldest first.

    Args:
        gaps: oldest first.
        counting: of each, whether it makes the dataset incomplete.
        answers: what is known of them.
        key: of the dataset.
        most: at most so many: those that count come before those that don't, and older ones before newer ones.
    """
    chosen = sorted(range(len(gaps)), key=lambda number: (not counting[number], number))[:most]
    return [_span(gaps[number], answers, key) for number in sorted(chosen)]


def open_span(span: tuple[datetime, datetime, int], answers: Answers, key: bars_pb2.DatasetKey) -> bars_pb2.MissingSpan:
    """Return a stretch that was not answered, where it is not known how many bars are expected in it."""
    start, end, record = span
    return bars_pb2.MissingSpan(
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
        reason=answers.reason(record),
        text=answers.text(record, load_command(key, start, end, end)),
    )


def _span(gap: Gap, answers: Answers, key: bars_pb2.DatasetKey) -> bars_pb2.MissingSpan:
    start, end = instant(gap.start), instant(gap.end)
    text = answers.text(gap.record, load_command(key, start, end, end))
    days = _days(date.fromordinal(gap.first_day), date.fromordinal(gap.last_day))
    return bars_pb2.MissingSpan(
        start_time=to_timestamp(start.astimezone(UTC)),
        end_time=to_timestamp(end.astimezone(UTC)),
        bars=gap.bars,
        reason=answers.reason(gap.record),
        text=f"{days}: {text}",
    )


def _days(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"
