import json
from pathlib import Path

import pytest

from services.common.startup import CannotStartError
from services.host.host_identity import HostIdentity


def opened(folder: Path) -> HostIdentity:
    identity = HostIdentity(folder)
    identity.open()
    return identity


def test_the_identity_stays(tmp_path: Path) -> None:
    assert opened(tmp_path).host_uid == opened(tmp_path).host_uid


def test_finish_numbers_rise_and_never_come_back_over_restarts(tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(3):
        identity = opened(tmp_path)
        given += [identity.next_finish_number() for _ in range(3)]
    assert given == sorted(set(given))
    assert opened(tmp_path).last_finish_number >= given[-1]


def test_one_write_serves_many_numbers(tmp_path: Path) -> None:
    identity = opened(tmp_path)
    identity.next_finish_number()
    written = (tmp_path / "host.json").stat().st_mtime_ns
    for _ in range(500):
        identity.next_finish_number()
    assert (tmp_path / "host.json").stat().st_mtime_ns == written


def test_numbers_of_sessions_in_the_folder_count(tmp_path: Path) -> None:
    identity = opened(tmp_path)
    identity.note_finish_number(5_000)
    assert identity.next_finish_number() == 5_001
    assert json.loads((tmp_path / "host.json").read_text())["reserved_finish_number"] >= 5_001


def test_a_damaged_identity_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(CannotStartError, match=r"host\.json is damaged\. Restore it"):
        HostIdentity(tmp_path).open()
    assert (tmp_path / "host.json").read_text() == "{"
