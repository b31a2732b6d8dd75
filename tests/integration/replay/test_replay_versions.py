"""Answers of each version, field by field, as IB's own client demands them: it drops what has a field too many."""

import pytest

from services.ib_host.replay.connection import encode, encode_readable
from services.ib_host.replay.framing import RECEIVE_BYTES
from services.ib_host.replay.messages import Outbound
from services.ib_host.replay.wire import Fields
from tests.integration.replay.conftest import RawClient

APPLE = (0, "AAPL", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "", 0)
VERSIONS = [157, 176, 178]


async def started(raw: RawClient, version: int) -> None:
    raw.greet(b"v100..%d" % version)
    assert (await raw.receive())[0] == str(version)
    raw.send(71, 2, 9, "")
    assert await raw.receive() == ["15", "1", "REPLAY1"]
    assert await raw.receive() == ["9", "1", "1"]
    assert [len(await raw.receive()) for _ in range(3)] == [5 if version < 166 else 6] * 3


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_a_client_asks_for_while_it_connects(raw: RawClient, version: int) -> None:
    await started(raw, version)
    for request, answer in (
        ((61, 1), ["62", "1"]),
        ((5, 1), ["53", "1"]),
        ((99, 0), ["102"]),
        ((7, 3, 6, 0, "", "", "", "", "", ""), ["55", "1", "6"]),
        ((49, 1), ["49", "1", "1362182400"]),
    ):
        raw.send(*request)
        assert await raw.receive() == answer
    raw.send(62, 1, 7, "All", "NetLiquidation")
    assert len(await raw.receive()) == 7
    assert await raw.receive() == ["64", "1", "7"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_bars_have_eight_fields_and_whole_volumes(raw: RawClient, version: int) -> None:
    await started(raw, version)
    raw.send(20, 5, *APPLE, "20130222-23:00:00", "1 day", "5 D", 1, "TRADES", 2, 0, "")
    answer = await raw.receive()
    count = int(answer[4])
    assert (answer[:2], count, len(answer)) == (["17", "5"], 5, 5 + 8 * count)
    for bar in range(count):
        date, *prices, volume, wap, trades = answer[5 + 8 * bar : 13 + 8 * bar]
        assert len(date) == 8
        assert int(volume) > 0, "version 157 reads it as a whole number"
        assert int(trades) > 0
        assert [float(price) for price in (*prices, wap)]


@pytest.mark.parametrize(("version", "fields"), [(157, 39), (176, 40), (178, 40)])
async def test_details_of_a_contract(raw: RawClient, version: int, fields: int) -> None:
    await started(raw, version)
    raw.send(9, 8, 5, *APPLE, "", "", *([""] if version >= 176 else []))
    answer = await raw.receive()
    assert (len(answer), answer[0], answer[1 if version >= 164 else 2]) == (fields, "10", "5")
    assert await raw.receive() == ["52", "1", "5"]


@pytest.mark.parametrize(("version", "fields"), [(157, 3 + 6), (176, 3 + 8), (178, 3 + 8)])
async def test_symbols_that_match(raw: RawClient, version: int, fields: int) -> None:
    await started(raw, version)
    raw.send(81, 5, "IBM")
    assert len(await raw.receive()) == fields


@pytest.mark.parametrize(("version", "fields"), [(157, 5), (176, 6), (178, 6)])
async def test_a_refusal(raw: RawClient, version: int, fields: int) -> None:
    await started(raw, version)
    raw.send(87, 5, *APPLE[:1], "NONE", *APPLE[2:], 1, "TRADES", 2)
    answer = await raw.receive()
    assert (len(answer), answer[:4]) == (fields, ["4", "2", "5", "200"])


@pytest.mark.parametrize(("version", "separator"), [(157, "  "), (176, " "), (178, " ")])
async def test_the_window_of_bars_is_told_with_its_zone_from_174_on(
    raw: RawClient, version: int, separator: str
) -> None:
    await started(raw, version)
    raw.send(20, 5, *APPLE, "20130222 16:00:00 US/Eastern", "1 day", "5 D", 1, "TRADES", 1, 0, "")
    end = (await raw.receive())[3]
    assert end == f"20130222{separator}16:00:00" + (" US/Eastern" if version >= 174 else "")


def lost_by_ibs_client(data: bytes) -> bool:
    """Tell whether a reader that takes 4096 bytes at once, and goes on while its pieces are full, gets no end."""
    pieces = [data[at : at + RECEIVE_BYTES] for at in range(0, len(data), RECEIVE_BYTES)]
    return len(pieces[-1]) == RECEIVE_BYTES


@pytest.mark.parametrize("message", [Outbound.HISTORICAL_DATA, Outbound.HISTORICAL_SCHEDULE])
@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_no_long_answer_fills_the_last_piece_that_ibs_own_client_takes(message: Outbound, pieces: int) -> None:
    fields: list[str | int] = [message, 5, "20130101", "20130301", ""]
    fields[4] = "x" * (pieces * RECEIVE_BYTES - len(encode(fields)))
    assert lost_by_ibs_client(encode(fields))
    frame = encode_readable(fields)
    assert not lost_by_ibs_client(frame)
    assert frame == encode([*fields[:2], "20130101 ", *fields[3:]])


@pytest.mark.parametrize("fields", [[17, 5, "a", "b", 0], [4, 2, 5, 162, "x" * (RECEIVE_BYTES - 17)]])
def test_other_frames_stay_as_they_are(fields: Fields) -> None:
    assert encode_readable(fields) == encode(fields)
