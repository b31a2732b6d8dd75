"""Those who change the same ended operation come one after the other, others do not wait for them."""

import asyncio

from services.operations.turns import Turns


async def test_one_at_a_time_for_an_operation_and_no_waiting_for_others() -> None:
    turns = Turns()
    inside: list[str] = []
    most = 0

    async def change(operation_id: str) -> None:
        nonlocal most
        async with turns.of(operation_id):
            inside.append(operation_id)
            most = max(most, len(inside))
            assert inside.count(operation_id) == 1
            await asyncio.sleep(0)
            inside.remove(operation_id)

    await asyncio.gather(*(change(f"o{number % 3}") for number in range(30)))
    assert most == 3


async def test_several_in_any_order_do_not_wait_for_each_other_for_ever() -> None:
    turns = Turns()

    async def change(*operation_ids: str) -> None:
        async with turns.of_all(operation_ids):
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(*(change("a", "b", "a") for _ in range(5)), *(change("b", "a") for _ in range(5)))


async def test_a_turn_is_given_on_when_its_holder_fails_or_is_cancelled() -> None:
    turns = Turns()

    async def hold() -> None:
        async with turns.of("a"):
            await asyncio.Event().wait()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    async with asyncio.timeout(60), turns.of("a"):
        pass
    assert not turns._locks
