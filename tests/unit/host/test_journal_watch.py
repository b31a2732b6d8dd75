import pytest

from services.host.changes import ChangeSignal
from services.host.journal_watch import JournalWatch
from services.host.session_table import SessionTable


async def test_nobody_is_looked_for_any_more_after_a_look_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = JournalWatch(SessionTable(), ChangeSignal())

    def too_many_files() -> int:
        raise OSError("too many open files")

    with monkeypatch.context() as failing:
        failing.setattr(watch, "look", too_many_files)
        with pytest.raises(OSError, match="too many"):
            async with watch.looking():
                pass
    async with watch.looking():
        assert watch.is_looking
    assert not watch.is_looking
