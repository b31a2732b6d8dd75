import asyncio
import os
from pathlib import Path

from services.common.clock import SystemClock
from services.host.folder import SessionFolder
from services.host.process_spawn import locked_for_keeper
from services.host.process_table import boot_id, start_ticks
from services.host.records import WorkerRecord
from services.host.runner import Liveness
from services.host.worker_evidence import look
from services.host.worker_following import WorkerFollowing


async def test_a_worker_that_is_written_down_after_the_look_is_looked_for_again(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path)
    keeper = WorkerRecord(keeper_pid=os.getpid(), keeper_start_ticks=start_ticks(os.getpid()), boot_id=boot_id())
    session.worker_record.write_bytes(keeper.to_bytes())
    with locked_for_keeper(session):
        view = look(session)
        assert (view.liveness, view.pid) == (Liveness.ALIVE, 0)
        started = keeper.model_copy(update={"worker_pid": os.getpid()})
        session.worker_record.write_bytes(started.to_bytes())
        following = WorkerFollowing(session, SystemClock())
        await asyncio.wait_for(following.wait(view), 60)
        view = look(session)
        assert view.pid == os.getpid()
        waiting = asyncio.create_task(following.wait(view))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done, "now there is nothing to wait for but the keeper's end"
        waiting.cancel()
        await asyncio.wait([waiting])
