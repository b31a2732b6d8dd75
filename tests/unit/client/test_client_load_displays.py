"""What people see of loads, verdicts, gateways and diagnoses."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from ktrdr.ib.v1.bars_pb2 import (
    BAR_SIZE_1_DAY,
    BAR_SIZE_1_HOUR,
    SECURITY_TYPE_FUTURE,
    SECURITY_TYPE_INDEX,
    SOURCE_IMPORTED,
    SOURCE_REPLAY,
    WHAT_TO_SHOW_ADJUSTED_LAST,
    WHAT_TO_SHOW_BID,
    Dataset,
    DatasetKey,
    DatasetVerdict,
    Instrument,
    Revision,
)
from ktrdr.ib.v1.ib_pb2 import DataLoadResult, DataLoadSpec, Finding, GetGatewayResponse, InstrumentLoad, Pacing
from ktrdr.operations.v1.operations_pb2 import OPERATION_TYPE_DATA_LOAD, Operation
from ktrdr_client.cli.data.commands import data_command, load_command
from ktrdr_client.cli.data.verdict_facts import verdict_lines
from ktrdr_client.cli.dataset_verdicts import verdict_words
from ktrdr_client.cli.display import LineDisplay
from ktrdr_client.cli.doctor.findings import Area, area_lines, conclusion, has_problem, ok, problem, warning
from ktrdr_client.cli.gateway import gateway_lines
from ktrdr_client.cli.live import OperationView
from ktrdr_client.cli.load_progress import InstrumentProgress, instrument_progress, most_telling
from ktrdr_client.cli.load_summary import asked_words
from ktrdr_client.cli.summary import summary_lines
from ktrdr_client.cli.words import progress_words, title
from ktrdr_client.instruments import parse_instrument
from ktrdr_client.specs import data_load_spec
from rich.console import Console
from rich.text import Text

AAPL = DatasetKey(
    source=SOURCE_REPLAY, instrument=Instrument(symbol="AAPL", currency="USD"), use_rth=True, bar_size=BAR_SIZE_1_DAY
)
MISSING = DatasetVerdict(
    dataset=Dataset(key=AAPL), calendar="XNYS", expected_bars=10, stored_bars=7, missing_bars=3, missing_spans=2
)
COMPLETE = DatasetVerdict(dataset=Dataset(key=AAPL), calendar="XNYS", expected_bars=7, stored_bars=7, complete=True)


def loading(*progress: tuple[str, int, int, int], total: int = 0) -> Operation:
    """Return a running load with the series of some instruments: name, chunks over, chunks in all, bars."""
    names = [each[0] for each in progress] + [f"MORE{index}" for index in range(total - len(progress))]
    operation = Operation(id="op1", type=OPERATION_TYPE_DATA_LOAD, state=Operation.STATE_RUNNING, host="ib")
    operation.data_load.CopyFrom(
        DataLoadSpec(instruments=[parse_instrument(name) for name in names], bar_size=BAR_SIZE_1_DAY)
    )
    operation.progress.phase, operation.progress.fraction = "bars", 0.45
    operation.progress.step = "EUR.USD 1d 2000-03-01 … 2005-03-01, 1,250 bars (REPLAY)"
    operation.progress.eta.FromSeconds(75)
    for name, done, chunks, rows in progress:
        for series, value in (("done", done), ("total", chunks), ("rows", rows)):
            operation.latest_metrics.add(name=f"{name} {series}", value=value)
    return operation


def loaded(*loads: InstrumentLoad) -> list[str]:
    operation = loading(("AAPL", 1, 1, 10))
    operation.state = Operation.STATE_COMPLETED
    operation.data_load_result.CopyFrom(DataLoadResult(loads=loads, source=SOURCE_REPLAY))
    return [line.plain for line in summary_lines(operation)]


def load(verdict: DatasetVerdict, **fields: int) -> InstrumentLoad:
    found = InstrumentLoad(dataset=Dataset(key=AAPL, rows=10), verdict=verdict, **fields)  # type: ignore[arg-type]  # counts
    found.range_first_bar_time.FromDatetime(datetime(2000, 3, 1))  # noqa: DTZ001 - UTC to protobuf
    found.range_last_bar_time.FromDatetime(datetime(2000, 3, 14))  # noqa: DTZ001 - likewise
    return found


def drawn(operation: Operation, width: int = 80) -> list[str]:
    view = OperationView()
    view.take(operation)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get().splitlines()


def told(*operations: Operation) -> Sequence[str]:
    lines: list[str] = []

    def take(line: str | Text) -> None:
        lines.append(str(line))

    with LineDisplay(take, prefixed=False, ends=False) as display:
        for operation in operations:
            display.update(operation)
    return [line for line in lines if "chunks" in line]


def test_each_instrument_of_a_load_is_told_once_when_it_is_over() -> None:
    first, second = ("EUR.USD", 3, 3, 900), ("AAPL", 0, 4, 0)
    assert not told(loading(("EUR.USD", 2, 3, 600), second), loading(first, second))
    grown = loading(("EUR.USD", 4, 4, 1000), ("AAPL", 1, 4, 10))
    assert told(loading(first, second), grown, grown, grown) == ["  EUR.USD: 4/4 chunks, 1,000 bars"]


def test_what_is_over_at_the_end_is_told_too() -> None:
    ended = loading(("AAPL", 4, 4, 1000))
    ended.state = Operation.STATE_COMPLETED
    assert told(loading(("AAPL", 3, 4, 900)), ended) == ["  AAPL: 4/4 chunks, 1,000 bars"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_picture_has_a_bar_for_each_instrument(width: int) -> None:
    lines = drawn(loading(("EUR.USD", 3, 3, 900), ("AAPL", 1, 4, 10), total=5), width)
    assert all(len(line.rstrip()) <= width for line in lines)
    text = "\n".join(lines)
    assert "1 min 15 s left" in text
    assert "45 %" in text
    assert "3/3 chunks, 900 bars" in text
    assert "1/4 chunks, 10 bars" in text
    assert "3 more; 1 of 5 are over" in text


def test_of_many_instruments_those_at_work_are_drawn() -> None:
    every = [InstrumentProgress(f"S{index}", 2 if index < 20 else 0, 2, 0) for index in range(40)]
    shown = most_telling(every, 10)
    assert [each.name for each in shown] == [f"S{index}" for index in range(19, 29)]
    assert most_telling(every[:20], 10)[-1].name == "S19"
    assert len(instrument_progress(loading(("AAPL", 1, 2, 3)))) == 1
    assert not instrument_progress(Operation())


def test_a_title_names_a_few_instruments() -> None:
    assert title(loading(("EURUSD", 0, 0, 0), total=2)) == "EUR.USD MORE0 1d"
    assert title(loading(total=20)).endswith("MORE5 and 14 more 1d")


def test_a_summary_says_what_is_new_known_and_missing() -> None:
    lines = loaded(load(MISSING, range_rows=7, new_rows=2, done_chunks=1, empty_chunks=1, skipped_chunks=4))
    text = "\n".join(lines)
    assert "AAPL 1d: 7 of 10, 2000-03-01 … 2000-03-14 (2 new)  (REPLAY)" in text
    assert "1 chunk with bars, 1 empty, 4 known before" in text
    assert "3 bars missing in 2 stretches" in text
    assert lines[-1].endswith("ktrdr data gaps AAPL 1d")


def test_a_summary_says_loudly_what_has_changed() -> None:
    changed = load(COMPLETE, range_rows=10, new_rows=10, done_chunks=1)
    changed.revisions.add(kind=Revision.KIND_SPLIT, text="a split 2:1 was noticed; all before is loaded again")
    text = "\n".join(loaded(changed))
    assert "CHANGED        a split 2:1" in text
    assert "verdict        complete" in text


def test_a_summary_says_why_there_is_nothing() -> None:
    assert "AAPL 1d: 0; the gateway has none of that time  (REPLAY)" in "\n".join(
        loaded(load(COMPLETE, empty_chunks=2))
    )
    assert "0; none of that time is over by the gateway's clock" in "\n".join(loaded(load(COMPLETE)))


def test_of_many_instruments_each_has_one_line() -> None:
    lines = [
        line for line in loaded(*[load(COMPLETE, range_rows=7, new_rows=7)] * 5, load(MISSING)) if "AAPL 1d: " in line
    ]
    assert len(lines) == 6
    assert lines[0].endswith("(REPLAY); complete")
    assert lines[-1].endswith("3 bars missing in 2 stretches")


def test_what_a_load_was_asked_for_is_told() -> None:
    spec = data_load_spec("AAPL", "1d", start="2000-03-01", end="2000-03-02", use_rth=False, reload=True)
    span = "from 2000-03-01 00:00:00, up to 2000-03-03 00:00:00"
    assert asked_words(spec) == f"mode range: trades, all hours, {span}, asking again for what is known"
    assert asked_words(data_load_spec("EURUSD", "1h", mode="full")) == "mode full: midpoint, regular hours"


def test_an_operation_says_in_a_line_that_bars_are_missing() -> None:
    operation = loading(("AAPL", 1, 1, 10))
    operation.state = Operation.STATE_COMPLETED
    operation.data_load_result.CopyFrom(DataLoadResult(loads=[load(MISSING, range_rows=7)]))
    assert progress_words(operation) == "7 bars, incomplete"
    operation.data_load_result.loads.append(load(COMPLETE, range_rows=7))
    assert progress_words(operation) == "14 bars, 1 of 2 incomplete"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"expected_bars": 7, "stored_bars": 7, "complete": True}, "complete"),
        (
            {"expected_bars": 9, "stored_bars": 7, "missing_bars": 2, "complete": True},
            "complete, but for 2 bars that the gateway does not have",
        ),
        ({"expected_bars": 9, "stored_bars": 8, "missing_bars": 1, "missing_spans": 1}, "1 bar missing"),
        (
            {"expected_bars": 9, "stored_bars": 9, "impossible_bars": 2, "unordered_bars": 1, "duplicate_bars": 1},
            "2 impossible bars, 1 duplicate bar, 1 bar out of order",
        ),
        ({"stored_bars": 9, "complete": True}, "no sessions known"),
    ],
)
def test_a_verdict_in_a_line(fields: dict[str, int], words: str) -> None:
    assert verdict_words(DatasetVerdict(**fields)) == words  # type: ignore[arg-type]  # counts and a switch


def test_a_verdict_in_full() -> None:
    verdict = DatasetVerdict()
    verdict.CopyFrom(MISSING)
    verdict.impossible_bars, verdict.unexpected_bars = 6, 1
    verdict.start_time.FromDatetime(datetime(2000, 3, 1, tzinfo=UTC))
    verdict.end_time.FromDatetime(datetime(2000, 3, 15, tzinfo=UTC))
    for _ in range(6):
        verdict.faults.add(text="high 10.1 is below close 10.3", time=verdict.start_time)
    verdict.revisions.add(text="prices changed", notice_time=verdict.end_time)
    text = "\n".join(line.plain for line in verdict_lines(verdict))
    assert "2000-03-01 … 2000-03-14, source REPLAY" in text
    assert "REPLAY: recorded history" in text
    assert "ktrdr data gaps AAPL 1d" in text
    assert "… and 1 more" in text
    assert "changed        2000-03-15  prices changed" in text


@pytest.mark.parametrize(
    ("key", "command"),
    [
        (AAPL, "ktrdr data gaps AAPL 1d"),
        (
            DatasetKey(instrument=parse_instrument("EURUSD"), bar_size=BAR_SIZE_1_HOUR, what_to_show=WHAT_TO_SHOW_BID),
            "ktrdr data gaps EUR.USD 1h --what bid",
        ),
        (
            DatasetKey(
                instrument=Instrument(symbol="ES", local_symbol="ESH5", security_type=SECURITY_TYPE_FUTURE),
                bar_size=BAR_SIZE_1_DAY, use_rth=False,
            ),
            "ktrdr data gaps ES 1d --type future --local-symbol ESH5 --no-rth",
        ),
        (
            DatasetKey(
                instrument=Instrument(
                    symbol="DAX", exchange="EUREX", currency="EUR", security_type=SECURITY_TYPE_INDEX
                ),
                source=SOURCE_IMPORTED, bar_size=BAR_SIZE_1_DAY,
            ),
            "ktrdr data gaps DAX 1d --type index --exchange EUREX --currency EUR --source imported",
        ),
    ],
)  # fmt: skip
def test_commands_name_a_dataset_completely(key: DatasetKey, command: str) -> None:
    assert data_command("gaps", key, source=True) == command


def test_the_command_that_loads_a_gap_has_its_last_day() -> None:
    start, end = datetime(2000, 3, 1, tzinfo=UTC), datetime(2000, 3, 3, tzinfo=UTC)
    assert load_command(AAPL, start, end).endswith("--start 2000-03-01 --end 2000-03-02")
    hours = DatasetKey(instrument=AAPL.instrument, bar_size=BAR_SIZE_1_HOUR)
    assert load_command(hours, start, end, reload=True).endswith("--end 2000-03-03T00:00:00 --reload")
    adjusted = DatasetKey(instrument=AAPL.instrument, bar_size=BAR_SIZE_1_DAY, what_to_show=WHAT_TO_SHOW_ADJUSTED_LAST)
    assert load_command(adjusted, start, end) == "ktrdr data load AAPL 1d --mode full --what adjusted_last"


def gateway(**fields: object) -> str:
    return "\n".join(line.plain for line in gateway_lines(GetGatewayResponse(address="g:1", **fields)))  # type: ignore[arg-type]  # fields


def test_a_gateway_is_shown_part_by_part() -> None:
    answer = GetGatewayResponse(address="g:1", link=GetGatewayResponse.LINK_UP, socket_open=True, library="ib_x 1")
    answer.gateway_time.FromDatetime(datetime(2025, 1, 2, tzinfo=UTC))
    answer.clock_difference.FromTimedelta(timedelta(seconds=-90))
    answer.farms.add(name="ushmds", kind="history", message="broken")
    answer.farms.add(name="euhmds", kind="history", ok=True)
    answer.farms.add(name="usfarm", kind="market", ok=True)
    answer.pacing.windows.add(name="short bars in 10 min", used=60, limit=60)
    answer.pacing.waiting, answer.pacing.slowdown = 3, 2.0
    text = "\n".join(line.plain for line in gateway_lines(answer))
    assert "history: ushmds DOWN (broken), euhmds" in text
    assert "market: usfarm" in text
    assert "60/60  short bars in 10 min" in text
    assert "1 min 30 s behind the host's" in text
    assert "0 open, 3 wait for their turn, sent 2 times slower than allowed" in text


def test_a_gateway_that_is_away_says_why() -> None:
    reset = "IB resets its servers until 01:45 EST"
    text = gateway(link=GetGatewayResponse.LINK_DISCONNECTED, problem="connection refused", reset=reset)
    assert "socket         closed" in text
    assert "connection refused" in text
    assert reset in text
    violated = Pacing(violations=2)
    violated.pause.FromTimedelta(timedelta(seconds=15))
    assert "2 pacing violations in the last hour, loads pause for 15 s" in gateway(pacing=violated)


AREA = Area(
    "gateway", [ok("socket", "open"), warning("clock", "90 s behind", "set it"), problem("farms", "x " * 60, "wait")]
)


def test_findings_are_told_by_signs_and_without_colour_by_words() -> None:
    plain = [line.plain for line in area_lines(AREA, coloured=False, width=None)]
    assert plain[1].startswith("  ✓ ok      socket  open")
    assert plain[2].startswith("  ! warning clock   90 s behind")
    assert plain[3] == " " * 20 + "set it"
    assert plain[4].startswith("  ✗ PROBLEM farms")
    assert conclusion([AREA]) == "1 problem, 1 warning"
    assert has_problem([AREA])
    assert conclusion([Area("x", [ok("a", "b")])]) == "everything is as it should be"


def test_findings_are_folded_on_a_terminal() -> None:
    lines = [line.plain for line in area_lines(AREA, coloured=True, width=60)]
    assert max(map(len, lines)) <= 60
    assert lines[1] == "  ✓ socket  open"
    assert AREA.findings[0].state == Finding.STATE_OK


def test_what_was_not_imported_is_said_so() -> None:
    verdict = DatasetVerdict(
        dataset=Dataset(key=DatasetKey(source=SOURCE_IMPORTED)), expected_bars=9, stored_bars=7, missing_bars=2
    )
    verdict.complete = True
    assert verdict_words(verdict) == "complete, but for 2 bars that were not imported"
