"""Readers beside a writer: no row torn, lost or twice, whatever the reader's rhythm."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ktrdr_bridge import Bridge, JournalReader, Position, identity, open_journal, segment_head

from tests.support.eventually import eventually_sync


def test_a_segment_that_begins_while_the_reader_counts_segments_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    bridge = Bridge.create(journal, segment_bytes=8_192, limit_bytes=2**24)
    bridge.on_epoch(0, {"loss": 0.0})
    reader = JournalReader(journal)
    decode = segment_head.decode_segment
    begun: list[int] = []

    def decode_as_the_writer_goes_on(data: bytes, number: int, *rest: Any) -> Any:
        if number == len(begun) < 4:
            begun.append(number)
            for epoch in range(1_500 << number):
                bridge.on_epoch(epoch, {"loss": float(epoch)})
        return decode(data, number, *rest)

    monkeypatch.setattr(open_journal, "decode_segment", decode_as_the_writer_goes_on)
    found = reader.read(max_points=10**6)
    bridge.close()
    reader.close()
    assert begun == [0, 1, 2, 3]
    assert (found.damage, found.more, found.next.seq) == ("", False, 22_501)


def test_a_journal_that_is_being_made_is_none_yet(tmp_path: Path) -> None:
    journal, cut = tmp_path / "journal", tmp_path / "cut"
    bridge = Bridge.create(journal)
    empty = journal.read_bytes()
    bridge.on_epoch(0, {"loss": 0.0})
    full = journal.read_bytes()
    bridge.close()
    # Its writer writes what tells a journal last, behind the first segment and the count of segments.
    for content, damage in ((empty, ""), (full, "the file is not a journal")):
        cut.write_bytes(bytes(identity.IDENTITY_BYTES) + content[identity.IDENTITY_BYTES :])
        reader = JournalReader(cut)
        assert reader.read().damage == damage
        reader.close()


def test_readers_beside_a_writer_see_every_row_once_and_whole(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    most = 150_000
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.support.journal_writer", str(journal), "7", str(most)]
    eager, slow = JournalReader(journal), JournalReader(journal)
    seen = {eager: 0, slow: 0}
    position: dict[JournalReader, Position | None] = {eager: None, slow: None}
    fractions: list[float] = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as writer:

        def read(reader: JournalReader, max_points: int) -> None:
            first = seen[reader]
            found = reader.read(position[reader], max_points=max_points)
            assert (found.damage, found.reset) == ("", False)
            for series in found.series:
                column = int(series.name.rpartition(" ")[2])
                assert all(value == seq + column / 8 for seq, value in zip(series.seqs, series.values, strict=True))
                assert list(series.seqs) == sorted(set(series.seqs))
            firsts = next((list(series.seqs) for series in found.series if series.name == "metric 0"), [])
            assert firsts == list(range(first, found.next.seq))
            seen[reader], position[reader] = found.next.seq, found.next
            if found.progress.fraction is not None:
                fractions.append(found.progress.fraction)

        def done() -> bool:
            read(eager, 10_000)
            if len(fractions) % 5 == 0:
                read(slow, 50_000)
            return writer.poll() is not None

        eventually_sync(done, timeout_seconds=60, interval_seconds=0.001)
        assert writer.returncode == 0
    while seen[eager] < most or seen[slow] < most:
        read(eager, 10**6)
        read(slow, 10**6)
    assert fractions == sorted(fractions)
    eager.close()
    slow.close()
