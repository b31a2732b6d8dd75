"""Fetching the bars of one chunk."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.loading.persistence import Persistence
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.planning.chunks import Ask, Chunk
from services.ib_host.planning.coverage import ask_again, usual_pause
from services.ib_host.requests.answers import HistoryAnswer
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.store.columns import ReceivedBar, bar_time, instant, microseconds


class Fetched(NamedTuple):
    """What the gateway has of a chunk.

    Attributes:
        bars: of the chunk, and of around it; none where the gateway has none.
        source: recorded or real; unspecified without bars.
        seconds: the longest time from sending a request to its answer.
        most_bars: of one answer.
        request: what was asked, for people.
    """

    bars: Sequence[ReceivedBar]
    source: bars_pb2.Source.ValueType
    seconds: float
    most_bars: int
    request: str


class ChunkFetch:
    """Fetches chunks of one instrument.

    Args:
        requests: to the gateway.
        persistence: how often they are sent.
        instrument: as the gateway described it.
        bar: length of the bars.
        what: what they show, in IB's words.
        use_rth: regular trading hours only.
        told: called with what it waits for, and with "" when it goes on.
        paced: called while pacing holds it back.
    """

    def __init__(
        self,
        requests: GatewayRequests,
        persistence: Persistence,
        *,
        instrument: bars_pb2.Instrument,
        bar: BarLength,
        what: str,
        use_rth: bool,
        told: Callable[[str], None],
        paced: Callable[[PacingWait], None],
    ) -> None:
        self._requests = requests
        self._persistence = persistence
        self._instrument = instrument
        self._bar = bar
        self._what = what
        self._use_rth = use_rth
        self._told = told
        self._paced = paced

    async def fetch(self, chunk: Chunk, *, leave: Collection[FailureKind] = ()) -> Fetched:
        """Return the bars of a chunk; what an answer leaves out at its beginning is asked for until nothing comes.

        Args:
            chunk: to ask for.
            leave: kinds of failures that are not repeated: the caller has a better idea.

        Raises:
            GatewayFailure: the gateway can't give them.
        """
        bars: list[ReceivedBar] = []
        source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_UNSPECIFIED
        pause = usual_pause(self._bar, self._instrument.security_type)
        earliest: datetime | None = None
        seconds, most_bars = 0.0, 0
        ask: Ask | None = chunk.ask
        while ask is not None:
            answer = await self.ask(ask, leave)
            if answer is None:
                break
            first = _earliest(answer.bars)
            # The end of a further request may cut bars off that the one before it has brought whole.
            bars += answer.bars if earliest is None else _before(answer.bars, earliest)
            source = answer.source
            seconds, most_bars = max(seconds, answer.seconds), max(most_bars, len(answer.bars))
            if earliest is not None and first >= earliest:
                break
            earliest = first
            ask = ask_again(chunk, earliest, self._bar, pause)
        return Fetched(bars, source, seconds, most_bars, self.request(chunk))

    async def ask(self, ask: Ask, leave: Collection[FailureKind] = ()) -> HistoryAnswer | None:
        """Return the answer to one request; None: the gateway has no bars.

        Args:
            ask: end and duration.
            leave: kinds of failures that are not repeated.

        Raises:
            GatewayFailure: the gateway can't give them.
        """
        query = HistoryQuery(self._instrument, self._bar, self._what, self._use_rth, ask)
        try:
            answer = await self._persistence.ask(
                lambda: self._requests.history(query, waiting=self._paced),
                farm="history",
                told=self._told,
                leave=leave,
            )
        except GatewayFailure as failure:
            if failure.kind is FailureKind.NO_DATA:
                return None
            raise
        return answer if answer.bars else None

    def request(self, chunk: Chunk) -> str:
        """Return what is asked for a chunk, for people: "2013-03-01 05:00 UTC, 1 Y, 1 day TRADES rth"."""
        end = f"{chunk.ask.end:%Y-%m-%d %H:%M} UTC" if chunk.ask.end is not None else "now"
        hours = "rth" if self._use_rth else "all hours"
        return f"{end}, {chunk.ask.duration}, {self._bar.setting} {self._what} {hours}"


def _before(bars: Sequence[ReceivedBar], moment: datetime) -> Sequence[ReceivedBar]:
    border = microseconds(moment)
    return [bar for bar in bars if bar_time(bar.date) < border]


def _earliest(bars: Sequence[ReceivedBar]) -> datetime:
    try:
        return instant(bar_time(min(bar.date for bar in bars)))
    except (ValueError, TypeError) as error:  # TypeError: dates and times in one answer
        raise GatewayFailure(FailureKind.STREAM_BROKEN, str(error)) from error
