"""Hold what readers got of a journal that was thinned against what the worker knows it wrote.

A series is one kind of row with one set of names. Of the rows before `complete_from_seq` as many are left out as the
answer says, and the first and the last of each series are there; from it on all are. Whoever read along may have more.
"""

from collections.abc import Iterator

from ktrdr.host.v1.session_pb2 import Thinning

from tests.support.kills.ledger import Ledger
from tests.support.kills.readers import Points
from tests.support.kills.verdict import same


def problems_of_thinned(ledger: Ledger, points: Points, thinning: Thinning, *, read_along: bool) -> Iterator[str]:
    """Tell what is lost beyond what the answer says, doubled, reordered or invented.

    Args:
        ledger: What the worker knows.
        points: What a reader has.
        thinning: What the last answer says was left out.
        read_along: The reader had a cursor, and so may have what was left out after it had read it.
    """
    end = max(points) + 1 if points else 0
    if end < ledger.written:
        yield f"{ledger.written} rows were certainly written, those up to {end} were delivered"
    if end > len(ledger.rows):
        yield f"row {end - 1} was delivered, {len(ledger.rows)} were begun"
        return
    for seq, row in points.items():
        if not same(ledger.rows[seq], row):
            yield f"row {seq} is {row}, and was written as {ledger.rows[seq]}"
            return
    start = thinning.complete_from_seq
    lost = [seq for seq in range(start, end) if seq not in points]
    if lost:
        yield f"rows {lost[:5]} are lost, and should be complete from {start}"
    missing = start - sum(seq < start for seq in points)
    if missing > thinning.rows_left_out or (missing < thinning.rows_left_out and not read_along):
        yield f"{missing} rows are left out before {start}, the answer says {thinning.rows_left_out}"
    for name, seqs in _series(ledger, start).items():
        absent = {seqs[0], seqs[-1]} - points.keys()
        if absent:
            yield f"of {len(seqs)} rows of {name}, the first or the last is left out: {sorted(absent)}"


def _series(ledger: Ledger, end: int) -> dict[tuple[str, tuple[str, ...]], list[int]]:
    """Return the seqs before `end` of each series."""
    found: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for seq, row in enumerate(ledger.rows[:end]):
        found.setdefault((row.kind, tuple(row.metrics)), []).append(seq)
    return found
