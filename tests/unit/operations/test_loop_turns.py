"""Work that is ready at once is spread over turns of the event loop."""

import asyncio

from services.operations.loop_turns import LoopTurns


async def test_each_turn_of_the_loop_is_given_to_one_in_order() -> None:
    turns, log = LoopTurns(1), list[str]()

    async def work(name: str) -> None:
        await turns.mine()
        log.append(name)

    async def other() -> None:
        for _ in range(20):
            log.append(".")
            await asyncio.sleep(0)

    await asyncio.gather(*(work(name) for name in "abc"), other())
    text = "".join(log).strip(".")
    assert [name for name in text if name != "."] == ["a", "b", "c"]
    assert "ab" not in text
    assert "bc" not in text


async def test_whoever_gives_up_holds_nobody_up() -> None:
    turns, log = LoopTurns(1), list[str]()

    async def work(name: str) -> None:
        await turns.mine()
        log.append(name)

    tasks = [asyncio.create_task(work(name)) for name in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert log == ["a", "c"]
    await asyncio.sleep(0)
    await asyncio.wait_for(turns.mine(), 60)
