"""What is in use is set aside, so that later collections are short; garbage is still found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from services.common.garbage import keep_collections_short
from tests.support.eventually import eventually


@pytest.fixture
def collector_as_before() -> Iterator[None]:
    threshold, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*threshold)
    gc.unfreeze()


class Node:
    """Something that can be in a cycle."""

    def __init__(self) -> None:
        self.other: Node | None = None


@pytest.mark.usefixtures("collector_as_before")
async def test_what_stays_is_set_aside_and_cycles_that_are_left_go() -> None:
    keep_collections_short()
    frozen = gc.get_freeze_count()
    kept: list[list[int]] = []
    node = Node()
    node.other = node
    gone = weakref.ref(node)
    del node

    def allocate() -> bool:
        kept.extend([number] for number in range(50_000))
        return gc.get_freeze_count() >= frozen + 100_000

    await eventually(allocate)
    assert gone() is None
