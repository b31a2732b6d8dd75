"""What holds for every test: it cleans up after itself."""

import inspect
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from tests.support.leaks import leftover_tasks, nothing_left_behind

# The same examples in each run: what fails here fails everywhere. HYPOTHESIS_PROFILE=default looks for others.
# No deadline: how long an example takes is the machine's affair, and no fault.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# What a shell starts in the background ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves processes, threads, listening ports or open files."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    with nothing_left_behind(folder):
        # Only tests that have an event loop of their own get one for the look at its tasks.
        if inspect.iscoroutinefunction(getattr(request, "function", None)):
            request.getfixturevalue("_no_leftover_tasks")
        yield


@pytest.fixture
async def _no_leftover_tasks() -> AsyncIterator[None]:
    """Fail a test that leaves tasks running in its event loop."""
    yield
    left = await leftover_tasks()
    assert not left, f"the test left tasks running: {left}"
