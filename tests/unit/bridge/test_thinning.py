"""At its bound a journal is thinned, never cut: every second row goes, and what is left stays true."""

import errno
import itertools
import os
import threading
from pathlib import Path
from typing import NoReturn

import pytest
from ktrdr_bridge import Bridge, JournalReader, Position
from ktrdr_bridge.reserve import reserve_space

from tests.support.eventually import eventually_sync
from tests.support.journal_model import Seen, Written, check_whole, read_all

KIB = 1_024
LIMIT = 1_024 * KIB
NAMES = [f"metric {number}" for number in range(60)]


def metrics(number: int) -> dict[str, float]:
    return {name: number + column / 64 for column, name in enumerate(NAMES)}


def fill(bridge: Bridge, written: Written, events: int) -> None:
    """Report batches of 60 metrics, and an epoch of one metric after every 50th."""
    for _ in range(events):
        number = len(written.rows)
        if number % 51 == 50:
            written.report(bridge, "epoch", number // 51 + 1, {"val_loss": float(number)})
        else:
            written.report(bridge, "batch", number % 51 + 1, metrics(number))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def disk_use(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def generation(journal: Path) -> int:
    reader = JournalReader(journal)
    found = reader.read(reader.end())
    reader.close()
    return 0 if found.thinning is None else found.thinning.generation


def fill_until_thinned(bridge: Bridge, written: Written, journal: Path, *, generations: int = 1) -> None:
    while generation(journal) < generations:
        assert bridge.recording
        fill(bridge, written, 20)


def test_every_second_row_of_a_large_series_goes_and_small_ones_stay_whole(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        bridge.set_phase("train", total=100, unit="epochs")
        assert check_whole(journal, written).thinning is None
        fill_until_thinned(bridge, written, journal)
        found = check_whole(journal, written)
        assert bridge.recording
        assert found.recording
        assert found.incarnation == bridge.incarnation
    assert found.thinning is not None
    assert found.thinning.generation == 1
    complete_from = found.thinning.complete_from_seq
    assert 0 < complete_from < len(written.rows)
    batches = [seq for seq, (kind, _, _) in enumerate(written.rows) if kind == "batch"]
    epochs = [seq for seq, (kind, _, _) in enumerate(written.rows) if kind == "epoch"]
    thinned = [seq for seq in batches if seq < complete_from]
    expected = thinned[::2] if len(thinned) % 2 else [*thinned[::2], thinned[-1]]
    reader = JournalReader(journal)
    seen, _ = read_all(reader)
    reader.close()
    assert [seq for seq, _, _ in seen.points["val_loss"]] == epochs
    assert [seq for seq, _, _ in seen.points["metric 7"]] == expected + batches[len(thinned) :]


def test_a_series_that_is_thinned_many_times_keeps_points_all_over_its_length(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        fill(bridge, written, 8_000)
        found = check_whole(journal, written)
    assert found.thinning is not None
    assert found.thinning.generation > 4
    reader = JournalReader(journal)
    seen, _ = read_all(reader)
    reader.close()
    seqs = [seq for seq, _, _ in seen.points["metric 0"]]
    gaps = [after - before for before, after in itertools.pairwise(seqs)]
    assert max(gaps) < 20 * len(written.rows) / len(seqs)


def test_both_files_together_stay_within_the_bound(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        for _ in range(6_000):
            fill(bridge, written, 1)
            assert disk_use(journal.parent) <= LIMIT
        assert check_whole(journal, written).thinning is not None
        assert bridge.recording
    assert names_in(journal.parent) == ["journal"]


def test_a_reader_goes_on_from_generation_to_generation_whatever_its_pages(journal: Path) -> None:
    written = Written()
    readers = [(JournalReader(journal), Seen(), most) for most in (1, 500, 20_000)]
    tokens = {reader: {b""} for reader, _, _ in readers}
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        bridge.set_phase("train", total=1_000, unit="epochs")
        for round_ in range(180):
            fill(bridge, written, 20)
            for reader, seen, most in readers[round_ % 3 :]:
                token = reader.change_token()
                found = reader.read(seen.after, max_points=most)
                assert (found.damage, found.reset) == ("", False)
                assert token not in tokens[reader]
                tokens[reader].add(token)
                seen.add(found)
                last = max(seq for seq, (kind, _, _) in enumerate(written.rows) if kind == "epoch") if round_ > 2 else 0
                assert int(found.progress.completed) == (
                    written.rows[last][1] if last else int(found.progress.completed)
                )
        assert generation(journal) > 2
        for reader, seen, most in readers:
            while (found := reader.read(seen.after, max_points=max(most, 5_000))).more:
                seen.add(found)
            seen.add(found)
            seen.check(written)
            assert found.thinning is not None
            batches = {seq for seq, (_, _, metrics) in enumerate(written.rows) if "metric 0" in metrics}
            assert {seq for seq in batches if seq >= found.thinning.complete_from_seq} <= seen.seqs
            reader.close()


def test_any_cursor_in_what_was_thinned_gives_every_kept_point_after_it_once(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        fill_until_thinned(bridge, written, journal, generations=3)
        reader = JournalReader(journal)
        everything, _ = read_all(reader)
        for start in range(0, len(written.rows), 37):
            seen, _ = read_all(reader, after=Position(bridge.incarnation, start), max_points=3_000)
            assert seen.points == {
                name: rest
                for name, points in everything.points.items()
                if (rest := [point for point in points if point[0] >= start])
            }
        reader.close()


def test_a_thinned_journal_is_resumed_and_thinned_on(journal: Path) -> None:
    written = Written()
    for round_ in range(1, 8):
        with Bridge.resume(journal, limit_bytes=LIMIT) as bridge:
            fill_until_thinned(bridge, written, journal, generations=round_)
            fill(bridge, written, 17)
        found = check_whole(journal, written)
        assert found.next == Position(bridge.incarnation, len(written.rows))
        assert found.thinning is not None
        assert found.thinning.generation >= round_


def test_what_a_killed_writer_left_beside_the_journal_is_removed(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        fill(bridge, written, 100)
    left_over = journal.with_name("journal.next")
    left_over.write_bytes(b"half a generation")
    with Bridge.resume(journal, limit_bytes=LIMIT) as bridge:
        assert not left_over.exists()
        fill_until_thinned(bridge, written, journal)
    left_over.write_bytes(b"half a generation")
    with Bridge.resume(journal, limit_bytes=LIMIT) as bridge:
        fill_until_thinned(bridge, written, journal, generations=2)
    check_whole(journal, written)
    assert names_in(journal.parent) == ["journal"]


def test_without_space_for_the_next_generation_recording_stops_and_nothing_is_lost(journal: Path) -> None:
    files: set[int] = set()

    def reserve(descriptor: int, offset: int, size_bytes: int) -> None:
        files.add(os.fstat(descriptor).st_ino)
        if len(files) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve_space(descriptor, offset, size_bytes)

    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT, reserve=reserve) as bridge:
        while bridge.recording:
            fill(bridge, written, 1)
        written.rows.pop()  # the one that was refused
        found = check_whole(journal, written)
        assert (found.thinning, found.recording, found.next.seq) == (None, False, len(written.rows))
        assert names_in(journal.parent) == ["journal"]
    with Bridge.resume(journal, limit_bytes=LIMIT) as bridge:
        fill_until_thinned(bridge, written, journal)
        assert check_whole(journal, written).recording


def test_where_it_cannot_be_put_in_place_the_journal_goes_on_to_its_bound(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_names: object, **_folders: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            while bridge.recording:
                fill(bridge, written, 1)
        written.rows.pop()
        found = check_whole(journal, written)
        assert (found.thinning, found.recording, found.next.seq) == (None, False, len(written.rows))
        assert disk_use(journal.parent) <= LIMIT
        assert names_in(journal.parent) == ["journal"]


def test_without_a_thread_to_be_had_the_writer_thins_by_itself(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        fill_until_thinned(bridge, written, journal, generations=2)
        check_whole(journal, written)


def test_the_folder_may_be_renamed_while_its_journal_is_written(tmp_path: Path) -> None:
    written = Written()
    (tmp_path / "new").mkdir()
    with Bridge.create(tmp_path / "new" / "journal", limit_bytes=LIMIT) as bridge:
        fill(bridge, written, 10)
        (tmp_path / "new").rename(tmp_path / "session")
        fill_until_thinned(bridge, written, tmp_path / "session" / "journal")
    check_whole(tmp_path / "session" / "journal", written)
    assert names_in(tmp_path) == ["session"]


def test_a_relative_path_is_meant_from_where_the_journal_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Bridge.create(Path("journal"), limit_bytes=LIMIT) as bridge:
        monkeypatch.chdir(tmp_path / "elsewhere")
        fill_until_thinned(bridge, written, tmp_path / "journal")
    assert names_in(tmp_path / "elsewhere") == []


def test_a_slow_loop_moves_over_as_soon_as_the_next_generation_is_prepared(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        while not journal.with_name("journal.next").exists() and generation(journal) == 0:
            fill(bridge, written, 1)
        reader = JournalReader(journal)

        def one_event_later() -> bool:
            fill(bridge, written, 1)
            return reader.read(reader.end()).thinning is not None

        eventually_sync(one_event_later, interval_seconds=0.002)
        found = check_whole(journal, written)
        assert found.thinning is not None
        reader.close()


def test_a_bridge_that_is_closed_while_it_thins_leaves_the_journal_as_it_was(journal: Path) -> None:
    written = Written()
    bridge = Bridge.create(journal, limit_bytes=LIMIT)
    while not journal.with_name("journal.next").exists() and generation(journal) == 0:
        fill(bridge, written, 1)
    bridge.close()
    bridge.close()
    assert names_in(journal.parent) == ["journal"]
    check_whole(journal, written)


def test_rows_that_were_damaged_before_are_told_when_their_neighbours_are_thinned(journal: Path) -> None:
    written = Written()
    with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
        fill(bridge, written, 300)
        data = bytearray(journal.read_bytes())
        place = data.index(b"metric 59") + 5_000
        with journal.open("r+b") as file:
            file.seek(place)
            file.write(bytes([data[place] ^ 1]))
        fill_until_thinned(bridge, written, journal)
        reader = JournalReader(journal)
        found = reader.read(max_points=10**7)
        assert found.damage == "1 damaged row left out when the journal was thinned"
        seen, _ = read_all(reader)
        seen.check(written)
        reader.close()
