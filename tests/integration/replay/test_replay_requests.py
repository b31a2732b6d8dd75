"""Contracts, times and the account, asked for with the real client library."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Connect, RawClient
from tests.support.gateway_library import library

APPLE = library.Stock("AAPL", "SMART", "USD")
READ_ONLY = "Error validating request.-'bH' : cause - The API interface is currently in Read-Only mode."


@pytest.mark.parametrize(
    "contract",
    [
        APPLE,
        library.Contract(conId=265598),
        library.Stock("AAPL", "NASDAQ", "USD"),
        library.Stock("AAPL", "SMART", "USD", primaryExchange="NASDAQ"),
        library.Contract(secType="STK", localSymbol="AAPL", exchange="SMART", currency="USD"),
    ],
)
async def test_a_contract_is_found_by_what_is_known_of_it(
    gateway: ReplayServer, connect: Connect, contract: Any
) -> None:
    client = await connect(gateway)
    [found] = await client.ib.qualifyContractsAsync(contract)
    assert (found.conId, found.symbol, found.secType, found.currency) == (265598, "AAPL", "STK", "USD")
    assert found.exchange in {"SMART", "NASDAQ"}
    assert (found.primaryExchange, found.localSymbol, found.tradingClass) == ("NASDAQ", "AAPL", "NMS")


async def test_without_an_exchange_a_stock_is_found_once_for_each(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    found = await client.ib.reqContractDetailsAsync(library.Stock("IBM", "", "USD"))
    assert [details.contract.exchange for details in found] == ["SMART", "NYSE"]


@pytest.mark.parametrize(
    ("contract", "refusal"),
    [
        (library.Stock("TSLA", "SMART", "USD"), (200, "No security definition has been found for the request")),
        (library.Stock("AAPL", "SMART", "EUR"), (200, "No security definition has been found for the request")),
        (library.Forex("EURUSD"), (200, "No security definition has been found for the request")),
        (library.Contract(conId=1), (200, "No security definition has been found for the request")),
        (
            library.Contract(symbol="AAPL", secType="SHARE"),
            (321, "Error validating request.-'bH' : cause - Please enter a valid security type"),
        ),
        (
            library.Contract(secType="STK"),
            (321, "Error validating request.-'bH' : cause - Please enter a local symbol or a symbol"),
        ),
    ],
)
async def test_a_contract_that_does_not_exist_is_refused(
    gateway: ReplayServer, connect: Connect, contract: Any, refusal: tuple[int, str]
) -> None:
    client = await connect(gateway)
    assert await client.ib.reqContractDetailsAsync(contract) == []
    assert client.refusals == [refusal]


@pytest.mark.parametrize(
    ("pattern", "symbols"),
    [
        ("AAP", ["AAPL"]),
        ("goog", ["GOOG"]),
        ("micro", ["MSFT"]),
        ("I", ["IBM", "AAPL", "FB", "GOOG"]),
        ("INC", ["AAPL", "FB", "GOOG"]),
        ("A", ["AAPL", "GOOG"]),
        ("ZZ", []),
        ("", []),
    ],
)
async def test_symbols_are_found_by_their_beginning_or_a_word_of_the_name(
    gateway: ReplayServer, connect: Connect, pattern: str, symbols: list[str]
) -> None:
    client = await connect(gateway)
    found = await client.ib.reqMatchingSymbolsAsync(pattern)
    assert [description.contract.symbol for description in found] == symbols


@pytest.mark.parametrize(
    ("symbol", "first"),
    [("AAPL", datetime(2000, 3, 1, 14, 30, tzinfo=UTC)), ("FB", datetime(2012, 5, 18, 13, 30, tzinfo=UTC))],
)
async def test_the_head_timestamp_is_the_opening_of_the_first_session(
    gateway: ReplayServer, connect: Connect, symbol: str, first: datetime
) -> None:
    client = await connect(gateway)
    contract = library.Stock(symbol, "SMART", "USD")
    assert await client.ib.reqHeadTimeStampAsync(contract, "TRADES", useRTH=True, formatDate=2) == first
    assert await client.ib.reqHeadTimeStampAsync(contract, "TRADES", useRTH=True, formatDate=1) == first.replace(
        tzinfo=None
    )


async def test_a_stock_has_no_head_timestamp_before_it_was_listed(connect: Connect) -> None:
    async with ReplayServer(ReplaySettings(port=0, now=datetime(2012, 1, 1, tzinfo=UTC))) as gateway:
        client = await connect(gateway)
        facebook = library.Stock("FB", "SMART", "USD")
        assert await client.ib.reqHeadTimeStampAsync(facebook, "TRADES", useRTH=True, formatDate=2) == []
        assert [code for code, _ in client.refusals] == [162]


async def test_the_time_is_the_replay_clocks(connect: Connect) -> None:
    now = datetime(2010, 6, 1, 12, tzinfo=UTC)
    async with ReplayServer(ReplaySettings(port=0, now=now)) as gateway:
        client = await connect(gateway)
        assert await client.ib.reqCurrentTimeAsync() == now
        [details] = await client.ib.reqContractDetailsAsync(APPLE)
        assert details.tradingHours.startswith("20100601:0400-20100601:2000;20100602:0400")


async def test_trading_hours_know_the_recorded_holidays(connect: Connect) -> None:
    async with ReplayServer(ReplaySettings(port=0, now=datetime(2012, 12, 24, 12, tzinfo=UTC))) as gateway:
        client = await connect(gateway)
        [details] = await client.ib.reqContractDetailsAsync(APPLE)
        assert "20121225:CLOSED" in details.liquidHours
        assert "20121226:0930-20121226:1600" in details.liquidHours


async def test_the_account_summary_has_what_was_asked_for(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    await client.ib.reqAccountSummaryAsync()
    assert {value.account for value in client.ib.wrapper.acctSummary.values()} == {"REPLAY1"}
    assert {value.tag for value in client.ib.wrapper.acctSummary.values()} >= {"NetLiquidation", "TotalCashValue"}


async def test_an_order_is_refused(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    trade = client.ib.placeOrder(APPLE, library.MarketOrder("BUY", 1))
    await client.ib.reqCurrentTimeAsync()
    assert client.refusals == [(321, READ_ONLY)]
    assert trade.orderStatus.status in {"Cancelled", "ValidationError"}, "the words of ib_insync and of ib_async"


@pytest.mark.parametrize(
    ("message", "order_id"), [((3, 6), "6"), ((4, 1, 6, ""), "6"), ((21, 2, 6, 0, "AAPL"), "6"), ((58, 1), "-1")]
)
async def test_whatever_would_trade_is_refused(raw: RawClient, message: tuple[object, ...], order_id: str) -> None:
    await raw.start()
    raw.send(*message)
    assert await raw.receive() == ["4", "2", order_id, "321", READ_ONLY, ""]


async def test_ids_and_accounts_can_be_asked_for_again(raw: RawClient) -> None:
    await raw.start()
    raw.send(8, 1, 1)
    assert await raw.receive() == ["9", "1", "1"]
    raw.send(17, 1)
    assert await raw.receive() == ["15", "1", "REPLAY1"]


async def test_what_needs_no_answer_gets_none(raw: RawClient) -> None:
    await raw.start()
    for message in ((14, 1, 5), (15, 1, 1), (59, 1, 3), (63, 1, 5), (64, 1), (77, 1, 5), (90, 5), (6, 2, 0, "REPLAY1")):
        raw.send(*message)
    raw.send(49, 1)
    assert (await raw.receive())[0] == "49"


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ((12345, 1), ["4", "2", "-1", "505", "Fatal Error: Unknown message id.", ""]),
        (("", 1), ["4", "2", "-1", "505", "Fatal Error: Unknown message id.", ""]),
        (
            ("x",),
            ["4", "2", "-1", "320", "Error reading request. Message id x. field 1 should be a whole number: 'x'", ""],
        ),
        ((81,), ["4", "2", "-1", "320", "Error reading request. Message id 81. field 2 is missing", ""]),
        ((81, 6), ["4", "2", "6", "320", "Error reading request. Message id 81. field 3 is missing", ""]),
        (
            (9, 8, 7, "one"),
            ["4", "2", "7", "320", "Error reading request. Message id 9. field 4 should be a whole number: 'one'", ""],
        ),
    ],
)
async def test_a_message_that_can_not_be_read_is_answered_and_the_next_one_too(
    raw: RawClient, message: tuple[object, ...], answer: list[str]
) -> None:
    await raw.start()
    raw.send(*message)
    assert await raw.receive() == answer
    raw.send(49, 1)
    assert (await raw.receive())[0] == "49"


async def test_a_stream_that_is_out_of_step_is_closed(gateway: ReplayServer, raw: RawClient) -> None:
    await raw.start()
    raw.writer.write(b"\0\0\0\x0249")
    assert await raw.rest() == b""
    assert gateway.client_ids == frozenset()
