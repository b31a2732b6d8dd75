"""DiagnoseGateway on the wire: everything well, the gateway away, and each thing that can be wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.connection.picture import ClockReading
from services.ib_host.diagnosis.trials import clock_finding
from services.ib_host.replay.messages import Inbound
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, error, silence
from tests.support.free_ports import ReservedPort
from tests.support.ib_host import IbHost, ib_host, reason_of_call

HMDS = "Historical Market Data Service error message:"
APPLE = bars_pb2.Instrument(symbol="aapl")
NAMES = ["socket", "client id", "link to IB", "farms", "clock", "language", "contracts", "permissions", "pacing"]
OK, WARNING, PROBLEM, SKIPPED = (
    ib_pb2.Finding.STATE_OK, ib_pb2.Finding.STATE_WARNING, ib_pb2.Finding.STATE_PROBLEM, ib_pb2.Finding.STATE_SKIPPED,
)  # fmt: skip


async def findings(host: IbHost, instrument: bars_pb2.Instrument | None = APPLE) -> dict[str, ib_pb2.Finding]:
    request = ib_pb2.DiagnoseGatewayRequest(instrument=instrument)
    response = await host.bars.DiagnoseGateway(request, timeout=60)
    assert [finding.name for finding in response.findings] == NAMES
    for finding in response.findings:
        assert finding.text
        assert bool(finding.advice) == (finding.state in {WARNING, PROBLEM}) or finding.state == SKIPPED
    return {finding.name: finding for finding in response.findings}


def states(found: dict[str, ib_pb2.Finding]) -> dict[str, int]:
    return {name: finding.state for name, finding in found.items()}


async def test_all_is_well(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        found = await findings(host)
        assert states(found) == dict.fromkeys(NAMES, OK)
        assert found["clock"].text == "The replay gateway's clock shows 2013-03-02 00:00:00 UTC."
        assert "stock at NASDAQ in USD (contract id" in found["contracts"].text
        assert "5 daily bars (TRADES)" in found["permissions"].text
        response = await host.bars.DiagnoseGateway(ib_pb2.DiagnoseGatewayRequest(), timeout=60)
        assert response.source == bars_pb2.SOURCE_REPLAY
        assert not gateway.open_queries


async def test_without_an_instrument_permissions_are_not_tried(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        found = await findings(host, None)
        assert states(found) == dict.fromkeys(NAMES, OK) | {"permissions": SKIPPED}
        assert "ktrdr doctor ib SYMBOL" in found["permissions"].advice
        assert not gateway.requests(Inbound.HISTORICAL_DATA)


async def test_a_gateway_that_is_away_is_a_finding(tmp_path: Path) -> None:
    nobody = ReservedPort()
    async with ib_host(tmp_path, f"127.0.0.1:{nobody.number}") as host:

        async def tried() -> bool:
            return (await host.gateway()).consecutive_failures > 0

        await eventually(tried)
        found = await findings(host)
    assert states(found) == dict.fromkeys(NAMES, SKIPPED) | {"socket": PROBLEM, "pacing": OK}
    assert "Nothing listens at" in found["socket"].text
    assert "Enable ActiveX and Socket Clients" in found["socket"].advice


async def test_a_gateway_that_was_started_a_moment_ago_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ib_host.connection.gateway._MOST_SECONDS_OF_A_TRY", 60.0)
    reserved = ReservedPort()
    async with ib_host(tmp_path, f"127.0.0.1:{reserved.number}", reconnect_seconds=60) as host:

        async def waits() -> bool:
            return (await host.gateway()).HasField("retry_in")

        await eventually(waits)
        async with FaultyGateway(port=reserved.number):
            assert states(await findings(host)) == dict.fromkeys(NAMES, OK)


async def test_a_client_id_that_another_has(tmp_path: Path) -> None:
    async with (
        FaultyGateway() as gateway,
        ib_host(tmp_path / "one", gateway.address) as one,
        ib_host(tmp_path / "two", gateway.address) as two,
    ):
        await one.connected()
        await two.connected()
        both = [await findings(one, None), await findings(two, None)]
    warned = next(found for found in both if found["client id"].state == WARNING)
    assert warned["client id"].text == "The host has client id 18: another connection has 17."


async def test_all_client_ids_are_taken(tmp_path: Path) -> None:
    taken = error(326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
    async with FaultyGateway() as gateway:
        gateway.on(Inbound.START_API, *[taken] * 100)
        async with ib_host(tmp_path, gateway.address) as host:

            async def refused() -> bool:
                return (await host.gateway()).consecutive_failures > 0

            await eventually(refused)
            found = await findings(host)
    assert states(found) == dict.fromkeys(NAMES, SKIPPED) | {"socket": OK, "client id": PROBLEM, "pacing": OK}
    assert "Client ids 17 to 24 are in use" in found["client id"].text
    assert "--client-id" in found["client id"].advice


async def test_a_gateway_that_has_lost_ib(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")

        async def down() -> bool:
            return (await host.gateway()).link == ib_pb2.GetGatewayResponse.LINK_IB_DOWN

        await eventually(down)
        found = await findings(host)
    assert states(found) == {
        "socket": OK, "client id": OK, "link to IB": PROBLEM, "farms": SKIPPED, "clock": OK, "language": OK,
        "contracts": SKIPPED, "permissions": SKIPPED, "pacing": OK,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "text", "state"),
    [
        (2103, "Market data farm connection is broken:usfarm", WARNING),
        (2105, "HMDS data farm connection is broken:ushmds", PROBLEM),
        (2157, "Sec-def data farm connection is broken:secdefil", PROBLEM),
    ],
)
async def test_a_broken_farm(tmp_path: Path, code: int, text: str, state: int) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.tell(code, text)

        async def broken() -> bool:
            return not all(farm.ok for farm in (await host.gateway()).farms)

        await eventually(broken)
        found = await findings(host, None)
    assert (found["farms"].state, text.rsplit(":", 1)[-1] in found["farms"].text) == (state, True)


async def test_a_gateway_that_speaks_german(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.on(Inbound.CONTRACT_DETAILS, error(200, "Zu der Anfrage wurde keine Wertpapierdefinition gefunden"))
        found = await findings(host)
    assert states(found) == dict.fromkeys(NAMES, OK) | {
        "language": PROBLEM, "contracts": PROBLEM, "permissions": SKIPPED,
    }  # fmt: skip
    assert "Show API messages in English" in found["language"].advice
    assert "Wertpapierdefinition" in found["language"].text


@pytest.mark.parametrize(
    ("code", "text", "state", "advice"),
    [
        (162, f"{HMDS}No market data permissions for NASDAQ STK", PROBLEM, "Client Portal"),
        (162, f"{HMDS}Trading TWS session is connected from a different IP address", PROBLEM, "Log out"),
        (10197, "No market data during competing live session", PROBLEM, "Log out"),
        (162, f"{HMDS}HMDS query returned no data: AAPL@SMART Trades", WARNING, "--what"),
        (162, f"{HMDS}HMDS server disconnect occurred", PROBLEM, "Try again"),
        (162, f"{HMDS}Historical data request pacing violation", PROBLEM, "ten minutes"),
    ],
)
async def test_permissions_as_a_small_request_finds_them(
    tmp_path: Path, code: int, text: str, state: int, advice: str
) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.on(Inbound.HISTORICAL_DATA, error(code, text))
        found = await findings(host)
        assert len(gateway.requests(Inbound.HISTORICAL_DATA)) == 1
    assert found["permissions"].state == state
    assert advice in found["permissions"].advice
    assert found["pacing"].state == (WARNING if "pacing" in text else OK)


async def test_an_instrument_that_nobody_knows_and_one_that_is_not_one(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        unknown = await findings(host, bars_pb2.Instrument(symbol="NONE"))
        gateway.on(Inbound.CONTRACT_DETAILS, error(200, "The contract description specified for AAPL is ambiguous."))
        ambiguous = await findings(host)
    assert unknown["contracts"].advice == "Look for it with: ktrdr data find NONE"
    assert "--primary-exchange" in ambiguous["contracts"].advice
    assert {found["permissions"].state for found in (unknown, ambiguous)} == {SKIPPED}


async def test_a_gateway_that_does_not_answer_is_not_waited_for_long(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address, history_timeout_seconds=0.2) as host:
        await host.connected()
        gateway.on(Inbound.HISTORICAL_DATA, silence)
        found = await findings(host)
        await eventually(lambda: not gateway.open_queries)
    assert (found["permissions"].state, "No answer within 0.2 s" in found["permissions"].text) == (PROBLEM, True)


async def test_a_trial_that_pacing_holds_back_is_skipped(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address, long_bar_requests=1) as host:
        await host.connected()
        assert states(await findings(host)) == dict.fromkeys(NAMES, OK)
        found = await findings(host)
        assert len(gateway.requests(Inbound.HISTORICAL_DATA)) == 1
    assert found["permissions"].state == SKIPPED
    assert "IB's limits hold the request for history back for" in found["permissions"].text


async def test_whoever_goes_away_takes_the_trial_back(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.on(Inbound.HISTORICAL_DATA, silence)
        call = host.bars.DiagnoseGateway(ib_pb2.DiagnoseGatewayRequest(instrument=APPLE), timeout=60)
        await eventually(lambda: gateway.open_queries)
        call.cancel()
        await eventually(lambda: not gateway.open_queries)
        assert len(gateway.requests(Inbound.CANCEL_HISTORICAL_DATA)) == 1


async def test_an_instrument_without_a_name_is_refused(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await findings(host, bars_pb2.Instrument(exchange="SMART"))
    assert reason_of_call(refused.value) == "INVALID_REQUEST"
    assert "instrument.symbol" in str(refused.value.details())


@pytest.mark.parametrize(
    ("seconds", "state", "text"),
    [
        (0.4, OK, "The gateway's clock and this machine's differ by 0.4 s."),
        (-4.9, OK, "The gateway's clock and this machine's differ by 4.9 s."),
        (7.0, WARNING, "The gateway's clock is 7 s ahead of this machine's."),
        (-3_700.0, WARNING, "The gateway's clock is 3,700 s behind this machine's."),
    ],
)
def test_clocks_are_compared(seconds: float, state: int, text: str) -> None:
    now = datetime(2024, 1, 2, tzinfo=UTC)
    reading = ClockReading(now + timedelta(seconds=seconds), now, timedelta(seconds=seconds))
    finding = clock_finding(reading, replay=False)
    assert (finding.state, finding.text) == (state, text)
