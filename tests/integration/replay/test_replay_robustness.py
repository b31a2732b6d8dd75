"""Whatever a client sends, the gateway goes on."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import RawClient

CONTRACT = ("0", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "", "0")
HISTORICAL = ("20", "5", *CONTRACT, "", "1 day", "1 W", "1", "TRADES", "2", "0", "")

END_DATES = st.sampled_from(
    ["", "20120229-00:00:00", "00010101-00:00:00", "99991231 23:59:59 US/Eastern", "00010101 00:00:00 Asia/Tokyo"]
)
DURATIONS = st.sampled_from(["1 D", "1 Y", "9999999 Y", "9999999 M", "9999999 W", "9999999 D", "9999999 S", "86400 S"])
TEXTS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "9999999999", "1e999", "nan", "STK", "BAG", "AAPL", "SMART", "TRADES", "SCHEDULE"]
    ),
    END_DATES,
    DURATIONS,
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
)


@st.composite
def damaged_requests(draw: st.DrawFn) -> list[str]:
    """A request for bars with odd dates and durations, of which some fields are replaced and the end may be missing."""
    fields = list(HISTORICAL)
    fields[15:18] = [draw(END_DATES), draw(st.sampled_from(["1 day", "1W", "1M"])), draw(DURATIONS)]
    for _ in range(draw(st.integers(0, 2))):
        fields[draw(st.integers(1, len(fields) - 1))] = draw(TEXTS)
    return fields[: draw(st.integers(2, len(fields)))] if draw(st.booleans()) else fields


MESSAGES = damaged_requests() | st.builds(
    lambda message, fields: [str(int(message)), *fields], st.sampled_from(list(Inbound)), st.lists(TEXTS, max_size=20)
)


async def still_answers(messages: list[list[str]]) -> None:
    async with ReplayServer(ReplaySettings(port=0)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        for message in messages:
            client.send(*message)
        client.send(49, 1)
        while (answer := await client.receive())[0] != "49" or answer[2] != "1362182400":
            pass
        assert gateway.client_ids == {9}
        writer.close()
        await writer.wait_closed()


@given(st.lists(MESSAGES, max_size=30))
@settings(max_examples=40, deadline=None)
def test_no_message_silences_the_gateway(messages: list[list[str]]) -> None:
    with capture_logs() as logs:
        asyncio.run(still_answers(messages))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []
