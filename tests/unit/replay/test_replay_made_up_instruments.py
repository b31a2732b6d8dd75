"""Made-up currencies, futures and indices, and bars of seconds."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from services.ib_host.replay.bars import INTRADAY_BAR_SIZES, BarSize, merged
from services.ib_host.replay.contract_query import ContractQuery
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.history import SourceHistory
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.replay.sources.generated import GeneratedBars
from services.ib_host.replay.sources.generated_instruments import generated_instruments, security_type_of
from services.ib_host.replay.sources.generator_text import parse_generator

TEXT = "generated:AAPL,EUR.USD,ES.FUT,SPX.IND?days=12&start=2024-03-11&gaps=0&quotes=2024-03-14"
HISTORY = open_history(TEXT)
MONDAY = date(2024, 3, 11)


def test_the_name_tells_the_kind() -> None:
    names = ("AAPL", "BRK.B", "EUR.USD", "USD.USD", "ES.FUT", "SPX.IND", "EUR.XXX")
    assert [security_type_of(name) for name in names] == ["STK", "STK", "CASH", "STK", "FUT", "IND", "STK"]


def test_a_future_has_contracts_and_is_continuous() -> None:
    assert HISTORY.symbols == ("AAPL", "ES", "ESH4", "ESH5", "ESM4", "ESU4", "ESZ4", "EUR.USD", "SPX")
    contract = HISTORY.instruments["ESH4"]
    assert (contract.symbol, contract.local_name, contract.expiry) == ("ES", "ESH4", date(2024, 3, 15))
    assert (contract.contract_month, contract.multiplier, contract.exchanges) == ("202403", "50", ("CME",))
    assert HISTORY.sessions("ESH4")[-1] == date(2024, 3, 15)
    assert HISTORY.sessions("ESH5")[0] == date(2024, 3, 22)
    assert len({instrument.con_id for instrument in HISTORY.instruments.values()}) == len(HISTORY.symbols)


def test_the_continuous_future_has_the_bars_of_the_contract_that_expires_next() -> None:
    days = {bar.session: bar for bar in HISTORY.bars("ES")}
    front = {bar.session: bar for bar in (*HISTORY.bars("ESH4"), *HISTORY.bars("ESM4")[5:])}
    assert days == front
    assert days[date(2024, 3, 18)] != {bar.session: bar for bar in HISTORY.bars("ESU4")}[date(2024, 3, 18)]


def test_later_contracts_are_dearer_and_prices_lie_on_ticks() -> None:
    first = [HISTORY.bars(symbol)[0].open for symbol in ("ESH4", "ESM4", "ESU4", "ESZ4")]
    assert first == sorted(first)
    assert all((bar.close * 4).is_integer() for bar in HISTORY.bars("ESM4"))


def test_an_index_has_no_volume_and_the_sessions_of_stocks() -> None:
    assert {(bar.volume, bar.count) for bar in HISTORY.bars("SPX")} == {(0, 0)}
    assert HISTORY.sessions("SPX") == HISTORY.sessions("AAPL")


def test_a_currency_is_traded_from_sunday_evening_on() -> None:
    hours = HISTORY.bars("EUR.USD", INTRADAY_BAR_SIZES["1 hour"], "MIDPOINT")
    assert hours[0].start == datetime(2024, 3, 13, 21, 15, tzinfo=UTC)
    first = open_history(TEXT.replace("quotes", "seed").replace("2024-03-14", "1")).bars(
        "EUR.USD", INTRADAY_BAR_SIZES["1 hour"], "MIDPOINT", use_rth=False
    )
    assert first[0].start == datetime(2024, 3, 10, 21, 15, tzinfo=UTC)
    assert [bar.start.minute for bar in first[:3] if bar.start] == [15, 0, 0]
    assert {bar.session for bar in first[:24]} == {MONDAY}


def test_quotes_may_begin_later_than_trades() -> None:
    assert HISTORY.head("AAPL", "TRADES", use_rth=True) == datetime(2024, 3, 11, 13, 30, tzinfo=UTC)
    assert HISTORY.head("AAPL", "BID", use_rth=False) == datetime(2024, 3, 14, 8, tzinfo=UTC)
    assert HISTORY.bars("AAPL", BarSize.DAY, "BID")[0].session == date(2024, 3, 14)
    assert HISTORY.bars("AAPL", BarSize.DAY, "ADJUSTED_LAST")[0].session == MONDAY
    packaged = SourceHistory.packaged()
    assert packaged.head("AAPL", "BID", use_rth=False) == packaged.head("AAPL", "TRADES", use_rth=True)


def test_a_half_day_ends_early() -> None:
    history = open_history("generated:A,ES.FUT?days=2&start=2024-11-28&gaps=0")
    assert history.sessions("A") == (date(2024, 11, 29), date(2024, 12, 2))
    minutes = [bar for bar in history.bars("A", INTRADAY_BAR_SIZES["1 min"]) if bar.session == date(2024, 11, 29)]
    assert len(minutes) == 210
    assert history.sessions("ES") == (date(2024, 11, 28), date(2024, 11, 29))
    noon = datetime(2024, 11, 28, 18, tzinfo=UTC)
    hours = history.bars("ES", INTRADAY_BAR_SIZES["1 hour"], use_rth=False)
    assert max(bar.start for bar in hours if bar.start and bar.session == date(2024, 11, 28)) < noon


def test_bars_of_seconds_make_up_those_of_minutes() -> None:
    spec = parse_generator("generated:A?days=1&start=2024-03-11&gaps=0.05")
    bars = GeneratedBars(spec, generated_instruments(spec.symbols, spec.start, spec.days))
    one, five, minutes = (bars.day("A", MONDAY, length) for length in (1, 5, 60))
    assert [merged(one[at : at + 5], one[at].start) for at in range(0, len(one), 5)] == list(five)
    assert [merged(five[at : at + 12], five[at].start) for at in range(0, len(five), 12)] == list(minutes)
    assert [bars.base("A", seconds) for seconds in (1, 5, 10, 30, 60, 3600, 86_400)] == [1, 5, 5, 5, 60, 60, 60]


def query(**fields: object) -> ContractQuery:
    block = {
        "con_id": 0, "symbol": "", "type": "", "expiry": "", "strike": 0, "right": "", "multiplier": "",
        "exchange": "", "primary": "", "currency": "", "local": "", "class": "", "expired": 0, **fields,
    }  # fmt: skip
    return ContractQuery.read(FieldReader([str(value) for value in block.values()]))


@pytest.mark.parametrize(
    ("fields", "today", "found"),
    [
        ({"symbol": "ES", "type": "FUT"}, date(2024, 3, 15), "ESH4 ESM4 ESU4 ESZ4 ESH5"),
        ({"symbol": "ES", "type": "FUT"}, date(2024, 3, 16), "ESM4 ESU4 ESZ4 ESH5"),
        ({"symbol": "ES", "type": "FUT", "expired": 1}, date(2024, 3, 16), "ESH4 ESM4 ESU4 ESZ4 ESH5"),
        ({"symbol": "ES", "type": "FUT", "expired": 1}, date(2026, 3, 16), "ESM4 ESU4 ESZ4 ESH5"),
        ({"symbol": "ES", "type": "FUT", "expiry": "202406"}, date(2024, 3, 16), "ESM4"),
        ({"symbol": "ES", "type": "FUT", "expiry": "20240621"}, date(2024, 3, 16), "ESM4"),
        ({"symbol": "ES", "type": "FUT", "expiry": "20240620"}, date(2024, 3, 16), ""),
        ({"local": "ESM4"}, date(2024, 3, 16), "ESM4"),
        ({"symbol": "ES", "type": "FUT", "multiplier": "5"}, date(2024, 3, 16), ""),
        ({"symbol": "ES", "type": "CONTFUT"}, date(2024, 3, 16), "ES"),
        ({"symbol": "EUR", "type": "CASH", "currency": "USD"}, date(2024, 3, 16), "EUR.USD"),
        ({"local": "EUR.USD"}, date(2024, 3, 16), "EUR.USD"),
        ({"symbol": "SPX", "type": "IND"}, date(2024, 3, 16), "SPX"),
    ],
)
def test_contracts_are_found_by_what_describes_them(fields: dict[str, object], today: date, found: str) -> None:
    matches = sorted(query(**fields).find(HISTORY.instruments.values(), today), key=lambda one: one.expiry or today)
    assert [instrument.history_key for instrument in matches] == found.split()


HEAD = "time,open,high,low,close,volume\n"


def test_a_folder_can_have_a_future_with_its_own_hours(tmp_path: Path) -> None:
    (tmp_path / "ESH5_1min.csv").write_text(f"{HEAD}2025-03-02T23:00:00Z,5000,5001,4999,5000,7\n")
    (tmp_path / "instruments.toml").write_text(
        "[ESH5]\nsecurity_type = 'FUT'\nsymbol = 'ES'\nexpiry = '2025-03-21'\nmultiplier = '50'\n"
    )
    history = open_history(str(tmp_path))
    instrument = history.instruments["ESH5"]
    assert (instrument.symbol, instrument.local_name, instrument.expiry) == ("ES", "ESH5", date(2025, 3, 21))
    assert (instrument.exchanges, instrument.trading_class) == (("CME",), "ES")
    assert history.sessions("ESH5") == [date(2025, 3, 3)]
    assert history.end == datetime(2025, 3, 4, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("security_type = 'FUT'", "expiry should be the last trading day of a future"),
        ("expiry = '2025-03-21'", "and of nothing else"),
        ("security_type = 'FUT'\nexpiry = 'March'", "expiry = 'March' should be a day"),
        ("security_type = 'OPT'", "security_type should be one of STK, CASH, IND, FUT, CFD, CMDTY"),
    ],
)
def test_a_future_without_a_last_day_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "X_1d.csv").write_text(f"{HEAD}2025-03-03,1,1,1,1,1\n")
    (tmp_path / "instruments.toml").write_text(f"[X]\n{text}\n")
    with pytest.raises(RecordingError) as refusal:
        open_history(str(tmp_path))
    assert complaint in str(refusal.value)
