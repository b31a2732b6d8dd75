"""What a load tells of itself."""

import math
from collections.abc import Mapping
from datetime import timedelta

from ktrdr.ib.v1 import bars_pb2
from ktrdr_bridge import Bridge

from services.ib_host.bar_sizes import BarLength
from services.ib_host.contracts.instruments import title_of
from services.ib_host.loading.pace import LoadPace
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.planning.chunks import Chunk
from services.ib_host.planning.span import Span


class LoadProgress:
    """Writes a load's phases, chunks and waits to its bridge.

    Args:
        bridge: of the session.
        bar: length of the bars.
    """

    def __init__(self, bridge: Bridge, bar: BarLength) -> None:
        self._bridge = bridge
        self._bar = bar
        self._waiting = ""
        self._completed = 0
        self._total = 0
        self._rows = 0
        self._pace = LoadPace()

    def begin_contracts(self, total: int) -> None:
        """The instruments are looked up at the gateway."""
        self._bridge.set_phase("contract", total=total, unit="instrument")
        self._waiting = ""

    def contract_found(self, completed: int, instrument: bars_pb2.Instrument) -> None:
        """One of them is known now."""
        self._bridge.advance(completed, step=f"{title_of(instrument)}: {instrument.long_name or 'found'}")

    def begin_bars(self, total: int, *, completed: int, rows: int) -> None:
        """The chunks are fetched; some may be done from an earlier life of the load.

        Args:
            total: all chunks of the load.
            completed: those that are done.
            rows: bars that they brought.
        """
        self._completed, self._total, self._rows = completed, total, rows
        self._bridge.set_phase("bars", total=total, unit="chunk")
        self._waiting = ""
        self._pace = LoadPace()
        if completed:
            self._bridge.advance(completed, step=f"going on after {completed} of {total} chunks")

    def chunk_over(
        self,
        instrument: bars_pb2.Instrument,
        chunk: Chunk | Span,
        *,
        rows: int,
        seconds: float,
        source: bars_pb2.Source.ValueType,
        total: int,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """A chunk is stored, or known to be empty.

        Args:
            instrument: whose.
            chunk: which.
            rows: bars that it brought.
            seconds: how long it took, with all waiting.
            source: recorded or real.
            total: chunks of the whole load, as far as is known now.
            metrics: further values to record.
        """
        self._completed += 1
        self._total = max(self._completed, total)
        self._rows += rows
        self._pace.chunk_over(seconds)
        plural = "" if self._rows == 1 else "s"
        replay = " (REPLAY)" if source == bars_pb2.SOURCE_REPLAY else ""
        stretch = title_of_chunk(chunk, self._bar)
        step = f"{title_of(instrument)} {self._bar.name} {stretch}, {self._rows:,} bar{plural}{replay}"
        values = {"rows": float(self._rows), "chunk_seconds": seconds, **(metrics or {})}
        self._bridge.on_rows(self._completed, rows=self._rows, step=step, metrics=values)
        self._expect()

    def waits_for(self, text: str) -> None:
        """The load waits; an empty text: it goes on."""
        if text != self._waiting:
            self._bridge.wait_reason(text)
            self._waiting = text
            self._expect()

    def waits_for_pacing(self, wait: PacingWait) -> None:
        """IB's limits hold the next request back: until when, and how long they make the rest of the load.

        No seconds: they do no more.
        """
        self._pace.paced(wait)
        if wait.seconds <= 0.0:
            self.waits_for("")
            return
        text = f"IB pacing: {duration_text(wait.seconds)}"
        if self._total:
            text += self._rest(wait)
        self.waits_for(text)

    def _rest(self, wait: PacingWait) -> str:
        left = self._total - self._completed
        chunks = f", {left:,} chunk{'' if left == 1 else 's'} left"
        rest = self._pace.rest_seconds(left) or 0.0
        # What is left beyond this wait is worth telling only where it is longer.
        return f"{chunks}, about {duration_text(rest)}" if rest > wait.seconds + 1.0 else chunks

    def _expect(self) -> None:
        """Tell how much is left, and how long it takes: the pace of what is over knows nothing of limits to come."""
        if self._total:
            self._bridge.expect(self._total, rest_seconds=self._pace.rest_seconds(self._total - self._completed))


def duration_text(seconds: float) -> str:
    """Return a time for people: "41 s", "12 min", "3 h 20 min"."""
    if seconds < 120.0:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60.0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def title_of_chunk(chunk: Chunk | Span, bar: BarLength) -> str:
    """Return the stretch of a chunk, or a span, for people: dates, the last one inclusive, or times."""
    if bar.dated:
        return f"{chunk.start:%Y-%m-%d} … {chunk.end - timedelta(days=1):%Y-%m-%d}"
    return f"{chunk.start:%Y-%m-%d %H:%M} … {chunk.end:%Y-%m-%d %H:%M}"
