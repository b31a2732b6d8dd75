"""Random writers, kills and readers of journals that are thinned again and again, against plain Python."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ktrdr_bridge import Bridge, JournalReader, Position

from tests.support.journal_model import Seen, Written, check_kept, read_all

LIMIT = 640 * 1_024
WIDE = [f"metric {number}" for number in range(250)]
NAMES = [WIDE, WIDE[:200], ["val_loss"], ["loss", "accuracy"], []]


class ThinnedJournal(RuleBasedStateMachine):
    """A writer that is killed or closed at any time and resumed, and readers that come from anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.lives = 0
        self.path = Path(self.folder.name) / "0" / "journal"
        self.path.parent.mkdir()
        self.bridge = Bridge.create(self.path, limit_bytes=LIMIT)
        self.incarnation = self.bridge.incarnation
        self.written = Written()
        self.readers = [(JournalReader(self.path), Seen()) for _ in range(3)]
        self.report("batch", WIDE, 1, 230)

    @rule(
        kind=st.sampled_from(["batch", "batch", "epoch", "rows"]),
        names=st.sampled_from(NAMES),
        step=st.integers(0, 2**33),
        times=st.sampled_from([1, 3, 60, 150]),
    )
    def report(self, kind: str, names: list[str], step: int, times: int) -> None:
        for _ in range(times):
            seq = len(self.written.rows)
            self.written.report(self.bridge, kind, step, {name: seq + len(name) / 64 for name in names})

    @rule(name=st.sampled_from(["prepare", "train"]))
    def start_phase(self, name: str) -> None:
        self.bridge.set_phase(name, total=100)

    @rule()
    def close(self) -> None:
        self.bridge.close()
        self.resume(self.path)

    @rule()
    def kill(self) -> None:
        """What a killed process leaves is what its files are at that moment."""
        self.lives += 1
        copy = self.path.parent.with_name(str(self.lives))
        shutil.copytree(self.path.parent, copy)
        self.bridge.close()
        self.resume(copy / "journal")

    def resume(self, path: Path) -> None:
        self.bridge = Bridge.resume(path, limit_bytes=LIMIT)
        assert self.bridge.incarnation == self.incarnation
        assert [file.name for file in path.parent.iterdir()] == ["journal"]
        if path != self.path:
            for reader, _ in self.readers:
                reader.close()
            self.readers = [(JournalReader(path), seen) for _, seen in self.readers]
            self.path = path

    @rule(reader=st.integers(0, 2), most=st.sampled_from([1, 300, 5_000, 10**6]))
    def read(self, reader: int, most: int) -> None:
        self.read_on(reader, most)

    def read_on(self, number: int, most: int) -> bool:
        reader, seen = self.readers[number]
        found = reader.read(seen.after, max_points=most)
        assert (found.damage, found.reset, found.recording) == ("", False, True)
        seen.add(found)
        return found.more

    @precondition(lambda self: self.written.rows)
    @rule(back=st.floats(0, 1), most=st.sampled_from([1_000, 10**6]))
    def read_from_anywhere(self, back: float, most: int) -> None:
        start = int(back * len(self.written.rows))
        everything, found = read_all(self.readers[0][0], max_points=10**6)
        everything.check(self.written)
        check_kept(everything.seqs, found, self.written)
        seen, _ = read_all(self.readers[0][0], after=Position(self.incarnation, start), max_points=most)
        assert seen.seqs == {seq for seq in everything.seqs if seq >= start}
        seen.check(self.written)

    @invariant()
    def no_row_is_forgotten(self) -> None:
        assert self.readers[1][0].end() == Position(self.incarnation, len(self.written.rows))
        use = sum(file.stat().st_size for file in self.path.parent.iterdir())
        assert use <= LIMIT

    def teardown(self) -> None:
        for number, (reader, seen) in enumerate(self.readers):
            while self.read_on(number, 5_000):
                pass
            seen.check(self.written)
            reader.close()
        self.bridge.close()
        self.folder.cleanup()


TestThinnedJournal = ThinnedJournal.TestCase
TestThinnedJournal.settings = settings(
    max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
