"""Without a rule that is due, the gateway says what it would say without any rules."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.replay.faults.answers import ErrorRule, SilentRule
from services.ib_host.replay.faults.messages import HANDSHAKE
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import RawClient
from tests.integration.replay.test_replay_robustness import MESSAGES

NEVER_DUE = (
    *(SilentRule(on=message, nth=1_000_000) for message in (HANDSHAKE, *Inbound)),
    ErrorRule(on=Inbound.HISTORICAL_DATA, symbol="NOBODY", code=1, text="Never said"),
)
ROUNDS_UNTIL_ALL_IS_SAID = 3


async def said(faults: Faults | None, messages: list[list[str]]) -> tuple[Counter[tuple[str, ...]], int]:
    """Return every frame that the gateway sends for messages, and how many faults happened."""
    async with ReplayServer(ReplaySettings(port=0), faults=faults) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        frames: Counter[tuple[str, ...]] = Counter()
        for message in messages:
            client.send(*message)
        for _ in range(ROUNDS_UNTIL_ALL_IS_SAID):
            client.send(17, 1)
            while (frame := tuple(await client.receive())) != ("15", "1", "REPLAY1"):
                frames[frame] += 1
        writer.close()
        await writer.wait_closed()
        return frames, len(gateway.journal.fired)


@given(st.lists(MESSAGES.filter(lambda message: message[0] != "17"), max_size=15))
@settings(max_examples=25, deadline=None)
def test_rules_that_are_not_due_change_nothing(messages: list[list[str]]) -> None:
    usual, _ = asyncio.run(said(None, messages))
    with_rules, fired = asyncio.run(said(Faults(NEVER_DUE), messages))
    assert with_rules == usual
    assert fired == 0
