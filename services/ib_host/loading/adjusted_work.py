"""Loading bars that are adjusted for dividends: each dividend changes all of them, so they are replaced as a whole."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.common.threads import in_thread, to_its_end
from services.ib_host.bar_sizes import BarLength
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome, SpanRecord
from services.ib_host.loading.adjusted_bars import with_older
from services.ib_host.loading.asking import fetch_of
from services.ib_host.loading.beginning import Beginning
from services.ib_host.loading.damaged import drop_damaged
from services.ib_host.loading.dataset_lock import dataset_to_itself
from services.ib_host.loading.job import Job, LoadState, LoadTools
from services.ib_host.loading.progress import title_of_chunk
from services.ib_host.loading.session_ledger import ChunkRecord
from services.ib_host.planning.chunks import Ask, Chunk
from services.ib_host.planning.span import Span
from services.ib_host.planning.steps import Duration, ladder
from services.ib_host.requests.answers import HistoryAnswer
from services.ib_host.requests.failures import FailureKind, GatewayFailure, as_service_error
from services.ib_host.store.columns import between, instant, table_of, times_of

_LOG = structlog.get_logger(__name__)
_EVER: Final = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
_MOST_YEARS: Final = 30
_TOO_LONG: Final = frozenset({FailureKind.INVALID_STEP, FailureKind.REFUSED, FailureKind.TIMEOUT})


class AdjustedWork:
    """The work for one instrument, in one request that reaches from now back to where its history begins.

    Where a gateway reaches less far than an earlier load, the older bars are kept at the prices of today.

    Args:
        tools: of all loads.
        state: of this load.
        job: the instrument.
        take_source: checks that bars still come from where they came from.
    """

    skipped: Final = 0
    revisions: Final[Sequence[bars_pb2.Revision]] = ()

    def __init__(
        self, tools: LoadTools, state: LoadState, job: Job, take_source: Callable[[bars_pb2.Source.ValueType], None]
    ) -> None:
        self._tools = tools
        self._state = state
        self._job = job
        self._take_source = take_source
        self._durations = _durations(job.bar, job.beginning, job.now)
        self._fetch = fetch_of(tools, state, job)
        self._range: Span | None = None

    @property
    def job(self) -> Job:
        """The instrument."""
        return self._job

    @property
    def whole(self) -> Span | None:
        """The range of the load; None where there is nothing to load."""
        return self._range

    @property
    def missing(self) -> list[str]:
        """What has not come, for people."""
        return [title_of_chunk(self._chunk(self._durations[0]), self._job.bar)]

    async def prepare(self) -> None:
        """Count the one chunk that it takes. A load that loads again goes on without damaged files."""
        if self._state.wish.reload:
            await in_thread(drop_damaged, self._tools.store, self._job.key)
        self._state.chunks[self._job.number] = 1

    async def run(self) -> None:
        """Load all bars, and put them in place of those that are stored.

        Raises:
            ServiceError: they can't be had, or stored.
        """
        folder = self._tools.store.folder(self._job.key)
        async with dataset_to_itself(
            folder,
            title=self._job.dataset_title,
            session=self._state.session,
            clock=self._tools.clock,
            told=self._state.progress.waits_for,
        ):
            ledger = await in_thread(DatasetLedger.open, folder)
            own = await in_thread(ledger.known_to, self._state.session, *_EVER)
            if own:  # an earlier life of the load has them
                self._range = Span(own[0].start, own[-1].end)
                return
            began = self._tools.clock.monotonic()
            chunk, answer = await self._ask(ledger)
            self._take_source(answer.source if answer is not None else self._tools.connection.source)
            await to_its_end(self._keep_and_tell(ledger, chunk, answer, began=began))

    async def _keep_and_tell(
        self, ledger: DatasetLedger, chunk: Chunk, answer: HistoryAnswer | None, *, began: float
    ) -> None:
        kept, rows = await in_thread(self._keep, ledger, chunk, answer)
        self._tell(kept, rows, seconds=self._tools.clock.monotonic() - began)

    async def _ask(self, ledger: DatasetLedger) -> tuple[Chunk, HistoryAnswer | None]:
        """Return the answer to the longest request that the gateway takes."""
        for duration in self._durations:
            chunk = self._chunk(duration)
            last = duration == self._durations[-1]
            try:
                return chunk, await self._fetch.ask(chunk.ask, leave=() if last else _TOO_LONG)
            except GatewayFailure as failure:
                if failure.kind in _TOO_LONG and not last:
                    _LOG.info("asking_for_less", instrument=self._job.dataset_title, failure=str(failure))
                    continue
                await in_thread(self._write, ledger, chunk, SpanOutcome.FAILED, reason=failure.sentence)
                raise as_service_error(
                    failure, gateway=self._tools.connection.address, instrument=self._job.title
                ) from failure
        message = "there is always a duration"
        raise AssertionError(message)

    def _keep(self, ledger: DatasetLedger, chunk: Chunk, answer: HistoryAnswer | None) -> tuple[Chunk, int]:
        """Store what came; return from where on there are bars, and how many. Runs in a thread."""
        bars = between(table_of(answer.bars if answer is not None else ()), None, self._job.closed)
        table = self._beside_stored(ledger, chunk, bars) if bars.num_rows else bars
        new = self._tools.store.replace(self._job.key, table).new_rows if bars.num_rows else 0
        kept = _from_first(chunk, table)
        self._range = Span(kept.start, kept.end)
        outcome = SpanOutcome.DONE if bars.num_rows else SpanOutcome.EMPTY
        count = ChunkRecord(
            instrument=self._job.number,
            chunk=kept.key,
            outcome="done" if bars.num_rows else "empty",
            received=bars.num_rows,
            new=new,
            source=bars_pb2.Source.Name(self._state.source),
        )
        try:
            self._state.counts.add(count)
            if bars.num_rows:
                ledger.invalidate(*_EVER, reason="all bars are replaced")
        except OSError as error:
            raise _storage_full(error) from error
        self._write(ledger, kept, outcome, received=bars.num_rows, new=new)
        return kept, int(bars.num_rows)

    def _beside_stored(self, ledger: DatasetLedger, chunk: Chunk, bars: pa.Table) -> pa.Table:
        """Return what came, and before it those stored bars that it does not reach. A load that loads again drops them.

        Raises:
            ServiceError: LOAD_INCOMPLETE: they can't be put side by side.
        """
        snapshot = self._tools.store.open(self._job.key) if not self._state.wish.reload else None
        if snapshot is None:
            return bars
        begin = instant(int(times_of(bars)[0]))
        with snapshot:
            if begin <= snapshot.dataset.first_bar_time.ToDatetime(UTC):
                return bars
            stored = pa.concat_tables(snapshot.tables()).combine_chunks()
        table = with_older(stored, bars)
        if table is None:
            first, last = (instant(int(times_of(stored)[row])) for row in (0, -1))
            reason = (
                f"the gateway's answer begins at {begin:%Y-%m-%d %H:%M} UTC and does not show "
                f"how adjusted prices have moved since the stored ones, {first:%Y-%m-%d} to {last:%Y-%m-%d}: nothing "
                "was changed. Load again with --reload to have the new bars instead of the stored ones"
            )
            self._write(ledger, chunk, SpanOutcome.FAILED, reason=reason)
            detail = f"{self._job.dataset_title}: {reason}"
            raise ServiceError(ErrorReason.ERROR_REASON_LOAD_INCOMPLETE, detail=detail)
        return table

    def _write(
        self,
        ledger: DatasetLedger,
        chunk: Chunk,
        outcome: SpanOutcome,
        *,
        reason: str = "",
        received: int = 0,
        new: int = 0,
    ) -> None:
        record = SpanRecord(
            start=chunk.start,
            end=chunk.end,
            outcome=outcome,
            received=received,
            new=new,
            reason=reason,
            time=self._tools.clock.now(),
            request=self._fetch.request(chunk),
            session=self._state.session,
        )
        try:
            ledger.add(record)
        except OSError as error:
            raise _storage_full(error) from error

    def _chunk(self, duration: Duration) -> Chunk:
        start = self._job.closed - duration.surely_covers
        return Chunk(self._job.span(start, self._job.closed).start, self._job.closed, Ask(None, duration))

    def _tell(self, chunk: Chunk, rows: int, *, seconds: float) -> None:
        job = self._job
        _LOG.info("adjusted_bars_loaded", instrument=job.title, bars=rows, seconds=round(seconds, 3))
        self._state.progress.chunk_over(
            job.key.instrument,
            chunk,
            rows=rows,
            seconds=seconds,
            source=self._state.source,
            total=self._state.total,
            metrics=self._state.series(job, done=1, rows=rows),
        )


def _from_first(chunk: Chunk, bars: pa.Table) -> Chunk:
    """Return the chunk from the first bar on that came for it."""
    if bars.num_rows == 0:
        return chunk
    return Chunk(instant(int(times_of(bars)[0])), chunk.end, chunk.ask)


def _durations(bar: BarLength, beginning: Beginning | None, now: datetime) -> Sequence[Duration]:
    """Return the durations to try, the longest first: a gateway may refuse it."""
    if not bar.dated:
        steps = ladder(bar)
        return list(reversed(steps.rungs[: steps.safe + 1]))
    years = _MOST_YEARS
    if beginning is not None and beginning.head is not None:
        years = min(years, max(1, math.ceil((now - beginning.head) / timedelta(days=365))))
    found = []
    while years:
        found.append(Duration(years, "Y"))
        years //= 2
    return found


def _storage_full(error: OSError) -> ServiceError:
    return ServiceError(
        ErrorReason.ERROR_REASON_STORAGE_FULL, path="data/bars", detail=error.strerror or type(error).__name__
    )
