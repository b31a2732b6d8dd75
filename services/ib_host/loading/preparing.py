"""Getting to know an instrument before its bars are loaded."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import ServiceError
from services.common.threads import in_thread
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.contracts.instruments import title_of
from services.ib_host.loading.beginning import Beginning, find_beginning
from services.ib_host.loading.closing import closed_until, settled_until
from services.ib_host.loading.instruments import qualify
from services.ib_host.loading.job import Job, LoadState, LoadTools, distinct_title
from services.ib_host.loading.spec import what_faults
from services.ib_host.loading.stored_times import StoredTimes
from services.ib_host.loading.wanted import Mode
from services.ib_host.requests.failures import GatewayFailure, as_service_error
from services.ib_host.sessions.choice import calendar_for
from services.ib_host.sessions.keeping import keep_hours
from services.ib_host.sessions.session import CalendarUnavailableError, SessionCalendar
from services.ib_host.store.commands import load_command
from services.ib_host.store.identity import title_of as dataset_title

_LOG = structlog.get_logger(__name__)


class Preparing:
    """Asks the gateway what a load has to know of its instruments: contract, hours, time, beginning of history.

    Args:
        tools: of all loads.
        state: of this load.
        spec: what it is about.
        take_source: checks that bars still come from where they came from.
    """

    def __init__(
        self,
        tools: LoadTools,
        state: LoadState,
        spec: ib_pb2.DataLoadSpec,
        take_source: Callable[[bars_pb2.Source.ValueType], None],
    ) -> None:
        self._tools = tools
        self._state = state
        self._spec = spec
        self._take_source = take_source
        self._bar = BAR_LENGTHS[spec.bar_size]
        self._titles: set[str] = set()
        self._now: datetime | None = None

    async def job(self, number: int, description: bars_pb2.Instrument) -> Job:
        """Return what there is to do for an instrument.

        Args:
            number: within the load, from 0 on.
            description: as the request has it.

        Raises:
            ServiceError: there is no such instrument, nothing to go on from, or the gateway can't tell.
        """
        tools, progress = self._tools, self._state.progress
        details = await qualify(
            description,
            requests=tools.requests,
            persistence=tools.persistence,
            gateway=tools.connection.address,
            told=progress.waits_for,
            paced=progress.waits_for_pacing,
        )
        self._take_source(tools.connection.source)
        instrument = details.instrument
        for _, text in what_faults(instrument.security_type, self._spec.what_to_show):
            reason = ErrorReason.ERROR_REASON_INVALID_REQUEST
            raise ServiceError(reason, detail=f"{title_of(instrument)}: what_to_show {text}")
        key = bars_pb2.DatasetKey(
            source=self._state.source,
            instrument=instrument,
            what_to_show=self._spec.what_to_show or bars_pb2.WHAT_TO_SHOW_TRADES,
            use_rth=self._spec.use_rth if self._spec.HasField("use_rth") else True,
            bar_size=self._spec.bar_size,
        )
        try:
            now = await self._time()
            await in_thread(self._require_something_to_go_on_from, key, now)
            beginning = await self._beginning(key, now)
        except GatewayFailure as failure:
            raise as_service_error(
                failure, gateway=tools.connection.address, instrument=title_of(instrument)
            ) from failure
        folder = tools.store.folder(key)
        wish = self._state.wish
        start, end = wish.start or (beginning.floor if beginning else now), min(wish.end or now, now)
        if start < end:
            await keep_hours(
                tools.requests,
                tools.persistence,
                folder,
                key,
                details,
                start,
                end,
                told=progress.waits_for,
                paced=progress.waits_for_pacing,
            )
        closed, settled = await in_thread(self._closed, folder, key, now)
        return Job(
            number=number,
            title=distinct_title(instrument, self._titles),
            key=key,
            bar=self._bar,
            now=now,
            closed=closed,
            settled=settled,
            beginning=beginning,
        )

    def _closed(self, folder: Path, key: bars_pb2.DatasetKey, now: datetime) -> tuple[datetime, datetime]:
        """Return the instants before which bars are over, and settled. Runs in a thread."""
        calendar = calendar_for(self._tools.home, folder, key)
        try:
            return self._closed_by(calendar, key, now)
        except CalendarUnavailableError as error:
            _LOG.warning("calendar_unavailable", instrument=title_of(key.instrument), error=str(error))
            return self._closed_by(None, key, now)

    def _closed_by(
        self, calendar: SessionCalendar | None, key: bars_pb2.DatasetKey, now: datetime
    ) -> tuple[datetime, datetime]:
        closed = closed_until(now, self._bar, time_zone=key.instrument.time_zone, calendar=calendar)
        return closed, settled_until(now, closed, self._bar, calendar=calendar)

    async def _time(self) -> datetime:
        """Return what time it is for the gateway: a recording's bars end in the past, whatever this machine's clock."""
        if self._now is None:
            self._now = await self._tools.persistence.ask(
                self._tools.requests.current_time, farm="", told=self._state.progress.waits_for
            )
        return self._now

    async def _beginning(self, key: bars_pb2.DatasetKey, now: datetime) -> Beginning | None:
        wish, progress = self._state.wish, self._state.progress
        adjusted = key.what_to_show == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST
        if wish.mode not in {Mode.MODE_BACKFILL, Mode.MODE_FULL} and not adjusted:
            return None
        return await find_beginning(
            self._tools.requests,
            self._tools.persistence,
            key,
            self._bar,
            start=wish.start,
            now=now,
            told=progress.waits_for,
            paced=progress.waits_for_pacing,
        )

    def _require_something_to_go_on_from(self, key: bars_pb2.DatasetKey, now: datetime) -> None:
        """A tail needs a bar that it begins at. Runs in a thread."""
        wish = self._state.wish
        adjusted = key.what_to_show == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST
        if wish.mode != Mode.MODE_TAIL or wish.start is not None or adjusted:
            return
        if StoredTimes.read(self._tools.store, key).last is None:
            raise nothing_stored(key, now)


def nothing_stored(key: bars_pb2.DatasetKey, now: datetime) -> ServiceError:
    """Return the error for a load that needs stored bars, with the command that loads some.

    Args:
        key: of the dataset.
        now: the end of what the command loads.
    """
    reason = ErrorReason.ERROR_REASON_DATASET_NOT_FOUND
    return ServiceError(reason, dataset=dataset_title(key), command=load_command(key, None, None, now.astimezone(UTC)))
