"""The bound and a full disk stop the recording, never the loop."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, JournalReader
from ktrdr_bridge.reserve import reserve_space, write_zeros

KIB = 1024


def fill(bridge: Bridge, events: int = 30_000) -> None:
    bridge.set_phase("train", total=10, unit="epochs")
    for number in range(1, events + 1):
        bridge.on_batch(number, events, {"loss": number, "accuracy": -number})
        if number % 1_000 == 0:
            bridge.on_epoch(number // 1_000, {"loss": number})


def check_what_was_kept(path: Path) -> int:
    reader = JournalReader(path)
    found = reader.read(max_points=10**7)
    reader.close()
    loss, accuracy = found.series
    assert found.damage == ""
    assert not found.recording
    assert list(loss.seqs) == list(range(len(loss.seqs)))
    by_seq = dict(zip(loss.seqs, loss.values, strict=True))
    assert [-value for value in accuracy.values] == [by_seq[seq] for seq in accuracy.seqs]
    return len(loss.seqs)


def test_at_its_bound_a_journal_stops_recording_and_shows_progress_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path, limit_bytes=512 * KIB, segment_bytes=64 * KIB) as bridge:
        fill(bridge)
        assert not bridge.recording
        assert path.stat().st_size <= 512 * KIB
        kept = check_what_was_kept(path)
        assert 2_000 < kept < 10_000
        reader = JournalReader(path)
        assert (reader.read().progress.step, reader.read().progress.completed) == ("epoch 30/10", 30.0)
        bridge.on_batch(3, 4, {"another": 1})
        assert reader.read().progress.step == "epoch 31/10, batch 3/4"
        bridge.on_rows(40, rows=7, step="a chunk")
        assert (reader.read().progress.step, reader.read().progress.completed) == ("a chunk", 40.0)
        assert reader.end().seq == kept
        reader.close()


def test_a_bound_too_small_for_any_row_is_a_journal_of_progress(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path, limit_bytes=0) as bridge:
        bridge.set_phase("train", total=4)
        bridge.on_epoch(1, {"a": 1})
        bridge.on_epoch(2, {"a": 1})
        reader = JournalReader(path)
        found = reader.read()
        reader.close()
        assert not bridge.recording
    assert (found.series, found.recording, found.progress.fraction) == ([], False, 0.5)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_disk_that_fills_up_stops_the_recording(tmp_path: Path, after: int) -> None:
    calls = 0

    def reserve(descriptor: int, offset: int, size_bytes: int) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve_space(descriptor, offset, size_bytes)

    path = tmp_path / "journal"
    with Bridge.create(path, segment_bytes=64 * KIB, reserve=reserve) as bridge:
        fill(bridge)
        assert not bridge.recording
        if after > 1:
            assert check_what_was_kept(path) > 500
    reader = JournalReader(path)
    assert reader.read().progress.completed == 30.0
    reader.close()


def test_a_disk_full_from_the_start_is_told_at_the_start(tmp_path: Path) -> None:
    def refuse(*_range: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        Bridge.create(tmp_path / "journal", reserve=refuse)
    assert list(tmp_path.iterdir()) == []


def test_when_there_is_space_again_a_resumed_journal_records_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path, limit_bytes=256 * KIB, segment_bytes=64 * KIB) as bridge:
        fill(bridge, 5_000)
        assert not bridge.recording
    kept = check_what_was_kept(path)
    with Bridge.resume(path, segment_bytes=64 * KIB) as bridge:
        assert bridge.recording
        fill(bridge, 1_000)
    reader = JournalReader(path)
    found = reader.read(max_points=10**7)
    reader.close()
    assert found.recording
    assert found.next.seq == kept + 1_001


FILL_UNDER_A_FILE_SIZE_LIMIT = """
import resource, sys
from pathlib import Path
from ktrdr_bridge import Bridge
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
with Bridge.create(Path(sys.argv[1]), segment_bytes=65_536) as bridge:
    for number in range(30_000):
        bridge.on_batch(number, 30_000, {"loss": number, "accuracy": -number})
    print(bridge.recording)
"""

FILL_A_DISK = """
import os, sys
from pathlib import Path
from ktrdr_bridge import Bridge
disk = Path(sys.argv[1]).parent
with Bridge.create(Path(sys.argv[1]), segment_bytes=65_536) as bridge:
    for number in range(2_000):
        bridge.on_batch(number, 30_000, {"loss": number, "accuracy": -number})
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4_096))
        except OSError:
            pass
    for number in range(2_000, 30_000):
        bridge.on_batch(number, 30_000, {"loss": number, "accuracy": -number})
        bridge.wait_reason(str(number))
    print(bridge.recording)
    os.unlink(disk / "filler")
"""


def run_script(script: str, path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_real_file_size_limit_does_not_kill_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert run_script(FILL_UNDER_A_FILE_SIZE_LIMIT, path) == "False"
    assert check_what_was_kept(path) > 2_000


def test_a_disk_that_is_really_full_does_not_kill_the_writer(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a small file system of its own can't be mounted here")
    try:
        assert run_script(FILL_A_DISK, disk / "journal") == "False"
        assert check_what_was_kept(disk / "journal") >= 2_000
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_without_posix_fallocate_space_is_reserved_by_writing_zeros(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path, segment_bytes=64 * KIB, limit_bytes=512 * KIB, reserve=write_zeros) as bridge:
        fill(bridge)
        assert not bridge.recording
    assert check_what_was_kept(path) > 2_000


def test_writing_zeros_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with path.open("r+b") as file:
        write_zeros(file.fileno(), 0, 10)
        write_zeros(file.fileno(), 5, 200_000)
        write_zeros(file.fileno(), 0, 4)
    assert path.read_bytes() == b"abc" + bytes(200_002)
