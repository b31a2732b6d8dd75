"""Loading the bars of one instrument: what is wanted and not known is asked for, chunk by chunk."""

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from typing import Final

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.common.threads import in_thread, to_its_end
from services.ib_host.ledger.spans import merged, within, without
from services.ib_host.loading.asking import ONE_CHUNK_ONLY, Asking, fetch_of
from services.ib_host.loading.chunk_fetch import Fetched
from services.ib_host.loading.damaged import drop_damaged
from services.ib_host.loading.dataset_lock import dataset_to_itself
from services.ib_host.loading.job import Job, LoadState, LoadTools
from services.ib_host.loading.keeping import Keeping, Kept
from services.ib_host.loading.past_search import PastSearch
from services.ib_host.loading.plan import forget_bars_that_are_gone, make_plan
from services.ib_host.loading.progress import title_of_chunk
from services.ib_host.loading.wanted import bar_end
from services.ib_host.planning.chunks import Chunk
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span
from services.ib_host.requests.failures import FailureKind, GatewayFailure, as_service_error

_LOG = structlog.get_logger(__name__)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_MOST_REPAIRS: Final = 3
_MOST_FAILURES_IN_A_ROW: Final = 10
"""Then the rest is not asked for: whoever loads again later begins with what failed."""
_NOT_KEPT_ANY_MORE: Final = frozenset({FailureKind.INVALID_STEP, FailureKind.REFUSED})
"""What gateways say of bars that are too old for their size."""


class InstrumentWork:
    """The work for one instrument of a load.

    Args:
        tools: of all loads.
        state: of this load.
        job: the instrument.
        take_source: checks that bars still come from where they came from.
    """

    def __init__(
        self, tools: LoadTools, state: LoadState, job: Job, take_source: Callable[[bars_pb2.Source.ValueType], None]
    ) -> None:
        self._tools = tools
        self._state = state
        self._job = job
        self._take_source = take_source
        self._newest_first = job.newest_first(state.wish)
        key = job.key
        self._sizer = ChunkSizer(job.bar, security_type=key.instrument.security_type, use_rth=key.use_rth)
        self._fetch = fetch_of(tools, state, job)
        self._asking = Asking(self._fetch, self._sizer, job)
        self._first: Sequence[Span] = ()
        self._todo: Sequence[Span] = ()
        self._unmet = False
        self._done = 0
        self._failed = 0
        self._rows = 0
        self._repairs = 0
        self._past = PastSearch(job, self._sizer)
        records = state.counts.records(job.number)
        self._done, self._rows = len(records), sum(record.received for record in records)

    @property
    def job(self) -> Job:
        """The instrument."""
        return self._job

    @property
    def whole(self) -> Span | None:
        """The range of the load; None where there is nothing to load."""
        return self._plan.whole

    @property
    def skipped(self) -> int:
        """Chunks that are not asked for, because earlier loads have them."""
        return self._plan.skipped

    @property
    def missing(self) -> list[str]:
        """What has not been asked for yet, for people."""
        return [title_of_chunk(span, self._job.bar) for span in merged([*self._first, *self._todo])]

    @property
    def revisions(self) -> Sequence[bars_pb2.Revision]:
        """The changes of stored bars that were noticed."""
        return self._keeping.revisions

    async def prepare(self) -> None:
        """Look at what there is, so that the load knows its chunks. One that loads again goes on without damaged files.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        if self._state.wish.reload:
            await in_thread(drop_damaged, self._tools.store, self._job.key)
        self._keeping = await in_thread(self._open)
        await self._make_plan()

    async def run(self) -> None:
        """Load everything that is wanted and not known.

        Raises:
            ServiceError: the instrument, or the whole load, can't go on.
        """
        async with dataset_to_itself(
            self._tools.store.folder(self._job.key),
            title=self._job.dataset_title,
            session=self._state.session,
            clock=self._tools.clock,
            told=self._state.progress.waits_for,
        ):
            await in_thread(forget_bars_that_are_gone, self._tools.store, self._job.key, self._keeping.main_ledger)
            await self.prepare()
            await self._load_all()
            while self._unmet and self._asking.failures_in_a_row < _MOST_FAILURES_IN_A_ROW:
                await self._look_back()
                await self._load_all()
            await self._publish()

    async def _load_all(self) -> None:
        while self._first or await self._next():
            await self._step()

    async def _look_back(self) -> None:
        """Ask for a bar of the load's first answer again: a split meanwhile would have changed it."""
        self._unmet = False
        first = await in_thread(self._keeping.first_asked)
        if first is not None:
            self._first = [Span(first, first + bar_end(self._job.bar))]
            self._count()

    async def _make_plan(self) -> None:
        self._plan = await in_thread(
            make_plan, self._job, self._state, self._keeping, self._tools.store, self._sizer
        )  # fmt: skip
        self._first, self._todo = self._plan.first, self._plan.then
        self._past.begins(self._plan.stored, self._plan.whole)
        self._count()

    async def _next(self) -> bool:
        """Tell whether there is more to ask for."""
        if self._todo and self._job.searches_beginning(self._state.wish):
            self._todo = await in_thread(self._past.without_quiet_past, self._todo, self._keeping.ledger)
        if not self._todo and self._keeping.repair is None:
            self._todo = await in_thread(self._past.beyond_the_head, self._keeping.ledger)
        return bool(self._todo)

    def _cut(self) -> Chunk:
        if self._first:
            return self._sizer.next_chunk(self._first[0], newest_first=self._newest_first)
        chunk, meets = self._plan.seams.cut(self._todo[-1] if self._newest_first else self._todo[0])
        self._unmet = self._unmet or not meets
        return chunk

    async def _step(self) -> None:
        chunk = self._cut()
        began = self._tools.clock.monotonic()
        try:
            fetched = await self._asking.fetch(chunk)
        except GatewayFailure as failure:
            await self._fail(chunk, failure)
            return
        if fetched is None:
            self._count()
        else:
            await self._keep(chunk, fetched, began=began)

    async def _keep(self, chunk: Chunk, fetched: Fetched, *, began: float, reason: str = "") -> None:
        # What the ledger counts has to be told too: a load that goes on later does not tell it any more.
        await to_its_end(self._keep_and_tell(chunk, fetched, began=began, reason=reason))

    async def _keep_and_tell(self, chunk: Chunk, fetched: Fetched, *, began: float, reason: str) -> None:
        # That there are no bars, too, holds for the gateway that says so.
        self._take_source(fetched.source if fetched.bars else self._tools.connection.source)
        source = bars_pb2.Source.Name(self._state.source)
        kept = await in_thread(self._keeping.keep, chunk, fetched, source=source, reason=reason)
        self._done += 1
        self._rows += kept.received
        if kept.first is not None and kept.last is not None:
            self._past.saw(kept.first)
            self._plan.seams.loaded(kept.first, kept.last)
        self._drop(Span(chunk.start, chunk.end))
        if kept.revision is not None:
            await self._repair(kept.revision)
        self._tell(chunk, kept, seconds=self._tools.clock.monotonic() - began)

    async def _repair(self, revision: bars_pb2.Revision) -> None:
        _LOG.warning("bars_revised", instrument=self._job.dataset_title, text=revision.text)
        if revision.price_ratio == 0.0:
            again = await in_thread(self._around, revision)
            self._todo = merged([*self._todo, *again])
            return
        self._repairs += 1
        if self._repairs > _MOST_REPAIRS:
            detail = f"{self._job.dataset_title}: the gateway changes all prices again and again: {revision.text}"
            raise ServiceError(ErrorReason.ERROR_REASON_LOAD_INCOMPLETE, detail=detail)
        await self._make_plan()

    def _around(self, revision: bars_pb2.Revision) -> list[Span]:
        """Know nothing any more of what is around some bars that were corrected, and return it. Runs in a thread."""
        start, end = revision.start_time.ToDatetime(UTC), revision.end_time.ToDatetime(UTC)
        margin = max(_DAY, 10 * self._job.bar.length)
        around = self._job.span(start - margin, end + margin)
        stored = self._plan.stored
        spans = within([around], stored.start, stored.end) if stored is not None else []
        asked = self._keeping.ledger.known_to(self._state.session, around.start, around.end)
        again = without(spans, asked)
        self._keeping.ask_again(again, revision.text)
        return again

    async def _fail(self, chunk: Chunk, failure: GatewayFailure) -> None:
        job, request = self._job, self._fetch.request(chunk)
        if self._keeping.repair is not None and failure.kind in _NOT_KEPT_ANY_MORE:
            nothing = Fetched((), bars_pb2.SOURCE_UNSPECIFIED, 0.0, 0, request)
            await self._keep(chunk, nothing, began=self._tools.clock.monotonic(), reason=failure.sentence)
            return
        if failure.kind not in ONE_CHUNK_ONLY:
            await in_thread(self._keeping.fail, Span(chunk.start, chunk.end), request=request, reason=failure.sentence)
            raise as_service_error(failure, gateway=self._tools.connection.address, instrument=job.title) from failure
        self._asking.failures_in_a_row += 1
        await self._give_up(Span(chunk.start, chunk.end), request, failure.sentence)
        if self._asking.failures_in_a_row >= _MOST_FAILURES_IN_A_ROW:
            reason = f"not asked for, after {self._asking.failures_in_a_row} failures in a row: {failure.sentence}"
            for span in merged([*self._first, *self._todo]):
                await self._give_up(span, "", reason)
        self._count()

    async def _give_up(self, span: Span, request: str, reason: str) -> None:
        await in_thread(self._keeping.fail, span, request=request, reason=reason)
        self._failed += 1
        self._drop(span)
        self._state.failures.chunk(self._job.dataset_title, title_of_chunk(span, self._job.bar), reason)

    async def _publish(self) -> None:
        repair, stored = self._keeping.repair, self._plan.stored
        if repair is None:
            return
        if stored is None or await in_thread(
            repair.covers, stored.start, stored.end - bar_end(self._job.bar) + _SECOND
        ):
            await in_thread(self._keeping.publish)
            _LOG.info("dataset_repaired", instrument=self._job.dataset_title, text=repair.revision.text)

    def _open(self) -> Keeping:
        return Keeping(
            self._tools.store,
            self._job.key,
            number=self._job.number,
            session=self._state.session,
            counts=self._state.counts,
            closed=self._job.closed,
            settled=self._job.settled,
            clock=self._tools.clock,
        )

    def _drop(self, span: Span) -> None:
        taken = [span]
        self._first, self._todo = without(self._first, taken), without(self._todo, taken)

    def _count(self) -> None:
        left = self._sizer.estimate([*self._first, *self._todo])
        self._state.chunks[self._job.number] = self._done + self._failed + left

    def _tell(self, chunk: Chunk, kept: Kept, *, seconds: float) -> None:
        job = self._job
        self._count()
        _LOG.info(
            "chunk_loaded",
            instrument=job.title,
            chunk=title_of_chunk(chunk, job.bar),
            bars=kept.received,
            new_bars=kept.new,
            seconds=round(seconds, 3),
        )
        self._state.progress.chunk_over(
            job.key.instrument,
            chunk,
            rows=kept.received,
            seconds=seconds,
            source=self._state.source,
            total=self._state.total,
            metrics=self._state.series(job, done=self._done, rows=self._rows),
        )
