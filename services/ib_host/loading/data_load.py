"""The work of a load: find the instruments, cut the range into chunks, fetch and store one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final, Protocol

import structlog
from google.protobuf import json_format
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr_bridge import Bridge

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.threads import in_thread
from services.ib_host.bar_sizes import BAR_LENGTHS, BarLength
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.contracts.instruments import title_of
from services.ib_host.loading.chunk_fetch import ChunkFetch, Fetched
from services.ib_host.loading.instruments import qualify
from services.ib_host.loading.ledger import NAME, ChunkRecord, Ledger
from services.ib_host.loading.persistence import Persistence, RetryPolicy
from services.ib_host.loading.progress import LoadProgress, title_of_chunk
from services.ib_host.loading.result import instrument_load
from services.ib_host.loading.stop_watch import until_stopped
from services.ib_host.planning.chunks import Chunk, plan_chunks
from services.ib_host.requests.failures import FailureKind, GatewayFailure, as_service_error
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import between, table_of
from services.ib_host.store.identity import WHAT_TO_SHOW

_LOG = structlog.get_logger(__name__)
_MOST_NAMED: Final = 5
_ONE_CHUNK_ONLY: Final = frozenset(
    {FailureKind.PACING, FailureKind.SERVICE_TROUBLE, FailureKind.TIMEOUT, FailureKind.STREAM_BROKEN}
)
"""Failures that say nothing about the other chunks. Any other ends the load: it would meet each chunk."""


class LoadSession(Protocol):
    """What a load needs of its session."""

    @property
    def folder(self) -> Path:
        """The session's folder."""

    @property
    def spec_json(self) -> str:
        """The DataLoadSpec, as protobuf JSON."""

    @property
    def bridge(self) -> Bridge:
        """Where progress goes, and where requests to stop come from."""


@dataclass(frozen=True)
class _Plan:
    """What is to do for one instrument."""

    number: int
    key: bars_pb2.DatasetKey
    chunks: Sequence[Chunk]

    def chunk_key(self, chunk: Chunk) -> str:
        """Name a chunk in the ledger."""
        return f"{self.number}/{self.key.instrument.contract_id}/{chunk.key}"

    @property
    def chunk_keys(self) -> list[str]:
        """Names of all chunks in the ledger."""
        return [self.chunk_key(chunk) for chunk in self.chunks]


class DataLoader:
    """Does loads. Several may run at once: they share connection, budget and store.

    Args:
        connection: to the gateway.
        requests: over it.
        store: where bars go.
        clock: for pauses and durations.
        policy: how often failed requests are sent again.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        requests: GatewayRequests,
        store: BarStore,
        *,
        clock: Clock,
        policy: RetryPolicy,
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._store = store
        self._clock = clock
        self._persistence = Persistence(connection, clock, policy)

    async def load(self, session: LoadSession) -> ib_pb2.DataLoadResult:
        """Do the load of a session, from its beginning or from where an earlier life of it stopped.

        Returns:
            What it brought.

        Raises:
            Cancelled: the session was asked to stop; nothing is left open at the gateway.
            ServiceError: why it can't be done, or LOAD_INCOMPLETE with the chunks that failed.
        """
        spec = json_format.Parse(session.spec_json, ib_pb2.DataLoadSpec())
        load = _Load(self._connection, self._requests, self._store, self._persistence, self._clock, session, spec)
        return await until_stopped(load.run(), session.bridge)


class _Load:
    """One load at work."""

    def __init__(
        self,
        connection: GatewayConnection,
        requests: GatewayRequests,
        store: BarStore,
        persistence: Persistence,
        clock: Clock,
        session: LoadSession,
        spec: ib_pb2.DataLoadSpec,
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._store = store
        self._persistence = persistence
        self._clock = clock
        self._spec = spec
        self._ledger_path = session.folder / NAME
        self._ledger = Ledger(self._ledger_path)
        self._bar: BarLength = BAR_LENGTHS[spec.bar_size]
        self._start = spec.start_time.ToDatetime(UTC)
        self._end = spec.end_time.ToDatetime(UTC)
        self._progress = LoadProgress(session.bridge, self._bar)
        self._source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_UNSPECIFIED
        self._failed: list[str] = []

    async def run(self) -> ib_pb2.DataLoadResult:
        self._ledger = await in_thread(Ledger.open, self._ledger_path)
        plans = await self._plan()
        over = [record for plan in plans for record in self._ledger.records(plan.chunk_keys)]
        total = sum(len(plan.chunks) for plan in plans)
        _LOG.info(
            "load_planned",
            source=bars_pb2.Source.Name(self._source).removeprefix("SOURCE_"),
            chunks=total,
            done_before=len(over),
        )
        self._progress.begin_bars(total, completed=len(over), rows=sum(record.received for record in over))
        for plan in plans:
            await self._load_instrument(plan)
        if self._failed:
            raise self._incomplete(total)
        loads = [await in_thread(self._result, plan) for plan in plans]
        _LOG.info("load_ended", chunks=total, bars=sum(load.range_rows for load in loads))
        return ib_pb2.DataLoadResult(loads=loads, source=self._source)

    async def _plan(self) -> list[_Plan]:
        self._progress.begin_contracts(len(self._spec.instruments))
        plans = []
        for number, description in enumerate(self._spec.instruments):
            instrument = await qualify(
                description,
                requests=self._requests,
                persistence=self._persistence,
                gateway=self._connection.address,
                told=self._progress.waits_for,
                paced=self._progress.waits_for_pacing,
            )
            self._take_source(self._connection.source)
            self._progress.contract_found(number + 1, instrument)
            key = bars_pb2.DatasetKey(
                source=self._source,
                instrument=instrument,
                what_to_show=self._spec.what_to_show or bars_pb2.WHAT_TO_SHOW_TRADES,
                use_rth=self._spec.use_rth if self._spec.HasField("use_rth") else True,
                bar_size=self._spec.bar_size,
            )
            plans.append(_Plan(number, key, plan_chunks(self._start, self._end, self._bar)))
        return plans

    async def _load_instrument(self, plan: _Plan) -> None:
        fetch = ChunkFetch(
            self._requests,
            self._persistence,
            instrument=plan.key.instrument,
            bar=self._bar,
            what=WHAT_TO_SHOW[plan.key.what_to_show],
            use_rth=plan.key.use_rth,
            told=self._progress.waits_for,
            paced=self._progress.waits_for_pacing,
        )
        for chunk in plan.chunks:
            if plan.chunk_key(chunk) in self._ledger:
                continue
            try:
                await self._load_chunk(plan, chunk, fetch)
            except GatewayFailure as failure:
                name = title_of(plan.key.instrument)
                if failure.kind not in _ONE_CHUNK_ONLY:
                    raise as_service_error(failure, gateway=self._connection.address, instrument=name) from failure
                stretch = title_of_chunk(chunk, self._bar)
                _LOG.warning("chunk_failed", instrument=name, chunk=stretch, failure=str(failure))
                self._failed.append(f"{name} {self._bar.name} {stretch}: {failure.sentence}")

    async def _load_chunk(self, plan: _Plan, chunk: Chunk, fetch: ChunkFetch) -> None:
        began = self._clock.monotonic()
        fetched = await fetch.fetch(chunk)
        if fetched.bars:
            self._take_source(fetched.source)
        record = await in_thread(self._keep, plan, chunk, fetched)
        seconds = self._clock.monotonic() - began
        _LOG.info(
            "chunk_loaded",
            instrument=title_of(plan.key.instrument),
            chunk=title_of_chunk(chunk, self._bar),
            bars=record.received,
            new_bars=record.new,
            seconds=round(seconds, 3),
        )
        self._progress.chunk_over(
            plan.key.instrument, chunk, rows=record.received, seconds=seconds, source=self._source
        )  # fmt: skip

    def _keep(self, plan: _Plan, chunk: Chunk, fetched: Fetched) -> ChunkRecord:
        """Store the bars, then count the chunk as over. Runs in a thread."""
        bars = between(table_of(fetched.bars), chunk.start, chunk.end)
        new_rows = self._store.merge(plan.key, bars).new_rows if bars.num_rows else 0
        record = ChunkRecord(
            key=plan.chunk_key(chunk),
            outcome="done" if bars.num_rows else "empty",
            received=bars.num_rows,
            new=new_rows,
            source=bars_pb2.Source.Name(self._source),
        )
        try:
            self._ledger.add(record)
        except OSError as error:
            reason = ErrorReason.ERROR_REASON_STORAGE_FULL
            raise ServiceError(reason, path=NAME, detail=error.strerror or "") from error
        return record

    def _result(self, plan: _Plan) -> ib_pb2.InstrumentLoad:
        records = self._ledger.records(plan.chunk_keys)
        return instrument_load(self._store, plan.key, records, start=plan.chunks[0].start, end=plan.chunks[-1].end)

    def _take_source(self, source: bars_pb2.Source.ValueType) -> None:
        """Recorded and real bars never meet in a load, whatever gateway answers at the address meanwhile."""
        name = bars_pb2.Source.Name(source)
        known = self._ledger.sources | (
            {bars_pb2.Source.Name(self._source)} if self._source != bars_pb2.SOURCE_UNSPECIFIED else set()
        )
        if known - {name}:
            detail = (
                f"The gateway at {self._connection.address} is another one now: bars came from {known.pop()} and now "
                f"would come from {name}"
            )
            raise ServiceError(ErrorReason.ERROR_REASON_LOAD_INCOMPLETE, detail=detail)
        self._source = source

    def _incomplete(self, total: int) -> ServiceError:
        named = "; ".join(self._failed[:_MOST_NAMED])
        more = f"; and {len(self._failed) - _MOST_NAMED} more" if len(self._failed) > _MOST_NAMED else ""
        detail = f"{len(self._failed)} of {total} chunks failed: {named}{more}"
        return ServiceError(ErrorReason.ERROR_REASON_LOAD_INCOMPLETE, detail=detail, failed_chunks=len(self._failed))
