import asyncio
import os
import threading
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr_bridge import open_session

from services.host.attached import attached_sessions
from services.host.attached.scan import Mark, Scan, scan
from services.host.host import Host
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.host_service import ProbeHostSettings, running_host


@pytest.fixture
async def host(settings: ProbeHostSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    """A host for which no time goes by, and that looks as long as it takes."""
    monkeypatch.setattr(attached_sessions, "_REFRESH_SECONDS", 60.0)
    async with running_host(settings, clock=FakeClock(datetime.now(UTC))) as host:
        await host.attached.refresh()
        yield host


async def test_what_comes_while_the_folder_is_looked_through_is_found_at_the_next_question(
    settings: ProbeHostSettings, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, may_go_on = threading.Event(), threading.Event()

    def slow_scan(root: Path, *, seen: Mapping[str, Mark], live: Collection[str]) -> Scan:
        found = scan(root, seen=seen, live=live)
        looked.set()
        may_go_on.wait()
        return found

    monkeypatch.setattr(attached_sessions, "scan", slow_scan)
    with open_session("earlier", home=settings.home, session_id="earlier"):
        host.attached.look()
        await eventually(looked.is_set)
        with open_session("later", home=settings.home, session_id="later"):
            asking = asyncio.create_task(host.attached.refresh())
            await asyncio.sleep(0)
            may_go_on.set()
            await asking
            assert host.sessions.has("earlier")
            assert host.sessions.has("later")


async def test_what_changes_twice_within_a_tick_of_the_folders_time_is_found(
    settings: ProbeHostSettings, host: Host
) -> None:
    root = settings.home / "local" / "training"
    with open_session("earlier", home=settings.home, session_id="earlier"):
        await host.attached.refresh()
        assert host.sessions.has("earlier")
        tick = root.stat().st_mtime_ns
        with open_session("later", home=settings.home, session_id="later"):
            os.utime(root, ns=(tick, tick))
            await host.attached.refresh()
            assert host.sessions.has("later")
