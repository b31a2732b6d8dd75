"""However watches are broken off and resumed, readers end up with exactly what the registry has.

Operations appear, change, enter and leave filters, end, fall out of memory, are deleted; points come; the registry
restarts; readers are slow, or gone for long. A reader that keeps what it is told has, for each operation that matches
now, its latest state and all of its points, and nothing else; no point comes twice.
"""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.operations.identifiers import derived_operation_id
from tests.support.watched_world import View, WatchedWorld, selection_of

NAMES = ["open", "write", "poll", "poll_slowly", "end", "rename", "delete", "read", "break", "restart", "merge"]
OFTEN = ["open", "write", "poll", "delete", "read", "read"]
STEPS = st.lists(st.tuples(st.sampled_from(NAMES + OFTEN), st.integers(0, 11)), min_size=10, max_size=60)
FILTERS = ("", "state = RUNNING", 'state = COMPLETED OR display_name = "in"', 'display_name = "in"', "state = RUNNING")


async def step(  # noqa: C901 - one case for each kind of step
    world: WatchedWorld, name: str, number: int
) -> None:
    view = world.views[number % len(world.views)]
    match name:
        case "open":
            world.open()
        case "write":
            world.write(number)
        case "end":
            world.end(number)
        case "poll":
            await world.poll()
        case "poll_slowly":
            await world.settle()
            await world.poll(slowly=True)
        case "rename":
            await world.rename(number)
        case "delete":
            await world.settle()
            await world.delete(number)
        case "read":
            for _ in range(1 + number % 3):
                await view.read()
        case "break":
            await view.break_off()
        case "merge":
            await world.merge(number)
        case "restart":
            await world.restart()


async def check(world: WatchedWorld, view: View, filter_text: str, *ids: str) -> None:
    await view.complete()
    truth = await world.truth(selection_of(filter_text, *ids))
    assert set(view.known) == set(truth), filter_text
    for operation_id, known in view.known.items():
        wanted = truth[operation_id]
        assert (known.record.state, known.record.display_name) == (wanted.record.state, wanted.record.display_name)
        assert known.record.revision >= wanted.record.revision
        assert known.points == wanted.points, filter_text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_every_reader_ends_up_with_what_the_registry_has(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = WatchedWorld(Path(folder))
            await world.start()
            named = derived_operation_id("uid", "s1")
            world.views = [View(world, selection_of(text)) for text in FILTERS] + [View(world, selection_of("", named))]
            try:
                for name, number in steps:
                    await step(world, name, number)
                await world.settle()
                for view, text in zip(world.views, FILTERS, strict=False):
                    await check(world, view, text)
                await check(world, world.views[-1], "", named)
            finally:
                await world.stop()

    asyncio.run(run())


async def test_from_each_revision_exactly_the_points_after_it_come_also_out_of_merged_blocks(tmp_path: Path) -> None:
    world = WatchedWorld(tmp_path)
    await world.start()
    shown: list[tuple[int, str, int, int]] = []
    world.registry.on_points(
        lambda operation, points, revision: shown.append((revision, operation.id, points.first_seq, points.last_seq))
    )
    for number in range(3):
        world.open()
        for _ in range(5):
            world.write(number + 1)
            world.write(0)
            await world.poll()
    for number in (0, 1, 2, 3, 4):
        await world.merge(number)
    for after in range(1, world.registry.revisions.visible + 1):
        view = View(world, selection_of(""))
        view.position = after
        await view.complete()
        assert view.seqs() == {
            (operation_id, seq)
            for revision, operation_id, first, last in shown
            if revision > after
            for seq in range(first, last + 1)
        }, after
    assert len(shown) > 10
    await world.stop()
