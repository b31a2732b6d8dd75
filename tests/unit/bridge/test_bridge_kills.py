"""A journal outlives its writer, at whatever moment that is killed, and a resumed one goes on without a gap."""

import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, JournalRead, JournalReader, Position
from ktrdr_bridge.identity import HEADER_BYTES

from tests.support.journal_writer import events


@contextmanager
def writer(journal: Path, seed: int, most: int) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.support.journal_writer", str(journal), str(seed), str(most)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def check(found: JournalRead, seed: int, first_seq: int = 0) -> None:
    """Check that a read has the seed's events from the first on, each once, in order."""
    assert found.damage == ""
    assert not found.more
    expected: dict[str, list[tuple[int, int, float]]] = {}
    for seq, (_, step, metrics) in enumerate(itertools.islice(events(seed), found.next.seq - first_seq), first_seq):
        for name, value in metrics.items():
            expected.setdefault(name, []).append((seq, step, value))
    actual = {series.name: list(zip(series.seqs, series.steps, series.values, strict=True)) for series in found.series}
    assert actual == expected


@pytest.mark.kill
@pytest.mark.parametrize("seed", range(8))
def test_everything_reported_before_a_kill_is_there(tmp_path: Path, seed: int) -> None:
    journal = tmp_path / "journal"
    dice = random.Random(seed)
    with writer(journal, seed, 10**9) as process:
        assert process.stdout is not None
        reported = 0
        for _ in range(dice.randrange(1, 40)):
            reported = int(process.stdout.readline())
        for _ in range(dice.randrange(20_000)):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    reader = JournalReader(journal)
    found = reader.read(max_points=10**9)
    assert found.next.seq >= reported
    check(found, seed)
    assert found.progress.phase == "train"
    assert found.progress.completed > 0

    with Bridge.resume(journal) as bridge:
        assert bridge.incarnation == found.incarnation
        # A kill between a row's bytes and its publication leaves a whole row, which a resumed journal keeps.
        resumed = reader.read(max_points=10**9)
        assert resumed.next.seq - found.next.seq in {0, 1}
        check(resumed, seed)
        bridge.on_batch(1, 2, {"after": 1.0})
        after = reader.read(resumed.next)
    assert [(series.name, list(series.seqs)) for series in after.series] == [("after", [resumed.next.seq])]
    assert int(after.progress.completed) == int(resumed.progress.completed)
    reader.close()


@pytest.mark.kill
def test_a_writer_that_is_killed_and_resumed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    reader = JournalReader(journal)
    after: Position | None = None
    incarnations = set()
    first_seq = 0
    for seed in range(5):
        with writer(journal, seed, 10**9) as process:
            assert process.stdout is not None
            for _ in range(4):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            process.wait()
        Bridge.resume(journal).close()  # may keep one more row, whose publication the kill prevented
        found = reader.read(after, max_points=10**9)
        assert not found.reset
        check(found, seed, first_seq)
        after, first_seq = found.next, found.next.seq
        incarnations.add(found.incarnation)
    reader.close()
    assert len(incarnations) == 1


@pytest.mark.parametrize("torn_bytes", [1, 3, 8, 24, 25, 60])
def test_a_row_that_was_being_written_is_no_row_and_is_overwritten(tmp_path: Path, torn_bytes: int) -> None:
    journal = tmp_path / "journal"
    with Bridge.create(journal) as bridge:
        for number in range(10):
            bridge.on_epoch(number, {"a": number})
    whole = journal.read_bytes()
    last_row = whole[-48:]
    journal.write_bytes(whole + last_row[:torn_bytes] + bytes(300))
    with Bridge.resume(journal) as bridge:
        bridge.on_epoch(10, {"a": 10})
        reader = JournalReader(journal)
        found = reader.read()
        reader.close()
    assert found.damage == ""
    assert list(found.series[0].values) == list(range(11))
    assert list(found.series[0].seqs) == list(range(11))


def test_a_published_row_that_is_damaged_keeps_its_seq_when_resumed(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with Bridge.create(journal) as bridge:
        for number in range(10):
            bridge.on_epoch(number, {"a": number})
    data = bytearray(journal.read_bytes())
    data[-5] ^= 1
    journal.write_bytes(data)
    with Bridge.resume(journal) as bridge:
        bridge.on_epoch(10, {"a": 10})
    reader = JournalReader(journal)
    found = reader.read()
    reader.close()
    assert found.damage == "1 damaged row left out: seq 9"
    assert list(found.series[0].seqs) == [*range(9), 10]


@pytest.mark.parametrize("damage", ["header", "version", "segment", "short", "foreign"])
def test_an_unusable_journal_is_moved_aside(tmp_path: Path, damage: str) -> None:
    journal = tmp_path / "journal"
    with Bridge.create(journal) as bridge:
        bridge.on_epoch(1, {"a": 1})
        incarnation = bridge.incarnation
    data = bytearray(journal.read_bytes())
    if damage == "foreign":
        data = bytearray(b"something else")
    elif damage == "short":
        del data[1_000:]
    else:
        data[{"header": 20, "version": 8, "segment": HEADER_BYTES + 16}[damage]] ^= 0xFF
    journal.write_bytes(data)
    with Bridge.resume(journal) as bridge:
        assert bridge.incarnation != incarnation
        bridge.on_epoch(1, {"a": 1})
    assert (tmp_path / "journal.unusable-1").read_bytes() == data
    journal.write_bytes(b"again")
    Bridge.resume(journal).close()
    assert (tmp_path / "journal.unusable-2").read_bytes() == b"again"


def test_resuming_keeps_the_phase_and_counts_batches_on(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with Bridge.resume(journal) as bridge:
        bridge.set_phase("train", total=9, unit="epochs")
        bridge.on_epoch(4, {"a": 1})
        bridge.on_batch(1, 2, {"a": 1})
    with Bridge.resume(journal) as bridge:
        bridge.on_batch(1, 4, {"a": 1})
        reader = JournalReader(journal)
        progress = reader.read().progress
        bridge.advance(7, step="words")
    assert (progress.phase, progress.completed, progress.step) == ("train", 4.25, "epoch 5/9, batch 1/4")
    with Bridge.resume(journal) as bridge:
        bridge.on_batch(1, 2, {"a": 1})
        assert reader.read().progress.completed == 7.5
    reader.close()
