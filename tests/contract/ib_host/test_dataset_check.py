"""CheckDataset over the wire: a verdict about real history, each error, and a call that is given up."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import status_of_call
from services.common.timestamps import to_timestamp
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.store.bar_store import BarStore
from tests.support.checked_datasets import CheckedDataset, bars_at, key_of, minutes
from tests.support.eventually import eventually
from tests.support.ib_host import IbHost, ib_host, reason_of_call
from tests.support.recorded_bars import recorded_bars

FIRST, END = datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
GONE = datetime(2010, 5, 6, tzinfo=UTC)
DAILY = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
NOWHERE = "127.0.0.1:9"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[IbHost]:
    async with ib_host(tmp_path, NOWHERE) as running:
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> CheckedDataset:
    bars = [bar for bar in recorded_bars("AAPL") if bar.time != GONE]
    prices = [(bar.open, bar.high, bar.low, bar.close) for bar in bars]
    return CheckedDataset(tmp_path, key_of(), bars_at([bar.time for bar in bars], prices))


async def checked(host: IbHost, key: bars_pb2.DatasetKey = DAILY, **fields: Any) -> bars_pb2.DatasetVerdict:
    response = await host.bars.CheckDataset(ib_pb2.CheckDatasetRequest(key=key, **fields), timeout=60)
    verdict: bars_pb2.DatasetVerdict = response.verdict
    return verdict


async def refused(host: IbHost, code: grpc.StatusCode, reason: str, **fields: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await checked(host, **fields)
    assert failure.value.code() is code, failure.value.details()
    assert reason_of_call(failure.value) == reason
    return failure.value


def violations(failure: grpc.aio.AioRpcError) -> list[str]:
    status = status_of_call(failure)
    assert status is not None
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details if detail.Is(request.DESCRIPTOR))
    return [violation.field for violation in request.field_violations]


def open_bars(home: Path) -> bool:
    """Tell whether this process, in which the host runs too, has a file of bars of the home open."""
    return any(
        Path(file.path).is_relative_to(home) and file.path.endswith(".parquet")
        for file in psutil.Process().open_files()
    )


async def test_a_verdict_about_all_that_is_stored(host: IbHost, dataset: CheckedDataset) -> None:
    dataset.asked(FIRST, END)
    revision = bars_pb2.Revision(kind=bars_pb2.Revision.KIND_SPLIT, bars=5, text="a split, 2 for 1")
    RevisionLog.open(dataset.folder).add(revision)
    verdict = await checked(host)
    assert verdict.dataset.key == dataset.key
    assert verdict.start_time.ToDatetime(UTC) == FIRST
    assert verdict.end_time.ToDatetime(UTC) == END
    assert verdict.calendar == "XNYS of exchange-calendars"
    assert (verdict.expected_bars, verdict.stored_bars, verdict.missing_bars) == (3270, 3269, 1)
    [span] = verdict.missing
    assert span.start_time.ToDatetime(UTC) == GONE
    assert span.reason == bars_pb2.MissingSpan.REASON_LEFT_OUT
    assert list(verdict.revisions) == [revision]
    assert not verdict.complete


async def test_a_verdict_about_a_range(host: IbHost, dataset: CheckedDataset) -> None:
    dataset.asked(FIRST, END)
    start, end = to_timestamp(datetime(2011, 1, 1, tzinfo=UTC)), to_timestamp(datetime(2012, 1, 1, tzinfo=UTC))
    verdict = await checked(host, start_time=start, end_time=end)
    assert (verdict.expected_bars, verdict.stored_bars, verdict.missing_bars, verdict.complete) == (252, 252, 0, True)
    assert (verdict.start_time, verdict.end_time) == (start, end)


async def test_what_was_never_loaded_comes_with_the_command_that_loads_it(
    host: IbHost, dataset: CheckedDataset
) -> None:
    dataset.asked(FIRST, END)
    verdict = await checked(host, end_time=to_timestamp(END + timedelta(days=7)))
    assert verdict.missing[-1].bars == 5
    assert verdict.missing[-1].reason == bars_pb2.MissingSpan.REASON_NOT_LOADED
    assert "ktrdr data load AAPL 1d --start 2013-03-04 --end 2013-03-08" in verdict.missing[-1].text
    assert verdict.missing_spans == 2
    listed = await checked(host, end_time=to_timestamp(END + timedelta(days=7)), most_spans=1)
    assert (len(listed.missing), listed.missing_spans) == (1, 2)


async def test_sessions_to_come_are_not_expected(host: IbHost, dataset: CheckedDataset) -> None:
    dataset.asked(FIRST, END)
    now = datetime.now(UTC)
    far = await checked(host, end_time=to_timestamp(now + timedelta(days=400)))
    near = await checked(host, end_time=to_timestamp(now + timedelta(minutes=1)))
    assert far.expected_bars == near.expected_bars


async def test_names_every_field_that_is_wrong(host: IbHost) -> None:
    failure = await refused(
        host,
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        key=bars_pb2.DatasetKey(),
        start_time=to_timestamp(END),
        end_time=to_timestamp(FIRST),
        most_spans=10_001,
    )
    assert violations(failure) == ["key.instrument.symbol", "key.bar_size", "end_time", "most_spans"]
    request = ib_pb2.CheckDatasetRequest(key=DAILY, most_spans=-1)
    request.start_time.seconds = 10**15
    request.end_time.seconds = 10**15
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await host.bars.CheckDataset(request, timeout=60)
    assert violations(error.value) == ["start_time", "end_time", "most_spans"]


async def test_a_dataset_that_is_not_there(host: IbHost) -> None:
    failure = await refused(host, grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND")
    assert "ktrdr data load AAPL 1d" in str(failure.details())


async def test_more_than_one_that_fits(host: IbHost, dataset: CheckedDataset, tmp_path: Path) -> None:
    real = key_of(source=bars_pb2.SOURCE_IB)
    BarStore(tmp_path).merge(real, bars_at([FIRST]))
    await refused(host, grpc.StatusCode.INVALID_ARGUMENT, "DATASET_AMBIGUOUS")
    verdict = await checked(host, dataset.key)
    assert verdict.stored_bars == 3269


async def test_a_damaged_file(host: IbHost, dataset: CheckedDataset) -> None:
    for path in dataset.folder.glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
    await refused(host, grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT")


async def test_an_override_file_with_a_fault_is_told_and_the_rest_is_checked(
    host: IbHost, dataset: CheckedDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "calendars"
    folder.mkdir(parents=True)
    (folder / "NASDAQ.toml").write_text('[[closed]]\nfirst = "today"\n')
    verdict = await checked(host)
    assert verdict.calendar.startswith("none: data/calendars/NASDAQ.toml, line 2: first has to be a date")
    assert verdict.stored_bars == 3269
    assert dataset.calendar is not None
    (folder / "NASDAQ.toml").write_text("[[closed]]\nfirst = 2010-05-06\n")
    assert (await checked(host)).missing_bars == 0


async def test_a_ledger_with_a_damaged_line_still_gives_a_verdict(host: IbHost, dataset: CheckedDataset) -> None:
    dataset.asked(FIRST, END)
    with (dataset.folder / "ledger.jsonl").open("a") as file:
        file.write(json.dumps({"rubbish": 1}) + "\n")
    assert DatasetLedger.open(dataset.folder).known(FIRST, END)
    assert (await checked(host)).missing_bars == 1


async def test_several_callers_at_once_all_get_their_verdict(host: IbHost, dataset: CheckedDataset) -> None:
    dataset.asked(FIRST, END)
    verdicts = await asyncio.gather(*(checked(host) for _ in range(5)))
    assert [verdict.missing_bars for verdict in verdicts] == [1] * 5


async def test_a_range_beyond_all_bounds(host: IbHost, dataset: CheckedDataset) -> None:
    dataset.asked(FIRST, END)
    verdict = await checked(
        host,
        start_time=to_timestamp(datetime.min.replace(tzinfo=UTC)),
        end_time=to_timestamp(datetime.max.replace(tzinfo=UTC)),
    )
    assert verdict.start_time.ToDatetime(UTC).year == 1800
    assert verdict.stored_bars == 3269
    assert [span.reason for span in verdict.missing] == [
        bars_pb2.MissingSpan.REASON_NOT_LOADED,
        bars_pb2.MissingSpan.REASON_LEFT_OUT,
        bars_pb2.MissingSpan.REASON_NOT_LOADED,
    ]


async def test_a_call_that_is_given_up_ends_the_work_and_leaves_nothing_behind(host: IbHost, tmp_path: Path) -> None:
    key = key_of("MSFT", bars_pb2.BAR_SIZE_1_SECOND, contract_id=272093)
    start = datetime(2012, 1, 3, 14, 30, tzinfo=UTC)
    CheckedDataset(tmp_path, key, bars_at(minutes(start, start + timedelta(minutes=60), timedelta(seconds=1))))
    # Two centuries of seconds take minutes to compare.
    century = ib_pb2.CheckDatasetRequest(key=key, start_time=to_timestamp(datetime(1800, 1, 1, tzinfo=UTC)))
    call = host.bars.CheckDataset(century, timeout=100)
    assert await eventually(lambda: open_bars(tmp_path))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await eventually(lambda: not open_bars(tmp_path))
    # The host serves on, and the folder is free for other writers.
    assert (await checked(host, key)).stored_bars == 3600
    BarStore(tmp_path, lock_timeout=timedelta(0)).merge(key, bars_at([start]))
