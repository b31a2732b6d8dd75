"""How much one request of a load asks for: it follows how the gateway answers.

Sizes begin at the largest step that IB's table has. Where that is only a guideline, they grow while answers come
quickly, one rung at a time, as long as an answer can't have too many bars: decoding them takes 11 to 23 µs each, and
nothing else goes on meanwhile. Answers that are slow, refused or missing make them smaller; what failed is not tried
again for a while, longer each time.
"""

import math
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.chunks import Chunk, ask_for, grid_end, period_start
from services.ib_host.planning.density import BarDensity
from services.ib_host.planning.span import Span
from services.ib_host.planning.steps import ladder
from services.ib_host.requests.failures import FailureKind

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MONTH: Final = timedelta(days=31)
_MEAN_MONTH: Final = timedelta(days=30.4375)
_QUICK_ANSWERS: Final = 2
"""So many full answers in a row, before sizes grow by a rung."""
_VERY_SLOW: Final = 4
"""So many times the target."""
_FIRST_PATIENCE: Final = 16
_MOST_PATIENCE: Final = 256
_MOST_HALVINGS: Final = {FailureKind.TIMEOUT: 3, FailureKind.INVALID_STEP: 1}
"""Without an answer between them."""
_REFUSALS: Final = frozenset({FailureKind.REFUSED, FailureKind.INVALID_STEP})


class ChunkSizer:
    """Cuts spans into chunks, one after the other. The same history of answers makes the same chunks.

    Args:
        bar: length of the bars.
        security_type: tells how long such instruments trade in a day.
        use_rth: regular trading hours only.
        most_bars: that an answer may have: decoding them takes less than 50 ms, also where each takes 20 µs.
        target_seconds: an answer that takes longer is slow; one that takes half of it is quick.
    """

    def __init__(
        self,
        bar: BarLength,
        *,
        security_type: bars_pb2.SecurityType.ValueType,
        use_rth: bool,
        most_bars: int = 2500,
        target_seconds: float = 5.0,
    ) -> None:
        self._bar = bar
        self._most_bars = most_bars
        self._target_seconds = target_seconds
        self._density = BarDensity(bar, security_type=security_type, use_rth=use_rth)
        self._ladder = ladder(bar)
        self._rung = self._ladder.safe
        self._refused_from = len(self._ladder.rungs)
        self._ceiling = self._refused_from - 1
        self._quick = 0
        self._patience = _FIRST_PATIENCE
        self._answers_to_wait = 0
        self._halvings = 0

    def next_chunk(self, span: Span, *, newest_first: bool) -> Chunk:
        """Return the chunk at the beginning of a span, or at its end.

        Chunks of dated bars begin and end at midnight UTC: the dates of the span's first and last instant count.

        Args:
            span: not empty.
            newest_first: at its end.
        """
        start, end = self._whole_days(span)
        low, high = period_start(start, self._bar), self._ask_end(end)
        room = self._room(min(self._rung, self._most()))
        if high - low > room and newest_first:
            start = low = self._border_from(high - room, room)
        elif high - low > room:
            end = high = self._border_until(low + room, room)
        return Chunk(start, end, ask_for(low, high, self._bar))

    def answered(self, chunk: Chunk, *, bars: int, seconds: float) -> None:
        """Take note of an answer, also of one that says that there is nothing.

        Args:
            chunk: that was asked for.
            bars: of the answer, those around the chunk too.
            seconds: from sending the request to the answer.
        """
        self._halvings = 0
        self._density.saw(bars, chunk.ask.duration)
        asked, safe = self._rung_of(chunk), self._ladder.safe
        slow, very_slow = seconds > self._target_seconds, seconds > _VERY_SLOW * self._target_seconds
        self._be_patient()
        if slow and asked > safe:
            self._lower(max(safe, self._half_of(asked) if very_slow else asked - 1), failed=asked)
        elif very_slow or asked < self._rung:
            self._quick = 0 if very_slow else self._quick
        elif asked < safe or seconds <= self._target_seconds / 2:
            self._quick += 1
            if self._quick >= _QUICK_ANSWERS:
                self._quick = 0
                self._rung = min(self._rung + 1, self._ceiling, self._most())

    def failed(self, chunk: Chunk, kind: FailureKind) -> bool:
        """Take note of a failure.

        Returns:
            Whether the span is worth asking for again: the next chunk is smaller.
        """
        asked, safe = self._rung_of(chunk), self._ladder.safe
        if kind in _REFUSALS and asked > safe:
            self._refused_from = safe + 1
            self._lower(safe, failed=asked)
            return True
        if asked == 0 or self._halvings >= _MOST_HALVINGS.get(kind, 0):
            self._halvings = 0
            return False
        self._halvings += 1
        self._lower(self._half_of(asked), failed=asked)
        return True

    def estimate(self, spans: Sequence[Span]) -> int:
        """Return how many chunks spans take, if sizes stay as they are.

        Sizes that trouble has made smaller than IB's table are expected to grow back, as they do.
        """
        rung = min(self._rung, self._most())
        usual = max(rung, self._ladder.safe)
        chunks, stretches = 0, timedelta()
        for span in spans:
            start, end = self._whole_days(span)
            if start < end:
                stretch = self._ask_end(end) - period_start(start, self._bar)
                room = self._room(usual)
                chunks += 1 if stretch <= room else -(-stretch // self._usual_step(room))
                stretches += stretch
        step = self._usual_step(self._room(usual))
        climb = [(self._answers_to_wait, rung)] + [(_QUICK_ANSWERS, lower) for lower in range(rung, usual)]
        more = 0.0
        for answers, lower in climb if rung < usual else []:
            smaller = self._usual_step(self._room(lower))
            fitting = min(answers, stretches / smaller)
            more += fitting * (1.0 - smaller / step)
            stretches -= fitting * smaller
        return chunks + math.ceil(more)

    def _lower(self, rung: int, *, failed: int) -> None:
        """Go down, and stay below what failed until so many answers have come; longer each time."""
        self._rung = min(self._rung, rung)
        self._ceiling = min(self._ceiling, failed - 1)
        self._quick = 0
        if self._halvings <= 1:  # further ones belong to the same trouble
            self._answers_to_wait = self._patience
            self._patience = min(_MOST_PATIENCE, 2 * self._patience)

    def _be_patient(self) -> None:
        self._answers_to_wait = max(0, self._answers_to_wait - 1)
        if self._answers_to_wait == 0:
            self._ceiling = self._refused_from - 1

    def _most(self) -> int:
        """Return the highest rung whose answers have few enough bars; IB's table is always good."""
        rungs = self._ladder.rungs
        fitting = (i for i in range(len(rungs)) if self._density.bars_in(rungs[i]) <= self._most_bars)
        return max(self._ladder.safe, *fitting)

    def _rung_of(self, chunk: Chunk) -> int:
        """Return the rung that a chunk was asked with: the lowest that is long enough."""
        stretch, rungs = chunk.ask.duration.surely_covers, self._ladder.rungs
        return next((i for i, rung in enumerate(rungs) if rung.surely_covers >= stretch), len(rungs) - 1)

    def _half_of(self, rung: int) -> int:
        rungs = self._ladder.rungs
        half = rungs[rung].surely_covers / 2
        return max((i for i in range(rung) if rungs[i].surely_covers <= half), default=0)

    def _room(self, rung: int) -> timedelta:
        """Return the stretch that a chunk may have, from the beginning of its first bar to the end of its last."""
        covers = self._ladder.rungs[rung].surely_covers
        if self._bar.dated:
            return covers - _DAY
        return covers - self._bar.length if self._bar.length >= _HOUR or covers < _DAY else covers

    def _whole_days(self, span: Span) -> Span:
        if not self._bar.dated:
            return span
        last = (span.end - timedelta(microseconds=1)).date()
        return Span(_midnight(span.start), datetime.combine(last + _DAY, time(), span.end.tzinfo))

    def _ask_end(self, end: datetime) -> datetime:
        """Return the end of the last bar."""
        if self._bar.dated:
            return self._border_from(end, self._room(0))
        return end if self._bar.length >= _HOUR else grid_end(end, self._bar)

    def _border_until(self, instant: datetime, room: timedelta) -> datetime:
        """Return the last border between two chunks that is not after an instant.

        It never cuts a bar: a request that ends within one gets a bar of what there was of it until then.
        """
        if self._bar.dated:
            return period_start(instant, self._bar)
        if room >= _DAY:
            return _midnight(instant)
        end = grid_end(instant, self._bar)
        return end if end == instant else end - self._bar.length

    def _border_from(self, instant: datetime, room: timedelta) -> datetime:
        """Return the first border that is not before an instant."""
        before = self._border_until(instant, room)
        if before == instant:
            return instant
        if self._bar.length > 7 * _DAY:
            return period_start(before + _MONTH, self._bar)
        if self._bar.dated or room < _DAY:
            return before + self._bar.length
        return before + _DAY

    def _usual_step(self, room: timedelta) -> timedelta:
        """Return by how much the borders of chunks usually differ."""
        if self._bar.length > 7 * _DAY:
            return room // _MONTH * _MEAN_MONTH
        unit = self._bar.length if self._bar.dated or room < _DAY else _DAY
        return room // unit * unit


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(), instant.tzinfo)
