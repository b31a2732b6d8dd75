"""Progress, as a reader derives it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, JournalReader, ProgressSnapshot


class Watched:
    """A bridge and a reader of its journal."""

    def __init__(self, journal: Path, *, segment_bytes: int = 65_536) -> None:
        self.bridge = Bridge.create(journal, segment_bytes=segment_bytes)
        self.reader = JournalReader(journal)

    @property
    def now(self) -> ProgressSnapshot:
        found = self.reader.read(self.reader.end())
        assert found.damage == ""
        return found.progress


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path / "journal")
    yield watched
    watched.bridge.close()
    watched.reader.close()


def test_nothing_reported_is_no_progress(watched: Watched) -> None:
    assert watched.now == ProgressSnapshot()


def test_batches_are_fractions_of_an_epoch(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=4, unit="epochs")
    assert (watched.now.phase, watched.now.fraction, watched.now.step) == ("train", 0.0, "")
    for epoch in range(1, 4):
        for batch in range(1, 5):
            watched.bridge.on_batch(batch, 4, {"loss": 1.0})
            assert watched.now.completed == epoch - 1 + batch / 4
            assert watched.now.fraction == (epoch - 1 + batch / 4) / 4
            assert watched.now.step == f"epoch {epoch}/4, batch {batch}/4"
        watched.bridge.on_epoch(epoch, {"loss": 1.0, "val_loss": 1.0})
        assert (watched.now.completed, watched.now.step) == (epoch, f"epoch {epoch}/4")


def test_a_phase_starts_at_nothing_and_ends_a_wait(watched: Watched) -> None:
    watched.bridge.set_phase("load", total=2, unit="chunks")
    watched.bridge.on_rows(2, rows=1_500)
    watched.bridge.wait_reason("IB pacing: 41 s")
    assert watched.now.wait_reason == "IB pacing: 41 s"
    assert (watched.now.completed, watched.now.step) == (2.0, "2/2 chunks, 1,500 rows")
    watched.bridge.set_phase("merge")
    now = watched.now
    assert (now.phase, now.completed, now.total, now.fraction, now.wait_reason, now.step) == (
        "merge",
        0,
        None,
        None,
        "",
        "",
    )
    watched.bridge.on_batch(1, 2, {"a": 1})
    assert watched.now.step == "epoch 1, batch 1/2"


def test_a_wait_leaves_the_progress_of_rows_alone_and_ends_when_told(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=2)
    watched.bridge.on_epoch(1, {"a": 1})
    watched.bridge.wait_reason("data")
    assert (watched.now.step, watched.now.completed, watched.now.wait_reason) == ("epoch 1/2", 1.0, "data")
    watched.bridge.wait_reason("")
    assert watched.now.wait_reason == ""


def test_words_count_until_the_next_row(watched: Watched) -> None:
    watched.bridge.set_phase("prepare", total=10)
    watched.bridge.on_epoch(1, {"a": 1})
    watched.bridge.advance(3, step="fitting the scaler")
    assert (watched.now.completed, watched.now.step) == (3.0, "fitting the scaler")
    watched.bridge.on_batch(1, 2, {"a": 1})
    assert (watched.now.completed, watched.now.step) == (3.5, "epoch 4/10, batch 1/2")
    watched.bridge.on_rows(5, rows=10, step="2010-01-01 to 2011-01-01")
    assert (watched.now.completed, watched.now.step) == (5.0, "2010-01-01 to 2011-01-01")


def test_batches_may_be_what_a_phase_counts(watched: Watched) -> None:
    watched.bridge.set_phase("evaluate", total=8, unit="batches")
    watched.bridge.on_batch(6, 8, {"a": 1})
    assert (watched.now.completed, watched.now.fraction, watched.now.step) == (6.0, 0.75, "batch 6/8")


def test_how_many_batches_there_are_may_be_unknown(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=9, unit="epochs")
    watched.bridge.on_batch(7, 0, {"a": 1})
    assert (watched.now.completed, watched.now.step) == (0.0, "epoch 1/9, batch 7")


def test_batches_know_their_epoch_in_every_later_segment(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=9, unit="epochs")
    watched.bridge.on_epoch(7, {"loss": 1.0})
    for batch in range(1, 5_001):
        watched.bridge.on_batch(batch, 5_000, {"loss": 1.0})
    assert watched.now.step == "epoch 8/9, batch 5000/5000"
    watched.bridge.set_phase("again", total=3)
    watched.bridge.on_batch(1, 2, {"loss": 1.0})
    assert watched.now.step == "epoch 1/3, batch 1/2"


def test_a_changing_number_of_batches_is_followed(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=2)
    for batch, total in ((1, 4), (2, 4), (3, 8), (4, 8), (5, 16)):
        watched.bridge.on_batch(batch, total, {"a": 1})
        assert watched.now.completed == batch / total


def test_the_time_left_follows_from_the_phase_s_own_pace(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=10)
    assert watched.now.eta_seconds is None
    watched.bridge.on_epoch(5, {"a": 1})
    now = watched.now
    state = watched.bridge._file.state
    assert now.eta_seconds == pytest.approx((now.updated_ns - state.start_ns) / 1e9)


def test_what_a_resumed_run_found_done_says_nothing_about_its_pace(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=10)
    watched.bridge.advance(8)
    assert watched.now.eta_seconds is None
    watched.bridge.on_epoch(9, {"a": 1})
    now = watched.now
    assert now.eta_seconds == pytest.approx((now.updated_ns - watched.bridge._file.state.start_ns) / 1e9)
    assert now.fraction == 0.9


def test_what_is_expected_of_the_rest_counts_until_the_pace_shows_another(watched: Watched) -> None:
    watched.bridge.set_phase("bars", total=300, unit="chunk")
    watched.bridge.expect(400, rest_seconds=2_400.0)
    now = watched.now
    assert (now.total, now.fraction, now.completed) == (400, 0.0, 0.0)
    assert now.eta_seconds == pytest.approx(2_400.0, abs=1.0)
    for chunk in range(1, 61):
        watched.bridge.on_rows(chunk, rows=chunk, step=f"chunk {chunk}", metrics={"rows": 1.0})
    assert (watched.now.eta_seconds or 0.0) < 60.0
    watched.bridge.expect(240, rest_seconds=1_800.0)
    now = watched.now
    assert (now.completed, now.fraction, now.step) == (60.0, 0.25, "chunk 60")
    assert now.eta_seconds == pytest.approx(1_800.0, abs=1.0)
    watched.bridge.on_rows(61, rows=61)
    assert watched.now.eta_seconds == pytest.approx(1_800.0 * 60 / 61, rel=0.02)
    watched.bridge.expect(61, rest_seconds=5.0)
    assert (watched.now.fraction, watched.now.eta_seconds) == (1.0, 0.0)


def test_a_total_may_be_corrected_alone(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=10)
    watched.bridge.on_epoch(5, {"a": 1})
    watched.bridge.expect(8)
    now = watched.now
    assert (now.completed, now.total, now.step) == (5.0, 8, "epoch 5/8")
    assert now.eta_seconds == pytest.approx(0.6 * (now.updated_ns - watched.bridge._file.state.start_ns) / 1e9)


def test_a_fraction_stays_between_nothing_and_everything(watched: Watched) -> None:
    watched.bridge.set_phase("train", total=2)
    watched.bridge.on_epoch(3, {"a": 1})
    assert (watched.now.fraction, watched.now.eta_seconds) == (1.0, 0.0)
    watched.bridge.set_phase("empty", total=0)
    assert watched.now.fraction == 1.0


def test_long_texts_are_cut_at_a_character(watched: Watched) -> None:
    watched.bridge.set_phase("ü" * 100, unit="x" * 100)
    watched.bridge.advance(1, step="→" * 1_000)
    now = watched.now
    assert set(now.step[:-1]) == {"→"}
    assert now.step.endswith("…")
    assert set(now.phase[:-1]) == {"ü"}
    assert len(now.unit.encode()) <= 32


def test_the_token_changes_with_everything_and_stays_otherwise(watched: Watched) -> None:
    seen = [watched.reader.change_token()]
    assert watched.reader.change_token() == seen[0]
    acts: list[Callable[[], None]] = [
        lambda: watched.bridge.set_phase("train"),
        lambda: watched.bridge.advance(1),
        lambda: watched.bridge.wait_reason("x"),
        lambda: watched.bridge.on_batch(1, 2, {"a": 1}),
        lambda: watched.bridge.on_batch(1, 2, {"a": 1}),
        lambda: watched.bridge.on_rows(1, rows=1),
        watched.bridge.close,
    ]
    for act in acts:
        act()
        assert watched.reader.change_token() not in seen
        seen.append(watched.reader.change_token())
