"""What a verdict about a million minute bars costs, beside reading the same bars alone.

`python -m benchmarks.verdicts [--json FILE]`. Ten years of minutes of New York's sessions lie in a store, with its
ledger: once all of them, once without three of ten, chosen at random, as of a stock that is seldom traded. Times are of
the processor: a verdict is made in one thread. Beside them: the first use of exchange-calendars in a fresh process.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from benchmarks.findings import Findings, add_json_flag
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome, SpanRecord
from services.ib_host.sessions.exchange_calendar import ExchangeCalendar
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA
from services.ib_host.verdict.grid import Alignment, slots_of
from services.ib_host.verdict.verdict import judge

START: Final = datetime(2003, 1, 1, tzinfo=UTC)
END: Final = datetime(2013, 4, 1, tzinfo=UTC)
TURNS: Final = 5
TARGET_SECONDS: Final = 1.0
_FIRST_USE: Final = """
import time
from datetime import UTC, datetime
import services.ib_host.service
from services.ib_host.sessions.exchange_calendar import ExchangeCalendar
began = time.process_time()
ExchangeCalendar("XNYS", extended=False).sessions(datetime(2003, 1, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC))
print(time.process_time() - began)
"""


def bars_of(times: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pa.Table:
    """Return bars of these times: a random walk, the same each time."""
    random = np.random.default_rng(7)
    close = np.round(100 + np.cumsum(random.normal(0, 0.02, len(times))), 2)
    volume = np.round(random.lognormal(7, 1, len(times)))
    columns = [times, close, close + 0.01, close - 0.01, close, volume, close, (volume // 50).astype("<i8")]
    arrays = [pa.array(values).cast(field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the median of some turns."""
    taken = []
    for _ in range(TURNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)


def main() -> int:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("verdicts")
    findings.head()
    calendar = ExchangeCalendar("XNYS", extended=False)
    every = slots_of(calendar.sessions(START, END), timedelta(minutes=1), calendar.zone, Alignment.CLOCK).times
    seldom = every[np.random.default_rng(2).random(len(every)) > 0.3]
    for name, times in (("all minutes", every), ("seven of ten minutes", seldom)):
        with tempfile.TemporaryDirectory() as folder:
            measure(findings, name, bars_of(times), Path(folder))
    command = [sys.executable, "-c", _FIRST_USE]
    first = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"first use of exchange-calendars: {first:.2f} s of the processor, in a thread")
    findings.keep("first use of exchange-calendars", processor_seconds=first)
    return findings.write(options.json)


def measure(findings: Findings, name: str, bars: pa.Table, home: Path) -> None:
    """Measure one dataset."""
    key = bars_pb2.DatasetKey(
        source=bars_pb2.SOURCE_REPLAY,
        instrument=bars_pb2.Instrument(symbol="TEST", contract_id=1, primary_exchange="NYSE", exchange="SMART"),
        what_to_show=bars_pb2.WHAT_TO_SHOW_TRADES,
        use_rth=True,
        bar_size=bars_pb2.BAR_SIZE_1_MINUTE,
    )
    store = BarStore(home)
    store.merge(key, bars)
    ledger = DatasetLedger.open(store.folder(key))
    ledger.add(SpanRecord(start=START, end=END, outcome=SpanOutcome.DONE, time=END, request="all", session="1"))
    calendar = ExchangeCalendar("XNYS", extended=False)

    def read() -> int:
        snapshot = store.open(key)
        assert snapshot is not None
        with snapshot:
            return sum(table.num_rows for table in snapshot.tables())

    def check() -> bars_pb2.DatasetVerdict:
        records = ledger.all_records()
        snapshot = store.open(key)
        assert snapshot is not None
        with snapshot:
            return judge(snapshot, records, calendar, (), start=START, end=END, most_spans=100)

    verdict = check()
    reading, checking = processor_seconds(read), processor_seconds(check)
    told = f"{checking:.2f} s of the processor; reading alone {reading:.2f} s"
    findings.keep(name, rows=bars.num_rows, gaps=verdict.missing_spans, read_seconds=reading, check_seconds=checking)
    rows = f"{name}: {bars.num_rows:,} of {verdict.expected_bars:,} bars, {verdict.missing_spans:,} gaps"
    findings.check(rows, checking, told, f"<= {TARGET_SECONDS:g} s", passed=checking <= TARGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
