"""A disk that is full at any point of a load: the load says so, and once there is room nothing is missing."""

import errno
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ktrdr.ib.v1 import bars_pb2

from services.common.files import FolderLock
from services.ib_host.ledger.ledger_file import LedgerFile
from services.ib_host.loading.session_ledger import SessionLedger
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.sessions.kept_hours import KeptHours
from services.ib_host.store.manifest import Manifest
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import ib_host, load_spec, reason_of_session, result_of
from tests.support.loaded_bars import Mode, day, mode_spec, source_rows, stored_rows


def full(*_: Any, **__: Any) -> Any:
    """Write nothing."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (FolderLock, "acquire"),
        (pq, "write_table"),
        (Manifest, "save"),
        (SessionLedger, "add"),
        (LedgerFile, "add"),
        (RevisionLog, "add"),
    ],
)
async def test_a_load_on_a_full_disk_says_so_and_the_next_one_has_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    async with FaultyGateway(now=day(2005, 2, 1)) as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL", start=day(2003, 1, 2)))).loads[0]
        before = stored_rows(tmp_path, load.dataset.key)
        gateway.move_to(day(2013, 3, 2))  # after a split
        with monkeypatch.context() as context:
            context.setattr(owner, name, full)
            session = await host.load(mode_spec(Mode.MODE_TAIL))
        assert reason_of_session(session) == "STORAGE_FULL", session.error.message
        assert stored_rows(tmp_path, load.dataset.key) == before
        load = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", day(2003, 1, 2))


async def test_hours_that_find_no_room_fail_no_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        monkeypatch.setattr(KeptHours, "save", full)
        load = result_of(await host.load(load_spec("AAPL", start=day(2012, 1, 3)))).loads[0]
    assert load.dataset.key.what_to_show == bars_pb2.WHAT_TO_SHOW_TRADES
