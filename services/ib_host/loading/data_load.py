"""The work of a load: get to know the instruments, then load what is wanted of each and not known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
from google.protobuf import json_format
from google.protobuf.message import Message
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr_bridge import Bridge

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.threads import in_thread
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.contracts.instruments import title_of, with_defaults
from services.ib_host.loading.adjusted_work import AdjustedWork
from services.ib_host.loading.incomplete import LoadFailures, concerns_everything
from services.ib_host.loading.instrument_work import InstrumentWork
from services.ib_host.loading.job import LoadState, LoadTools
from services.ib_host.loading.local_check import check_stored
from services.ib_host.loading.persistence import Persistence, RetryPolicy
from services.ib_host.loading.preparing import Preparing
from services.ib_host.loading.progress import LoadProgress
from services.ib_host.loading.result import Described, instrument_load
from services.ib_host.loading.session_ledger import SessionLedger
from services.ib_host.loading.stop_watch import until_stopped
from services.ib_host.loading.wanted import Mode, Wish
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.store.bar_store import BarStore

_LOG = structlog.get_logger(__name__)
_UNKNOWN: Final = bars_pb2.SOURCE_UNSPECIFIED

Work = InstrumentWork | AdjustedWork


class LoadSession(Protocol):
    """What a load needs of its session."""

    @property
    def folder(self) -> Path:
        """The session's folder; its name is the session's id."""

    @property
    def spec_json(self) -> str:
        """The DataLoadSpec, as protobuf JSON."""

    @property
    def bridge(self) -> Bridge:
        """Where progress goes, and where requests to stop come from."""

    def partial_result(self, result: Message) -> None:
        """Keep what the load has brought so far, for the case that it is cancelled or fails."""


class DataLoader:
    """Does loads. Several may run at once: they share connection, budget and store.

    Args:
        connection: to the gateway.
        requests: over it.
        store: where bars go.
        home: the KTRDR home.
        clock: for pauses and durations.
        policy: how often failed requests are sent again.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        requests: GatewayRequests,
        store: BarStore,
        *,
        home: Path,
        clock: Clock,
        policy: RetryPolicy,
    ) -> None:
        persistence = Persistence(connection, clock, policy)
        self._tools = LoadTools(connection, requests, persistence, store, home, clock)

    async def load(self, session: LoadSession) -> ib_pb2.DataLoadResult:
        """Do the load of a session, from its beginning or from where an earlier life of it stopped.

        Returns:
            What it brought.

        Raises:
            Cancelled: the session was asked to stop; nothing is left open at the gateway.
            ServiceError: why it can't be done, or LOAD_INCOMPLETE with what is missing.
        """
        spec = json_format.Parse(session.spec_json, ib_pb2.DataLoadSpec())
        counts = await in_thread(SessionLedger.open, session.folder)
        load = _Load(self._tools, session, spec, counts)
        work = load.check() if spec.mode == Mode.MODE_LOCAL else load.run()
        return await until_stopped(work, session.bridge)


class _Load:
    """One load at work."""

    def __init__(
        self, tools: LoadTools, session: LoadSession, spec: ib_pb2.DataLoadSpec, counts: SessionLedger
    ) -> None:
        self._tools = tools
        self._session = session
        self._spec = spec
        self._described = Described(tools.store, tools.home)
        self._progress = LoadProgress(session.bridge, BAR_LENGTHS[spec.bar_size])
        self._state = LoadState(
            session=session.folder.name,
            wish=Wish.read(spec),
            counts=counts,
            progress=self._progress,
            failures=LoadFailures(len(spec.instruments)),
            instruments=len(spec.instruments),
        )
        self._loads: list[ib_pb2.InstrumentLoad] = []

    async def run(self) -> ib_pb2.DataLoadResult:
        works = await self._prepare()
        if not works:  # there is nothing to show progress of
            raise self._state.failures.error(0)
        state, done = self._state, self._state.counts.all_records
        _LOG.info(
            "load_planned",
            mode=Mode.Mode.Name(state.wish.mode),
            source=bars_pb2.Source.Name(state.source).removeprefix("SOURCE_"),
            instruments=len(works),
            chunks=state.total,
            skipped=sum(work.skipped for work in works),
            done_before=len(done),
        )
        self._progress.begin_bars(state.total, completed=len(done), rows=sum(record.received for record in done))
        for work in works:
            await self._load(work)
        if state.failures:
            raise state.failures.error(state.total)
        _LOG.info("load_ended", chunks=state.total, bars=sum(load.range_rows for load in self._loads))
        return self._result()

    async def check(self) -> ib_pb2.DataLoadResult:
        """Look at what is stored, without the gateway."""
        self._session.bridge.set_phase("check", total=len(self._spec.instruments), unit="instrument")
        failures, tools = self._state.failures, self._tools
        for number, description in enumerate(self._spec.instruments):
            title = title_of(with_defaults(description))
            try:
                load = await in_thread(check_stored, tools.store, self._described, self._spec, description, tools.clock)
            except ServiceError as error:
                failures.instrument(title, (), error)
            else:
                self._state.source = load.dataset.key.source
                self._take(load)
            self._session.bridge.advance(number + 1, step=title)
        if failures:
            raise failures.error(0)
        return self._result()

    async def _prepare(self) -> Sequence[Work]:
        self._progress.begin_contracts(len(self._spec.instruments))
        preparing = Preparing(self._tools, self._state, self._spec, self._take_source)
        kind = AdjustedWork if self._spec.what_to_show == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST else InstrumentWork
        works: list[Work] = []
        for number, description in enumerate(self._spec.instruments):
            try:
                job = await preparing.job(number, description)
                work = kind(self._tools, self._state, job, self._take_source)
                await work.prepare()
            except ServiceError as error:
                if concerns_everything(error):
                    raise
                self._state.failures.instrument(title_of(with_defaults(description)), (), error)
            else:
                works.append(work)
                self._progress.contract_found(number + 1, job.key.instrument)
        return works

    async def _load(self, work: Work) -> None:
        try:
            await work.run()
        except ServiceError as error:
            if concerns_everything(error):
                raise
            self._state.failures.instrument(work.job.dataset_title, work.missing, error)
        self._take(await in_thread(self._described_load, work))

    def _described_load(self, work: Work) -> ib_pb2.InstrumentLoad:
        job = work.job
        return instrument_load(
            self._described,
            job.key,
            self._state.counts.records(job.number),
            whole=work.whole,
            now=job.expected_until,
            skipped=work.skipped,
            beginning=job.beginning,
            revisions=work.revisions,
        )

    def _take(self, load: ib_pb2.InstrumentLoad) -> None:
        self._loads.append(load)
        self._session.partial_result(self._result())

    def _result(self) -> ib_pb2.DataLoadResult:
        return ib_pb2.DataLoadResult(loads=self._loads, source=self._state.source)

    def _take_source(self, source: bars_pb2.Source.ValueType) -> None:
        """Recorded and real bars never meet in a load, whatever gateway answers at the address meanwhile."""
        name = bars_pb2.Source.Name(source)
        here = set() if self._state.source == _UNKNOWN else {bars_pb2.Source.Name(self._state.source)}
        others = (self._state.counts.sources | here) - {name}
        if others:
            detail = (
                f"The gateway at {self._tools.connection.address} is another one now: bars came from {others.pop()} "
                f"and now would come from {name}"
            )
            raise ServiceError(ErrorReason.ERROR_REASON_LOAD_INCOMPLETE, detail=detail)
        self._state.source = source
