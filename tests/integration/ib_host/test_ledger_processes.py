"""Two processes write one ledger at the same time: no line is lost, and none is torn."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.ledger_file import NAME

LINES = 60
WRITER = f"""
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome, SpanRecord

first, start = int(sys.argv[2]), datetime(2012, 1, 1, tzinfo=UTC)
ledger = DatasetLedger.open(Path(sys.argv[1]))
for number in range(first, first + 2 * {LINES}, 2):
    at = start + timedelta(days=number)
    end = at + timedelta(days=1)
    ledger.add(SpanRecord(start=at, end=end, outcome=SpanOutcome.DONE, time=at, request="1 D", session=sys.argv[2]))
"""


async def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(tmp_path), str(first), env=environment)
        for first in (0, 1)
    ]
    assert [await writer.wait() for writer in writers] == [0, 0]
    start = datetime(2012, 1, 1, tzinfo=UTC)
    ledger = DatasetLedger.open(tmp_path)
    assert ledger.unknown(start, start + timedelta(days=2 * LINES)) == []
    assert [record.session for record in ledger.all_records()] == ["0", "1"] * LINES
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 2 * LINES
