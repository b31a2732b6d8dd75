"""A damaged journal: the reader never raises and never returns a value that wasn't written; it says what is lost."""

import random
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr_bridge import Bridge, JournalRead, JournalReader, Position
from ktrdr_bridge.identity import HEADER_BYTES
from ktrdr_bridge.layout import BODY_OFFSET, Kind, decode_context
from ktrdr_bridge.segment_head import ROWS_OFFSET, WORDS_OFFSET

Point = tuple[int, str]


@dataclass(frozen=True)
class Written:
    """A journal's bytes, and everything that was reported to it: (step, value, kind of text) by seq and name."""

    data: bytes = field(repr=False)
    incarnation: str
    points: dict[Point, tuple[int, float]] = field(repr=False)
    steps: set[tuple[str, float, str]] = field(repr=False)


def write_journal(path: Path, *, events: int = 1_500, close: bool = True) -> Written:
    """Write a journal of several segments, schemas, kinds and phases."""
    points: dict[Point, tuple[int, float]] = {}
    steps: set[tuple[str, float, str]] = {("", 0.0, "")}
    dice = random.Random(5)
    bridge = Bridge.create(path, segment_bytes=65_536)
    reader = JournalReader(path)
    seq = 0
    for phase in ("first", "second"):
        bridge.set_phase(phase, total=events)
        for number in range(1, events + 1):
            names = dice.choice([("loss",), ("loss", "accuracy"), tuple(f"metric {index}" for index in range(8))])
            metrics = {name: dice.random() for name in names}
            if number % 100 == 0:
                bridge.on_epoch(number // 100, metrics)
            else:
                bridge.on_batch(number, events, metrics)
            points.update(
                {
                    (seq, name): (number // 100 if number % 100 == 0 else number, value)
                    for name, value in metrics.items()
                }
            )
            seq += 1
            if number % 100 in {0, 1} or number == events:
                now = reader.read(reader.end()).progress
                steps.add((now.phase, now.completed, now.step))
    reader.close()
    incarnation = bridge.incarnation
    data = path.read_bytes()
    bridge.close()
    return Written(path.read_bytes() if close else data, incarnation, points, steps)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_journal(tmp_path_factory.mktemp("journal") / "journal")


def read_everything(path: Path) -> tuple[dict[Point, tuple[int, float]], JournalRead]:
    """Read in pages to the end; every point at most once."""
    reader = JournalReader(path)
    points: dict[Point, tuple[int, float]] = {}
    after: Position | None = None
    damage = ""
    for _ in range(1_000):
        found = reader.read(after, max_points=2_000)
        damage = damage or found.damage
        for series in found.series:
            for seq, step, value in zip(series.seqs, series.steps, series.values, strict=True):
                assert (seq, series.name) not in points
                points[seq, series.name] = step, value
        assert len(found.next.incarnation) in {0, 32}
        if not found.more:
            break
        assert found.next != after
        after = found.next
    else:
        pytest.fail("the journal has no end")
    again = reader.read(found.next)
    assert again.series == []
    reader.end()
    reader.change_token()
    reader.close()
    return points, JournalRead(**{**{name: getattr(found, name) for name in JournalRead.__slots__}, "damage": damage})


def first_row(data: bytearray, kind: Kind) -> tuple[int, int]:
    """Return where the first row of a kind starts in a journal's bytes, and how long it is."""
    for row in range(HEADER_BYTES + ROWS_OFFSET, len(data), 8):
        context = decode_context(bytes(data[row + 4 : row + BODY_OFFSET]))
        if context is not None and context.kind is kind:
            return row, context.row_bytes
    pytest.fail(f"the journal has no row of kind {kind}")


def check_against(written: Written, points: dict[Point, tuple[int, float]], found: JournalRead) -> None:
    assert points.items() <= written.points.items()
    if found.incarnation:
        assert found.incarnation == written.incarnation
        assert found.progress.phase in {"", "first", "second"}


def test_what_is_whole_is_read_whole(written: Written, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(written.data)
    points, found = read_everything(tmp_path / "journal")
    assert points == written.points
    assert found.damage == ""
    assert (found.progress.phase, found.progress.completed, found.progress.step) in written.steps


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_lose_rows_and_change_none(written: Written, tmp_path: Path, data: st.DataObject) -> None:
    damaged = bytearray(written.data)
    size = len(damaged)
    places = st.one_of(
        st.integers(0, 4_096),  # the header
        st.integers(HEADER_BYTES, HEADER_BYTES + 400),  # a segment's header and its first rows
        st.integers(HEADER_BYTES, size - 1),
    )
    for _ in range(data.draw(st.integers(1, 12), label="flips")):
        place = data.draw(places, label="place")
        damaged[place] ^= data.draw(st.integers(1, 255), label="bits")
    path = tmp_path / "journal"
    path.write_bytes(damaged)
    points, found = read_everything(path)
    check_against(written, points, found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2**20), zeros=st.booleans())
def test_a_cut_journal_loses_its_end_and_says_so(written: Written, tmp_path: Path, cut: int, zeros: bool) -> None:
    cut = min(cut, len(written.data))
    path = tmp_path / "journal"
    path.write_bytes(written.data[:cut] + (bytes(len(written.data) - cut) if zeros else b""))
    points, found = read_everything(path)
    check_against(written, points, found)
    if HEADER_BYTES <= cut < len(written.data) - 8:
        assert found.damage != ""
        lost = {seq for seq, _ in written.points} - {seq for seq, _ in points}
        assert lost == set(range(min(lost), max(lost) + 1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(HEADER_BYTES, HEADER_BYTES + 60_000), size=st.integers(1, 3_000), seed=st.integers(0, 2**32))
def test_scribbling_over_a_stretch_loses_that_stretch_only(
    written: Written, tmp_path: Path, place: int, size: int, seed: int
) -> None:
    path = tmp_path / "journal"
    noise = random.Random(seed).randbytes(size)
    path.write_bytes(written.data[:place] + noise + written.data[place + size :])
    points, found = read_everything(path)
    check_against(written, points, found)
    last_seq = max(seq for seq, _ in written.points)
    assert any(seq == last_seq for seq, _ in points)


@pytest.mark.parametrize("cut", [189_456, 262_200], ids=["between-two-rows", "in-the-header-of-a-segment"])
def test_a_cut_at_an_awkward_place_ends_the_reading_and_is_told(written: Written, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written.data[:cut])
    points, found = read_everything(path)
    check_against(written, points, found)
    assert found.damage != ""


@pytest.mark.parametrize("counter", [0, 7, 2**32 + 5], ids=["none", "too-few", "too-many"])
def test_a_wrong_row_count_of_an_inner_segment_loses_nothing(written: Written, tmp_path: Path, counter: int) -> None:
    damaged = bytearray(written.data)
    struct.pack_into("<Q", damaged, HEADER_BYTES + WORDS_OFFSET, counter)
    path = tmp_path / "journal"
    path.write_bytes(damaged)
    points, found = read_everything(path)
    assert points == written.points
    assert found.damage == ""


def test_the_lost_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path) as bridge:
        for number in range(100):
            bridge.on_epoch(number, {"a": number})
    data = bytearray(path.read_bytes())
    first, length = first_row(data, Kind.EPOCH)
    for seq in (17, 18, 40):
        data[first + seq * length + BODY_OFFSET] ^= 255
    path.write_bytes(data)
    points, found = read_everything(path)
    assert found.damage == "3 damaged rows left out: seq 17 to 18, 40"
    assert {seq for seq, _ in points} == set(range(100)) - {17, 18, 40}
    assert found.progress.step == "epoch 99"


def test_a_journal_of_another_layout_version_is_named_and_has_no_points(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    head = written.data[:8] + struct.pack("<I", 3) + written.data[12:72]
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)) + written.data[76:])
    reader = JournalReader(path)
    found = reader.read()
    assert "layout version 3" in found.damage
    assert "versions 1 to 2" in found.damage
    assert (found.incarnation, found.series, found.more) == ("", [], False)
    assert reader.end() == Position("", 0)
    assert reader.change_token() == b"unreadable"
    reader.close()


@pytest.mark.parametrize("content", [b"x", b"not a journal at all" * 100, b"KTRDRJNL" + bytes(100)])
def test_something_else_at_the_path_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    points, found = read_everything(path)
    assert points == {}
    assert found.damage != ""


def test_progress_is_one_that_was_shown_or_damage_is_reported(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    dice = random.Random(11)
    for _ in range(40):
        data = bytearray(written.data)
        data[dice.randrange(HEADER_BYTES + 48, len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        _, found = read_everything(path)
        shown = found.progress.phase, found.progress.completed, found.progress.step
        assert shown in written.steps or found.damage
