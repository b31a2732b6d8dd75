"""The verdict about a stored dataset, for whoever asks."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.common.threads import in_thread, wait_out
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.loading.spec import instant_of, invalid_request
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.sessions.choice import calendar_for
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.commands import load_command
from services.ib_host.store.identity import bar_length, title_of
from services.ib_host.store.selection import choose
from services.ib_host.streaming.bars_query import key_faults
from services.ib_host.verdict.verdict import judge

_DEFAULT_SPANS: Final = 100
_MOST_SPANS: Final = 10_000
_MOST_REVISIONS: Final = 100
_AT_ONCE: Final = 2
"""Verdicts at the same time: more wait, and leave the threads to loads and streams."""
_DAY: Final = timedelta(days=1)


class _Check(NamedTuple):
    key: bars_pb2.DatasetKey
    start: datetime | None
    end: datetime | None
    most_spans: int


class _GivenUpError(Exception):
    """Nobody waits for the verdict any more."""


class DatasetCheck:
    """Compares stored datasets with the sessions of their exchange and what was asked of the gateway, in a thread.

    Args:
        store: the bars.
        home: the KTRDR home, where override files of calendars lie.
        clock: bars that are not over yet are not expected.
    """

    def __init__(self, store: BarStore, home: Path, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def check(self, request: ib_pb2.CheckDatasetRequest) -> ib_pb2.CheckDatasetResponse:
        """Return the verdict. A caller that goes away ends the work at its next piece.

        Raises:
            ServiceError: INVALID_REQUEST, DATASET_NOT_FOUND, DATASET_AMBIGUOUS, STORE_CORRUPT.
        """
        check = _checked(request)
        given_up = threading.Event()
        async with self._turns:
            work = asyncio.ensure_future(in_thread(self._verdict, check, given_up))
            try:
                return ib_pb2.CheckDatasetResponse(verdict=await asyncio.shield(work))
            except asyncio.CancelledError:
                given_up.set()
                await wait_out(work)
                raise

    def _verdict(self, check: _Check, given_up: threading.Event) -> bars_pb2.DatasetVerdict:
        def proceed() -> None:
            if given_up.is_set():
                raise _GivenUpError

        now = self._clock.now()
        listing = self._store.find(check.key.instrument)
        chosen = choose(check.key, listing, start=check.start, end=check.end, now=now)
        folder = self._store.folder(chosen.key)
        # Before the snapshot: a load stores bars before it writes down that it has asked for them.
        records = DatasetLedger.open(folder).all_records()
        snapshot = self._store.open(chosen.key)
        if snapshot is None:  # removed since it was listed
            command = load_command(check.key, check.start, check.end, now)
            reason = ErrorReason.ERROR_REASON_DATASET_NOT_FOUND
            raise ServiceError(reason, dataset=title_of(check.key), command=command)
        with snapshot:
            dataset = snapshot.dataset
            start, end = _range(check, dataset)
            return judge(
                snapshot,
                records,
                calendar_for(self._home, folder, dataset.key),
                RevisionLog.open(folder).newest(_MOST_REVISIONS),
                start=start,
                end=end,
                most_spans=check.most_spans,
                now=now,
                proceed=proceed,
            )


def _range(check: _Check, dataset: bars_pb2.Dataset) -> tuple[datetime, datetime]:
    """Return the range of a request; what it leaves open is that of the stored bars."""
    start = check.start or dataset.first_bar_time.ToDatetime(UTC)
    length = min(_DAY, bar_length(dataset.key).length)
    return start, check.end or max(start, dataset.last_bar_time.ToDatetime(UTC) + length)


def _checked(request: ib_pb2.CheckDatasetRequest) -> _Check:
    start = instant_of(request.start_time) if request.HasField("start_time") else None
    end = instant_of(request.end_time) if request.HasField("end_time") else None
    faults = [FieldViolation(f"key.{field}", text) for field, text in key_faults(request.key)]
    if request.HasField("start_time") and start is None:
        faults.append(FieldViolation("start_time", "is no valid time"))
    if request.HasField("end_time") and end is None:
        faults.append(FieldViolation("end_time", "is no valid time"))
    if start is not None and end is not None and end <= start:
        faults.append(FieldViolation("end_time", "is not after start_time"))
    if not 0 <= request.most_spans <= _MOST_SPANS:
        faults.append(FieldViolation("most_spans", f"is 0 (for {_DEFAULT_SPANS}), or from 1 to {_MOST_SPANS:,}"))
    if faults:
        raise invalid_request(faults)
    return _Check(request.key, start, end, request.most_spans or _DEFAULT_SPANS)
