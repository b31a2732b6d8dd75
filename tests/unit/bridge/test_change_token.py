"""The change token: it differs whenever anything does, and costs next to nothing while nothing does."""

import os
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, JournalReader

from tests.support.eventually import eventually_sync


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_every_report_changes_it_and_nothing_else_does(journal: Path) -> None:
    reader = JournalReader(journal)
    bridge = Bridge.create(journal, limit_bytes=256 * 1_024, segment_bytes=65_536)
    seen = {reader.change_token()}
    wide = {f"metric {number}": 1.0 for number in range(90)}

    def changed() -> None:
        token = reader.change_token()
        assert token not in seen
        for _ in range(3):
            assert reader.change_token() == token
        reader.read()
        assert reader.change_token() == token
        seen.add(token)

    for number in range(5):
        bridge.on_batch(number, 5, {"loss": 1.0})
        changed()
        bridge.on_epoch(number, {"loss": 1.0})
        changed()
    bridge.set_phase("train", total=4)
    changed()
    bridge.wait_reason("IB pacing")
    changed()
    bridge.advance(3)
    changed()
    while bridge.recording:  # over the edges of segments, to the bound
        bridge.on_batch(1, 5, wide)
        changed()
    bridge.on_batch(2, 5, wide)
    changed()
    bridge.close()
    changed()
    reader.close()


def test_two_readers_of_one_state_see_one_token(journal: Path) -> None:
    with Bridge.create(journal, segment_bytes=65_536) as bridge:
        early, late = JournalReader(journal), JournalReader(journal)
        for number in range(2_000):
            bridge.on_batch(number, 5, {"loss": 1.0})
            if number % 100 == 0:
                early.change_token()
        assert early.change_token() == late.change_token() != b""
        early.close()
        late.close()


def test_a_missing_journal_has_an_empty_token_and_a_foreign_file_one_that_says_so(journal: Path) -> None:
    reader = JournalReader(journal)
    assert reader.change_token() == b""
    journal.write_bytes(b"")
    assert reader.change_token() == b""
    journal.write_bytes(b"not a journal")
    assert reader.change_token() == b"unreadable"


def test_another_file_at_the_path_is_noticed_soon(journal: Path) -> None:
    reader = JournalReader(journal)
    with Bridge.create(journal) as bridge:
        bridge.on_epoch(1, {"a": 1})
        first = reader.change_token()
    closed = reader.change_token()
    assert closed != first
    journal.unlink()
    eventually_sync(lambda: reader.change_token() == b"")
    with Bridge.create(journal) as bridge:
        bridge.on_epoch(1, {"a": 1})
        assert reader.change_token() not in {first, closed, b""}
    reader.close()


def test_while_nothing_changes_it_is_one_small_read(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bridge.create(journal) as bridge:
        bridge.on_epoch(1, {"a": 1})
        reader = JournalReader(journal)
        reader.change_token()
        calls: list[tuple[str, int]] = []
        for name in ("pread", "stat", "fstat", "open"):
            real = getattr(os, name)

            def traced(*arguments: object, name: str = name, real: object = real, **more: object) -> object:
                calls.append((name, arguments[1] if name == "pread" else 0))  # type: ignore[arg-type]  # its size
                return real(*arguments, **more)  # type: ignore[operator]  # the traced function

            monkeypatch.setattr(os, name, traced)

        def one_small_read() -> bool:  # but for the look at the path, ten times a second
            calls.clear()
            reader.change_token()
            return calls == [("pread", 24)]

        eventually_sync(one_small_read)
        reader.close()
