"""What happens after minutes and days, on a clock that the test moves."""

from pathlib import Path

from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.registry_server import State, registry_server
from tests.support.simulated_host import simulated_host

MINUTE, HOUR = 60.0, 3_600.0


async def test_a_request_id_is_good_for_a_day(tmp_path: Path) -> None:
    clock = FakeClock()
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}", clock=clock) as registry:
        first = await registry.create(request_id="r")
        clock.advance(23 * HOUR)
        assert (await registry.create(request_id="r")).id == first.id
        clock.advance(2 * HOUR)
        second = await registry.create(request_id="r", display_name="another body")
        assert second.id != first.id
        assert [one.id for one in await registry.all()] == [second.id, first.id]


async def test_the_server_ends_a_watch_after_some_minutes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}", clock=clock) as registry:
        host.add("s")
        await registry.found("s")
        async with registry.watch() as watch:
            await watch.until(lambda one: one.session_id == "s")
            while not (await watch.next()).bookmark:
                pass
            clock.advance(4 * MINUTE)
            host.write("s", 1, loss=1.0)
            await watch.until(lambda one: one.metric_points == 1)
            clock.advance(7 * MINUTE)
            host.write("s", 2, loss=1.0)
            while not await watch.ended():
                pass


async def test_ages_grow_between_answers(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", clock=clock, poll_wait_seconds=60.0) as registry,
    ):
        created = await registry.create()
        host.sessions[created.session_id].message.progress.age.FromSeconds(3)
        host.write(created.session_id, 1, loss=1.0)

        async def told() -> bool:
            return (await registry.get(created.id)).progress.age.seconds == 3

        await eventually(told)
        await host.stop()
        clock.advance(5)
        later = await registry.get(created.id)
        assert later.progress.age.seconds == 8
        assert later.staleness.seconds == 5
        assert later.state == State.STATE_RUNNING
