"""What is known of an instrument before its bars are loaded, and what all instruments of a load share."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.common.clock import Clock
from services.ib_host.bar_sizes import BarLength
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.contracts.instruments import title_of
from services.ib_host.loading.beginning import Beginning
from services.ib_host.loading.incomplete import LoadFailures
from services.ib_host.loading.persistence import Persistence
from services.ib_host.loading.progress import LoadProgress
from services.ib_host.loading.session_ledger import SessionLedger
from services.ib_host.loading.wanted import Mode, Wish, whole_days
from services.ib_host.planning.span import Span
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.store.bar_store import BarStore

MOST_SERIES: Final = 50
"""Of so many instruments each has series of its own."""


@dataclass(frozen=True)
class LoadTools:
    """What every load works with.

    Attributes:
        connection: to the gateway.
        requests: over it.
        persistence: how often failed requests are sent again.
        store: where bars go.
        home: the KTRDR home.
        clock: for pauses, and the times of records.
    """

    connection: GatewayConnection
    requests: GatewayRequests
    persistence: Persistence
    store: BarStore
    home: Path
    clock: Clock


@dataclass(frozen=True)
class Job:
    """One instrument of a load.

    Attributes:
        number: within the load, from 0 on.
        title: of the instrument, for people; no other of the load has it.
        key: of its dataset, complete.
        bar: length of its bars.
        now: of the gateway's clock, when the load began.
        closed: every bar that starts before it is over.
        settled: every bar that starts before it has had time to reach the gateway's data.
        beginning: where its history begins, for modes that go back to it.
    """

    number: int
    title: str
    key: bars_pb2.DatasetKey
    bar: BarLength
    now: datetime
    closed: datetime
    settled: datetime
    beginning: Beginning | None

    @property
    def dataset_title(self) -> str:
        """Name of the dataset in messages: "AAPL 1d"."""
        return f"{self.title} {self.bar.name}"

    @property
    def expected_until(self) -> datetime:
        """When bars have to be over for a verdict to expect them: later ones may be on their way."""
        if self.settled >= self.closed:
            return self.now
        return min(self.now, self.settled if self.bar.dated else self.settled + self.bar.length)

    def newest_first(self, wish: Wish) -> bool:
        """Whether its chunks come from the end: where it is not known where history begins, it is looked for."""
        return wish.mode == Mode.MODE_BACKFILL or (wish.mode == Mode.MODE_FULL and self.searches_beginning(wish))

    def searches_beginning(self, wish: Wish) -> bool:
        """Whether nobody has said where it begins: neither the gateway nor the request."""
        return self.beginning is not None and self.beginning.head is None and wish.start is None

    def span(self, start: datetime, end: datetime) -> Span:
        """Return [start, end) as far as bars in it are over; of dated bars whole days."""
        span = Span(start, end)
        if self.bar.dated and start < end:
            span = whole_days(span)
        return Span(span.start, min(span.end, self.closed))


@dataclass
class LoadState:
    """What the instruments of a load tell each other.

    Attributes:
        session: id of the load's session.
        wish: what its request says.
        counts: the chunks that are done.
        progress: where they are told.
        failures: what failed.
        instruments: how many the load has.
        source: recorded or real; unspecified before the first answer.
        chunks: by number of the instrument, the chunks it takes in all as known now.
    """

    session: str
    wish: Wish
    counts: SessionLedger
    progress: LoadProgress
    failures: LoadFailures
    instruments: int
    source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_UNSPECIFIED
    chunks: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Chunks of the load, as known now."""
        return sum(self.chunks.values())

    def series(self, job: Job, *, done: int, rows: int) -> dict[str, float]:
        """Return the series of one of several instruments; none where there is only one, or too many."""
        if not 1 < self.instruments <= MOST_SERIES:
            return {}
        total = self.chunks[job.number]
        return {f"{job.title} done": float(done), f"{job.title} total": float(total), f"{job.title} rows": float(rows)}


def distinct_title(instrument: bars_pb2.Instrument, taken: set[str]) -> str:
    """Return a title that no other instrument of the load has, and take it."""
    title = title_of(instrument)
    if title in taken:
        title = f"{title} ({instrument.contract_id})"
    taken.add(title)
    return title
