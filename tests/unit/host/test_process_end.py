import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from services.host import process_end
from services.host.process_end import process_ended
from services.host.process_table import boot_id, start_ticks
from tests.support.eventually import eventually


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


async def test_the_end_of_a_child_is_told(child: subprocess.Popen[bytes]) -> None:
    waiting = asyncio.create_task(process_ended(child.pid, start_ticks(child.pid), boot_id()))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    child.kill()
    await asyncio.wait_for(waiting, 60)


async def test_the_end_of_somebody_elses_child_is_told() -> None:
    # A shell that goes at once leaves its child to others.
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL).pid)"
    answer = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    pid = int(answer.stdout)
    try:
        assert psutil.Process(pid).ppid() != os.getpid()
        waiting = asyncio.create_task(process_ended(pid, start_ticks(pid), boot_id()))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
    finally:
        os.kill(pid, 9)
    await asyncio.wait_for(waiting, 60)


async def test_another_process_of_the_same_number_is_not_waited_for(child: subprocess.Popen[bytes]) -> None:
    await asyncio.wait_for(process_ended(child.pid, start_ticks(child.pid) - 1, boot_id()), 60)
    await asyncio.wait_for(process_ended(child.pid, start_ticks(child.pid), "another boot"), 60)


async def test_a_process_that_ended_before_is_not_waited_for(child: subprocess.Popen[bytes]) -> None:
    ticks = start_ticks(child.pid)
    child.kill()
    await eventually(lambda: not start_ticks(child.pid))
    await asyncio.wait_for(process_ended(child.pid, ticks, boot_id()), 60)  # it waits to be reaped
    child.wait()
    await asyncio.wait_for(process_ended(child.pid, ticks, boot_id()), 60)


@pytest.mark.parametrize("known", [True, False])
async def test_where_the_system_tells_nothing_it_is_looked_at(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(process_end, "LOOK_SECONDS", 0.01)
    ticks, boot = (start_ticks(child.pid), boot_id()) if known else (0, "")
    waiting = asyncio.create_task(process_ended(child.pid, ticks, boot))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    child.kill()
    child.wait()
    await asyncio.wait_for(waiting, 60)


async def test_to_wait_for_many_and_give_up_leaves_nothing_open(child: subprocess.Popen[bytes]) -> None:
    before = psutil.Process().num_fds()
    for _ in range(20):
        waiting = asyncio.create_task(process_ended(child.pid, start_ticks(child.pid), boot_id()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await eventually(lambda: psutil.Process().num_fds() <= before)  # others may close theirs meanwhile
