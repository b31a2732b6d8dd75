"""What a loop reports is what a reader finds."""

import math
from collections import defaultdict
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, BridgeClosed, JournalRead, JournalReader


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def read(journal: Path) -> JournalRead:
    reader = JournalReader(journal)
    found = reader.read(max_points=10**7)
    reader.close()
    assert found.damage == ""
    return found


def values(found: JournalRead) -> dict[str, list[float]]:
    return {series.name: list(series.values) for series in found.series}


def test_every_event_is_one_row_and_series_are_told_apart_by_name(journal: Path) -> None:
    with Bridge.create(journal) as bridge:
        bridge.set_phase("train", total=3, unit="epochs")
        bridge.on_batch(1, 2, {"loss": 0.5})
        bridge.on_batch(2, 2, {"loss": 0.25})
        bridge.on_epoch(1, {"loss": 0.3, "val_loss": 0.4})
        bridge.on_rows(5, rows=900, metrics={"val_loss": 7})
        found = read(journal)
        assert found.incarnation == bridge.incarnation
        assert len(bytes.fromhex(found.incarnation)) == 16
    loss, val_loss = found.series
    assert (loss.name, list(loss.seqs), list(loss.steps), list(loss.values)) == (
        "loss",
        [0, 1, 2],
        [1, 2, 1],
        [0.5, 0.25, 0.3],
    )
    assert (val_loss.name, list(val_loss.seqs), list(val_loss.steps)) == ("val_loss", [2, 3], [1, 5])
    assert found.next.seq == 4
    assert sorted(loss.times_ns) == list(loss.times_ns)


def test_values_are_kept_whatever_number_they_are(journal: Path) -> None:
    class Tensor:
        """A 0-d tensor, as far as the bridge is concerned."""

        def __float__(self) -> float:
            return 1.5

    odd = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "int": 2**60, "huge": 10**400, "true": True}
    with Bridge.create(journal) as bridge:
        for _ in range(3):  # the first goes the general way, the others the compiled one
            bridge.on_epoch(1, {**odd, "tensor": Tensor()})  # type: ignore[dict-item]  # anything with __float__
        found = values(read(journal))
    assert all(math.isnan(value) for value in found.pop("nan"))
    assert found == {
        "inf": [math.inf] * 3,
        "-inf": [-math.inf] * 3,
        "int": [float(2**60)] * 3,
        "huge": [math.inf] * 3,
        "true": [1.0] * 3,
        "tensor": [1.5] * 3,
    }


def test_names_may_appear_change_order_and_vanish_at_any_time(journal: Path) -> None:
    events: list[dict[str, float]] = [
        {"a": 1},
        {"a": 2},
        {"a": 3, "b": 4},
        {"b": 5, "a": 6},
        {},
        {},
        {"c": 7},
        {"a": 8},
        {"ü 'quoted' \"twice\" \n": 9},
        {"ü 'quoted' \"twice\" \n": 10},
        {"a": 11},
    ]
    with Bridge.create(journal) as bridge:
        for number, metrics in enumerate(events, 1):
            bridge.on_batch(number, len(events), metrics)
        found = read(journal)
    assert values(found) == {"a": [1, 2, 3, 6, 8, 11], "b": [4, 5], "c": [7], "ü 'quoted' \"twice\" \n": [9, 10]}
    assert found.next.seq == len(events)


def test_a_mapping_that_makes_values_up_is_taken_by_its_keys(journal: Path) -> None:
    with Bridge.create(journal) as bridge:
        for _ in range(3):
            bridge.on_batch(1, 2, {"loss": 1.0})
        made_up: defaultdict[str, float] = defaultdict(float, accuracy=0.5)
        bridge.on_batch(2, 2, made_up)
        assert dict(made_up) == {"accuracy": 0.5}
        assert values(read(journal)) == {"loss": [1.0] * 3, "accuracy": [0.5]}


def test_steps_of_any_size_are_kept(journal: Path) -> None:
    steps = [1, 2**32 - 1, 2**32, 2**40, -1, 7, 8]
    with Bridge.create(journal) as bridge:
        for step in steps:
            bridge.on_epoch(step, {"a": float(step)})
        (series,) = read(journal).series
    assert list(series.steps) == steps
    assert list(series.values) == [float(step) for step in steps]


@pytest.mark.parametrize("repeats", [0, 3])
def test_a_value_that_is_no_number_is_named_and_nothing_is_written(journal: Path, repeats: int) -> None:
    with Bridge.create(journal) as bridge:
        for _ in range(repeats):
            bridge.on_batch(1, 2, {"loss": 1.0, "note": 2.0})
        for wrong in ("1.0", None, [1.0], 1j):
            with pytest.raises(TypeError, match=r"metric 'note' must be a number or a 0-d tensor, not "):
                bridge.on_batch(1, 2, {"loss": 1.0, "note": wrong})  # type: ignore[dict-item]  # the point
        bridge.on_batch(2, 2, {"loss": 1.0, "note": 2.0})
        assert read(journal).next.seq == repeats + 1


@pytest.mark.parametrize("name", ["", 3, None, ("a",)])
def test_a_name_must_be_a_text(journal: Path, name: object) -> None:
    with Bridge.create(journal) as bridge, pytest.raises(TypeError, match="non-empty text"):
        bridge.on_epoch(1, {name: 1.0})  # type: ignore[dict-item]  # the point


def test_counts_must_be_integers(journal: Path) -> None:
    with Bridge.create(journal) as bridge:
        for _ in range(2):
            with pytest.raises(TypeError):
                bridge.on_batch(1.5, 2, {"a": 1.0})  # type: ignore[arg-type]  # the point
            with pytest.raises(TypeError, match="total must be an integer"):
                bridge.on_batch(1, None, {"a": 1.0})  # type: ignore[arg-type]  # the point
            with pytest.raises(TypeError, match="rows must be an integer"):
                bridge.on_rows(1, rows="many")  # type: ignore[arg-type]  # the point
        bridge.on_batch(1, 2, {"a": 1.0})
        assert read(journal).next.seq == 1


def test_more_metrics_than_fit_are_refused(journal: Path) -> None:
    many = {f"metric number {number}": 1.0 for number in range(20_000)}
    with Bridge.create(journal) as bridge:
        with pytest.raises(ValueError, match="20000 metrics in one event don't fit"):
            bridge.on_epoch(1, many)
        bridge.on_epoch(2, dict(list(many.items())[:2_000]))
        assert len(read(journal).series) == 2_000


def test_rows_go_on_through_segments_of_growing_size(journal: Path) -> None:
    with Bridge.create(journal, segment_bytes=65_536) as bridge:
        for number in range(30_000):
            bridge.on_batch(number, 30_000, {"a": number, "b": -number})
            if number % 1_000 == 0:
                bridge.on_epoch(number, {"c": number})
        found = read(journal)
    assert found.next.seq == 30_030
    assert values(found)["a"] == list(range(30_000))
    assert values(found)["c"] == list(range(0, 30_000, 1_000))


def test_closing_twice_is_fine_and_reporting_afterwards_is_refused(journal: Path) -> None:
    bridge = Bridge.create(journal)
    for _ in range(3):
        bridge.on_batch(1, 2, {"a": 1.0})
        bridge.on_epoch(1, {"a": 1.0})
    bridge.close()
    bridge.close()
    with pytest.raises(BridgeClosed):
        bridge.on_batch(1, 2, {"a": 1.0})
    with pytest.raises(BridgeClosed):
        bridge.on_epoch(1, {"a": 1.0})
    with pytest.raises(BridgeClosed):
        bridge.set_phase("train")
    assert read(journal).next.seq == 6


def test_closing_gives_back_the_space_that_was_not_used(journal: Path) -> None:
    with Bridge.create(journal) as bridge:
        bridge.on_epoch(1, {"a": 1.0})
        assert journal.stat().st_size > 300_000
    assert journal.stat().st_size < 66_000
    assert values(read(journal)) == {"a": [1.0]}


def test_two_bridges_do_not_share_what_they_compile(tmp_path: Path) -> None:
    first, second = Bridge.create(tmp_path / "first"), Bridge.create(tmp_path / "second")
    for number in range(5):
        first.on_batch(number, 5, {"a": number})
        second.on_batch(number, 5, {"a": -number})
    first.close()
    second.on_batch(5, 5, {"a": -5})
    second.close()
    assert values(read(tmp_path / "first")) == {"a": [0, 1, 2, 3, 4]}
    assert values(read(tmp_path / "second")) == {"a": [0, -1, -2, -3, -4, -5]}
    assert isinstance(first, Bridge)
