"""What goes wrong at a gateway: each request has one outcome, nothing stays open, and loads go on where they can."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome
from services.ib_host.replay.messages import Inbound
from services.ib_host.store.bar_store import BarStore
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, error, garbage, hang_up, silence
from tests.support.hurried_clock import HurriedClock
from tests.support.ib_host import IbHost, ib_host, load_spec, partial_result, reason_of_session, result_of

HMDS = "Historical Market Data Service error message:"
HISTORY = Inbound.HISTORICAL_DATA
NEW_YEAR = datetime(2012, 1, 3, tzinfo=UTC)
TWO_CHUNKS = load_spec("AAPL", start=NEW_YEAR)
ALL_ROWS = 291
PATIENCE = 60.0
"""Seconds that the host waits for bars."""


async def waits_for(host: IbHost, session_id: str, words: str) -> None:
    async def look() -> bool:
        return words in (await host.session(session_id)).progress.wait_reason

    found: bool = await eventually(look)
    assert found


@pytest.mark.parametrize(
    "fault",
    [
        error(162, f"{HMDS}HMDS server disconnect occurred"),
        error(366, "No historical data query found for ticker id:7"),
        garbage,
        hang_up,
    ],
    ids=["HMDS trouble", "query lost", "undecodable", "connection reset"],
)
async def test_what_may_pass_is_asked_again(tmp_path: Path, fault: object) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, fault, fault)  # type: ignore[arg-type]  # parametrised actions
        load = result_of(await host.load(TWO_CHUNKS)).loads[0]
        assert (load.range_rows, load.done_chunks) == (ALL_ROWS, 2)
        assert len(gateway.requests(HISTORY)) == 4
        assert (await host.gateway()).open_requests == 0
        await eventually(lambda: not gateway.open_queries)


async def ask_in_vain(gateway: FaultyGateway, clock: HurriedClock, *, times: int) -> None:
    """Let the host wait for each of its first requests for history until it gives it up."""
    for time in range(1, times + 1):
        await eventually(partial(_asked, gateway, time))
        clock.run_ahead(PATIENCE)


def _asked(gateway: FaultyGateway, times: int) -> bool:
    return len(gateway.requests(HISTORY)) == times


async def test_what_is_not_answered_is_asked_for_in_smaller_pieces(tmp_path: Path) -> None:
    clock = HurriedClock()
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address, clock=clock) as host:
        gateway.on(HISTORY, silence, silence)
        session = await host.start_load(TWO_CHUNKS)
        await ask_in_vain(gateway, clock, times=2)
        load = result_of(await host.ended(session.id)).loads[0]
        durations = [fields[17] for fields in gateway.requests(HISTORY)]
        assert durations[:3] == ["1 Y", "6 M", "3 M"]
        assert load.range_rows == ALL_ROWS
        assert (await host.gateway()).open_requests == 0
        await eventually(lambda: not gateway.open_queries)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (162, f"{HMDS}No market data permissions for NASDAQ STK", "GATEWAY_NO_PERMISSION"),
        (354, "Requested market data is not subscribed.", "GATEWAY_NO_PERMISSION"),
        (321, "Error validating request.-'bH' : cause - Nope", "GATEWAY_REFUSED"),
        (10314, "End Date/Time: The date is invalid", "GATEWAY_REFUSED"),
    ],
)
async def test_what_cannot_pass_ends_the_load_at_once_and_is_told(
    tmp_path: Path, code: int, text: str, reason: str
) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, error(code, text))
        session = await host.load(TWO_CHUNKS)
        assert len(gateway.requests(HISTORY)) == 1
    assert reason_of_session(session) == reason
    assert text.rsplit(":", 1)[-1].strip() in session.error.message


async def test_another_login_is_waited_for_and_then_ends_the_load(tmp_path: Path) -> None:
    fault = error(162, f"{HMDS}Trading TWS session is connected from a different IP address")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, fault)
        assert result_of(await host.load(TWO_CHUNKS)).loads[0].range_rows == ALL_ROWS
        gateway.on(HISTORY, *[fault] * 50)
        session = await host.load(load_spec("AAPL", "IBM", start=datetime(2010, 1, 4, tzinfo=UTC)))
    assert reason_of_session(session) == "GATEWAY_COMPETING_SESSION"
    assert "different IP address" in session.error.message


async def test_a_step_that_is_refused_is_asked_for_once_more_smaller(tmp_path: Path) -> None:
    fault = error(162, f"{HMDS}invalid step: 1 day")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, fault)
        assert result_of(await host.load(TWO_CHUNKS)).loads[0].range_rows == ALL_ROWS
        durations = [fields[17] for fields in gateway.requests(HISTORY)]
        assert durations[:2] == ["1 Y", "6 M"]
        gateway.on(HISTORY, *[fault] * 50)
        session = await host.load(load_spec("IBM", start=NEW_YEAR))
    assert reason_of_session(session) == "LOAD_INCOMPLETE"
    assert "invalid step" in session.error.message


async def test_chunks_that_fail_too_often_fail_the_load_and_are_named(tmp_path: Path) -> None:
    trouble = error(162, f"{HMDS}HMDS trouble")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, trouble, trouble, trouble)
        session = await host.load(TWO_CHUNKS)
        assert reason_of_session(session) == "LOAD_INCOMPLETE"
        assert "1 of 2 chunks failed: AAPL 1d 2012-01-03 … 2012-12-31: IB says" in session.error.message
        assert "HMDS trouble" in session.error.message
        assert result_of(await host.load(TWO_CHUNKS)).loads[0].range_rows == ALL_ROWS


async def test_a_load_whose_chunks_all_fail_is_never_completed(tmp_path: Path) -> None:
    trouble = error(162, f"{HMDS}HMDS trouble")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, *[trouble] * 50)
        session = await host.load(TWO_CHUNKS)
        assert len(gateway.requests(HISTORY)) == 4  # three tries, and one for the second chunk
    assert reason_of_session(session) == "LOAD_INCOMPLETE"
    assert "2 of 2 chunks failed: AAPL 1d 2012-01-03 …" in session.error.message


async def test_a_gateway_that_fails_again_and_again_is_left_alone_and_all_that_is_missing_is_named(
    tmp_path: Path,
) -> None:
    trouble = error(162, f"{HMDS}HMDS trouble")
    spec = load_spec("XYZ", start=datetime(2024, 3, 6, tzinfo=UTC), end=datetime(2024, 4, 6, tzinfo=UTC))
    spec.bar_size = bars_pb2.BAR_SIZE_1_MINUTE
    data = "generated:XYZ?seed=11&days=22&start=2024-03-06"
    async with FaultyGateway(data=data) as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, None, *[trouble] * 90)
        session = await host.load(spec)
        asked = len(gateway.requests(HISTORY))
    assert reason_of_session(session) == "LOAD_INCOMPLETE"
    assert asked == 1 + 3 + 9
    assert "failures in a row" not in session.error.message  # the message names the first five
    key = partial_result(session).loads[0].dataset.key
    ledger = DatasetLedger.open(BarStore(tmp_path).folder(key))
    failed = [record for record in ledger.all_records() if record.outcome is SpanOutcome.FAILED]
    assert len(failed) == 11
    assert "not asked for, after 10 failures in a row" in failed[-1].reason


async def test_a_pacing_violation_pauses_and_is_no_missing_data(tmp_path: Path) -> None:
    violation = error(162, f"{HMDS}Historical data request pacing violation")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, violation)
        session = await host.start_load(TWO_CHUNKS)
        await waits_for(host, session.id, "IB pacing: 15 s, 2 chunks left")
        assert (await host.session(session.id)).state == Session.STATE_RUNNING
        assert len(gateway.requests(HISTORY)) == 1


async def test_a_gateway_cut_off_from_ib_is_waited_for_and_lost_requests_are_sent_again(tmp_path: Path) -> None:
    clock = HurriedClock()
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address, clock=clock) as host:
        gateway.on(HISTORY, silence)
        session = await host.start_load(TWO_CHUNKS)
        await eventually(lambda: gateway.requests(HISTORY))
        gateway.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")
        await eventually(lambda: is_down(host))
        clock.run_ahead(PATIENCE)  # the time for an answer stands still meanwhile
        await asyncio.sleep(0.1)
        assert len(gateway.requests(HISTORY)) == 1
        gateway.tell(1101, "Connectivity between IB and Trader Workstation has been restored- data lost.")
        load = result_of(await host.ended(session.id)).loads[0]
        assert load.range_rows == ALL_ROWS
        assert len(gateway.requests(HISTORY)) == 3
        assert len(gateway.requests(Inbound.CANCEL_HISTORICAL_DATA)) == 1
        assert (await host.gateway()).link == ib_pb2.GetGatewayResponse.LINK_UP


async def is_down(host: IbHost) -> bool:
    return (await host.gateway()).link == ib_pb2.GetGatewayResponse.LINK_IB_DOWN


async def test_loads_begun_while_ib_is_away_say_so(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")
        await eventually(lambda: is_down(host))
        session = await host.start_load(TWO_CHUNKS)
        await waits_for(host, session.id, "has lost its connection to IB")
        gateway.tell(1102, "Connectivity between IB and Trader Workstation has been restored- data maintained.")
        assert result_of(await host.ended(session.id)).loads[0].range_rows == ALL_ROWS


async def test_farms_are_told_and_failures_do_not_count_while_one_is_down(tmp_path: Path) -> None:
    trouble = error(162, f"{HMDS}HMDS trouble")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        assert [(farm.name, farm.ok) for farm in (await host.gateway()).farms] == [
            ("usfarm", True), ("ushmds", True), ("secdefil", True),
        ]  # fmt: skip
        gateway.tell(2105, "HMDS data farm connection is broken:ushmds")
        gateway.on(HISTORY, *[trouble] * 6)
        session = await host.start_load(TWO_CHUNKS)
        await eventually(lambda: len(gateway.requests(HISTORY)) > 5)
        farms = {farm.name: farm for farm in (await host.gateway()).farms}
        assert not farms["ushmds"].ok
        assert "broken" in farms["ushmds"].message
        gateway.tell(2106, "HMDS data farm connection is OK:ushmds")
        assert result_of(await host.ended(session.id)).loads[0].range_rows == ALL_ROWS


async def test_a_contract_unknown_while_its_farm_is_down_is_asked_again(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.tell(2157, "Sec-def data farm connection is broken:secdefil")
        unknown = error(200, "No security definition has been found for the request")
        gateway.on(Inbound.CONTRACT_DETAILS, unknown, unknown, unknown, unknown)
        assert result_of(await host.load(TWO_CHUNKS)).loads[0].range_rows == ALL_ROWS


async def test_an_ambiguous_contract_is_told_with_what_would_tell_them_apart(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(Inbound.CONTRACT_DETAILS, error(200, "The contract description specified for AAPL is ambiguous."))
        session = await host.load(TWO_CHUNKS)
    assert reason_of_session(session) == "INSTRUMENT_AMBIGUOUS"


async def test_a_gateway_that_stays_silent_is_left_and_connected_to_again(tmp_path: Path) -> None:
    clock = HurriedClock()
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address, clock=clock) as host:
        gateway.on(HISTORY, silence, silence, silence)
        session = await host.start_load(TWO_CHUNKS)
        await ask_in_vain(gateway, clock, times=3)
        assert result_of(await host.ended(session.id)).loads[0].range_rows == ALL_ROWS
        assert len(gateway.requests(Inbound.START_API)) == 2


async def test_a_client_id_in_use_is_replaced_by_the_next(tmp_path: Path) -> None:
    async with (
        FaultyGateway() as gateway,
        ib_host(tmp_path / "one", gateway.address) as one,
        ib_host(tmp_path / "two", gateway.address) as two,
    ):
        await one.connected()
        await two.connected()
        assert {(await one.gateway()).client_id, (await two.gateway()).client_id} == {17, 18}
        assert result_of(await two.load(TWO_CHUNKS)).loads[0].range_rows == ALL_ROWS


async def test_a_server_that_is_no_gateway_is_told_and_tried_again(tmp_path: Path) -> None:
    async def slam(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, ib_host(tmp_path, address) as host:

        async def tried_twice() -> bool:
            return (await host.gateway()).consecutive_failures >= 2

        tried: bool = await eventually(tried_twice)
        assert tried
        gateway = await host.gateway()
    assert "closed the connection during the handshake" in gateway.problem
    assert gateway.link == ib_pb2.GetGatewayResponse.LINK_CONNECTING
    assert gateway.source == bars_pb2.SOURCE_UNSPECIFIED


async def test_another_kind_of_gateway_at_the_same_address_ends_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, None, None, silence)
        session = await host.start_load(load_spec("AAPL"))
        await eventually(lambda: len(gateway.requests(HISTORY)) == 3)
        monkeypatch.setattr("services.ib_host.replay.session.ACCOUNT", "DU123456")
        for connection in gateway._connections.values():
            connection.abort()
        ended = await host.ended(session.id)
        assert (await host.gateway()).source == bars_pb2.SOURCE_IB
        datasets = (await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(), timeout=60)).datasets
    assert reason_of_session(ended) == "LOAD_INCOMPLETE"
    assert "another one now" in ended.error.message
    assert [dataset.key.source for dataset in datasets] == [bars_pb2.SOURCE_REPLAY]


async def test_what_another_kind_of_gateway_does_not_have_is_not_known_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording has no bars of FB before May 2012."""
    spec = load_spec("FB", start=datetime(2008, 1, 1, tzinfo=UTC))
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, None, silence)
        session = await host.start_load(spec)
        await eventually(lambda: len(gateway.requests(HISTORY)) == 2)
        monkeypatch.setattr("services.ib_host.replay.session.ACCOUNT", "DU123456")
        for connection in gateway._connections.values():
            connection.abort()
        ended = await host.ended(session.id)
    assert "another one now" in ended.error.message
    ledger = DatasetLedger.open(BarStore(tmp_path).folder(partial_result(ended).loads[0].dataset.key))
    assert [record.end.year for record in ledger.all_records()] == [2008]
