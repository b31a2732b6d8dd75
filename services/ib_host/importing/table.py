"""All the bars that somebody brings, checked and in order."""

from datetime import timedelta
from typing import IO, Final, NamedTuple

import numpy as np
import pyarrow as pa

from services.ib_host.bar_sizes import BarLength
from services.ib_host.importing.columns import check_columns, stored_columns
from services.ib_host.importing.faults import refused
from services.ib_host.store.columns import instant, merge, times_of

MOST_ROWS: Final = 10_000_000
"""640 MB in memory."""
_FEWEST_TO_JUDGE: Final = 3
_WEEK: Final = timedelta(days=7)
_MICROSECOND: Final = timedelta(microseconds=1)


class Imported(NamedTuple):
    """What came.

    Attributes:
        bars: as they are stored: ascending, one for each time.
        received_rows: how many there were, equal ones counted too.
    """

    bars: pa.Table
    received_rows: int


def imported_table(file: IO[bytes], bar: BarLength, *, positive: bool) -> Imported:
    """Return the bars of an Arrow IPC stream as stored ones.

    Args:
        file: the stream, from its beginning.
        bar: length of the bars.
        positive: no price is zero or below it.

    Raises:
        ServiceError: INVALID_REQUEST: it is no such stream, or some of the bars can't be.
    """
    tables: list[pa.Table] = []
    rows = 0
    try:
        with pa.ipc.open_stream(file) as reader:
            check_columns(reader.schema)
            for batch in reader:
                if rows + batch.num_rows > MOST_ROWS:
                    raise refused(f"has more than {MOST_ROWS:,} bars: bring them in several calls")
                tables.append(stored_columns(batch, bar, positive=positive, first_row=rows))
                rows += batch.num_rows
    except (pa.ArrowException, OSError, EOFError) as error:
        raise refused(f"is no whole Arrow IPC stream ({error})") from error
    if not rows:
        raise refused("has no bars")
    return Imported(_in_order(pa.concat_tables(tables), bar), rows)


def _in_order(table: pa.Table, bar: BarLength) -> pa.Table:
    """Return the bars ascending; of equal ones one is left.

    Raises:
        ServiceError: INVALID_REQUEST: two bars of one time differ, or most are closer together than one is long.
    """
    ordered = merge(table.slice(0, 0), table).table
    if ordered.num_rows < table.num_rows:
        _check_equals(table)
    times = times_of(ordered)
    apart = np.diff(times)
    close = apart < _length(bar)
    # A session that does not begin on the hour has a first bar that is shorter: 9:30, 10:00, 11:00, …
    if len(apart) >= _FEWEST_TO_JUDGE and int(close.sum()) * 2 > len(apart):
        at = int(np.argmax(close))
        example = f"that of {instant(int(times[at + 1]))}, {int(apart[at]) / 1e6:g} s after it"
        text = f"most bars begin sooner after the one before them than {bar.name} (as {example})"
        raise refused(f"{text}: name the size of bar that these are")
    return ordered


def _length(bar: BarLength) -> int:
    """Return how far bars are apart at least, in microseconds: weeks and months may begin late and end early."""
    return (timedelta(days=1) if bar.length >= _WEEK else bar.length) // _MICROSECOND


def _check_equals(table: pa.Table) -> None:
    """Check that bars of one time are equal.

    Raises:
        ServiceError: INVALID_REQUEST.
    """
    times = times_of(table)
    order = np.argsort(times, kind="stable")
    arranged = table.take(pa.array(order))
    same = np.flatnonzero(np.diff(times[order]) == 0)
    for column in arranged.columns[1:]:
        values = column.to_numpy()
        differing = same[values[same] != values[same + 1]]
        if len(differing):
            first, second = sorted((int(order[differing[0]]) + 1, int(order[differing[0] + 1]) + 1))
            raise refused(f"rows {first} and {second} have the same time and differ: leave one of them out")
