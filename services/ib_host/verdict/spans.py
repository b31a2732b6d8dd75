"""Missing bars for people."""

from datetime import datetime

import numpy as np
from ktrdr.ib.v1 import bars_pb2

from services.common.timestamps import to_timestamp
from services.ib_host.store.columns import instant
from services.ib_host.store.commands import load_command
from services.ib_host.verdict.answers import Answers
from services.ib_host.verdict.gaps import Gaps


def spans_of(gaps: Gaps, answers: Answers, key: bars_pb2.DatasetKey, most: int) -> list[bars_pb2.MissingSpan]:
    """Return gaps as the contract has them, oldest first.

    Args:
        gaps: what is missing.
        answers: what is known of it.
        key: of the dataset.
        most: at most so many: those that count come before those that don't, and older ones before newer ones.
    """
    chosen = np.argsort(~gaps.counting, kind="stable")[:most]
    return [_span(gaps, int(number), answers, key) for number in np.sort(chosen)]


def open_span(span: tuple[datetime, datetime, int], answers: Answers, key: bars_pb2.DatasetKey) -> bars_pb2.MissingSpan:
    """Return a stretch that was not answered, where it is not known how many bars are expected in it."""
    start, end, record = span
    return bars_pb2.MissingSpan(
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
        reason=answers.reason(record),
        text=answers.text(record, load_command(key, start, end, end)),
    )


def _span(gaps: Gaps, number: int, answers: Answers, key: bars_pb2.DatasetKey) -> bars_pb2.MissingSpan:
    start, end = instant(int(gaps.starts[number])), instant(int(gaps.ends[number]))
    record = int(gaps.records[number])
    return bars_pb2.MissingSpan(
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
        bars=int(gaps.bars[number]),
        reason=answers.reason(record),
        text=answers.text(record, load_command(key, start, end, end)),
    )
