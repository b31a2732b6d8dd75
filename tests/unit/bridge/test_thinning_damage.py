"""Any byte changed and any cut, at any generation: what is lost is told, the rest is served, nothing is made up."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ktrdr_bridge import Bridge, JournalRead, JournalReader, Position
from ktrdr_bridge.identity import HEADER_BYTES

from tests.support.journal_model import Seen, Written

LIMIT = 640 * 1_024
SEGMENT = 65_536
NAMES = [f"metric {number}" for number in range(100)]
NO_FIXTURE_CHECK = [HealthCheck.function_scoped_fixture]


@dataclass(frozen=True, repr=False)
class Sample:
    """A journal's bytes, what was reported to it, and the seqs that are in it."""

    data: bytes = field(repr=False)
    incarnation: str
    closed: bool
    written: Written = field(repr=False)
    seqs: frozenset[int] = field(repr=False)


def read(path: Path, page: int) -> tuple[Seen, JournalRead, str]:
    reader = JournalReader(path)
    seen, damage = Seen(), ""
    for _ in range(2_000):
        found = reader.read(seen.after, max_points=page)
        assert found.next != seen.after or not found.more
        seen.add(found)
        damage = damage or found.damage
        if not found.more:
            break
    else:
        pytest.fail("the journal has no end")
    assert reader.read(found.next).series == []
    assert reader.end() == found.next
    assert reader.change_token() != b""
    reader.close()
    return seen, found, damage


def make_sample(folder: Path, generations: int, *, close: bool) -> Sample:
    path = folder / "journal"
    dice = random.Random(generations)
    written = Written()
    bridge = Bridge.create(path, limit_bytes=LIMIT)
    bridge.set_phase("train", total=100, unit="epochs")
    found = JournalRead("", Position("", 0))
    while len(written.rows) < 200 or (0 if found.thinning is None else found.thinning.generation) < generations:
        seq = len(written.rows)
        kind = "epoch" if seq % 40 == 39 else "batch"
        names = ["val_loss"] if kind == "epoch" else dice.choice([NAMES, NAMES[:90]])
        written.report(bridge, kind, seq // 40 + 1 if kind == "epoch" else seq % 40 + 1, dict.fromkeys(names, seq / 7))
        if seq % 20 == 0:
            seen, found, _ = read(path, 10**6)
    data = path.read_bytes()
    bridge.close()
    seen, found, damage = read(path, 10**6)
    assert damage == ""
    if close:
        data = path.read_bytes()
    return Sample(data, bridge.incarnation, close, written, frozenset(seen.seqs))


@pytest.fixture(scope="module", params=[(0, True), (1, True), (3, False)], ids=["whole", "thinned", "thinned-live"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    generations, close = request.param
    return make_sample(tmp_path_factory.mktemp("journal"), generations, close=close)


def check(sample: Sample, data: bytes, path: Path, page: int) -> str:
    """Read damaged bytes; return what the reader says of the damage."""
    path.write_bytes(data)
    seen, found, damage = read(path, page)
    seen.check(sample.written)
    assert seen.seqs <= sample.seqs
    assert found.incarnation in {"", sample.incarnation}
    lost = sample.seqs - seen.seqs
    if lost and (sample.closed or lost != {max(sample.seqs)}):  # the last row may just not be published yet
        assert damage, f"{sorted(lost)[:10]} vanished without a word"
    return damage


@settings(max_examples=35, deadline=None, suppress_health_check=NO_FIXTURE_CHECK)
@given(data=st.data(), page=st.sampled_from([500, 10**6]))
def test_any_byte_changed_loses_rows_and_tells_it(
    sample: Sample, tmp_path: Path, data: st.DataObject, page: int
) -> None:
    size = len(sample.data)
    heads = st.builds(
        lambda segment, offset: min(HEADER_BYTES + segment * SEGMENT + offset, size - 1),
        st.integers(0, size // SEGMENT),
        st.integers(0, 200),
    )
    place = data.draw(st.one_of(st.integers(0, 160), heads, st.integers(HEADER_BYTES, size - 1)), label="place")
    damaged = bytearray(sample.data)
    damaged[place] ^= data.draw(st.integers(1, 255), label="bits")
    check(sample, bytes(damaged), tmp_path / "journal", page)


@settings(max_examples=25, deadline=None, suppress_health_check=NO_FIXTURE_CHECK)
@example(share=0.0003, zeros=False, page=500)
@example(share=0.0003, zeros=True, page=500)
@given(share=st.floats(0, 1), zeros=st.booleans(), page=st.sampled_from([500, 10**6]))
def test_any_cut_loses_the_end_and_tells_it(
    sample: Sample, tmp_path: Path, share: float, zeros: bool, page: int
) -> None:
    cut = int(share * len(sample.data))
    data = sample.data[:cut] + (bytes(len(sample.data) - cut) if zeros else b"")
    if data[:HEADER_BYTES].strip(b"\0"):
        check(sample, data, tmp_path / "journal", page)


@settings(max_examples=12, deadline=None, suppress_health_check=NO_FIXTURE_CHECK)
@given(share=st.floats(0, 1), size=st.integers(1, 90_000), seed=st.integers(0, 2**32))
def test_scribbling_over_any_stretch_loses_that_stretch(
    sample: Sample, tmp_path: Path, share: float, size: int, seed: int
) -> None:
    place = HEADER_BYTES + int(share * (len(sample.data) - HEADER_BYTES))
    noise = random.Random(seed).randbytes(min(size, len(sample.data) - place))
    check(sample, sample.data[:place] + noise + sample.data[place + len(noise) :], tmp_path / "journal", 10**6)


def test_every_counter_is_watched(sample: Sample, tmp_path: Path) -> None:
    """The words without a CRC: flags and segment count of the header, three words of each segment."""
    places = [*range(128, 144)]
    for start in range(HEADER_BYTES, len(sample.data) - 128, SEGMENT):
        places += range(start + 80, start + 104)
    for place in random.Random(1).sample(places, 35):
        damaged = bytearray(sample.data)
        damaged[place] ^= 1 << place % 8
        check(sample, bytes(damaged), tmp_path / "journal", 10**6)


def test_a_resumed_writer_goes_on_after_damage_and_tells_no_lies(sample: Sample, tmp_path: Path) -> None:
    dice = random.Random(3)
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "journal"
        damaged = bytearray(sample.data)
        for _ in range(dice.choice([1, 5])):
            damaged[dice.randrange(HEADER_BYTES, len(damaged))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        with Bridge.resume(path, limit_bytes=LIMIT) as bridge:
            reader = JournalReader(path)
            first = reader.end().seq
            if bridge.incarnation == sample.incarnation:
                assert first in {len(sample.written.rows), len(sample.written.rows) + 1}
            after = Written()
            for seq in range(200):
                after.report(bridge, "batch", seq + 1, {name: float(first + seq) for name in NAMES})
            seen, _, _ = read(path, 10**6)
            for name, points in seen.points.items():
                for seq, step, value in points:
                    if seq >= first:
                        assert (step, value) == (seq - first + 1, float(seq))
                    else:
                        assert value == sample.written.rows[seq][2][name]
            assert first + 199 in seen.seqs
            reader.close()
