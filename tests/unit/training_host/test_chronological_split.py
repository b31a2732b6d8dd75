"""The split follows time, and no label reaches into a later part."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.split.borders import NEVER, Borders, borders
from services.training_host.split.chronological import PARTS, Split, chronological_split
from services.training_host.split.rows import SampleRows
from services.training_host.strategy.evaluation import Holdout, WalkForward
from services.training_host.strategy.training import DataSplit

SHARES = DataSplit(train=0.5, validation=0.25, test=0.25)


def samples_of(times: list[int], end_times: list[int]) -> SampleRows:
    """Return samples of one symbol, each of whose rows is one."""
    count = len(times)
    return SampleRows.choose(
        np.ones(count, np.bool_), times=np.array(times), end_times=np.array(end_times), symbol_rows=[slice(0, count)]
    )


def holdout(samples: SampleRows, *, embargo: int = 0) -> Split:
    (cut,) = borders(samples, SHARES, Holdout())
    return chronological_split(samples, cut, embargo=embargo)


def test_split_by_hand() -> None:
    split = holdout(samples_of(list(range(10, 18)), [11, 13, 14, 15, 15, 16, 18, 20]))
    # Validation begins at 14: the labels of rows 2 and 3 are known then or later. The test begins at 16.
    assert split.train.tolist() == [0, 1]
    assert split.validation.tolist() == [4]
    assert split.test.tolist() == [6, 7]
    assert split.purged.tolist() == [2, 3, 5]


def test_borders_lie_between_samples_not_bars() -> None:
    split = holdout(samples_of([3, 50, 51, 90], [33, 80, 81, 120]))
    # Validation begins at 51; the label of 50 is not known by then, that of 3 is.
    assert [split.part(name).tolist() for name in PARTS] == [[0], [2], [3]]


def test_nothing_to_split_gives_empty_parts() -> None:
    split = holdout(samples_of([], []))
    assert all(len(split.part(name)) == 0 for name in (*PARTS, "purged"))


def test_an_embargo_leaves_out_the_first_bars_of_each_symbol_after_a_border() -> None:
    # Two symbols, 12 bars each at the times 0, 10, 20, …; the second one begins 20 later.
    times = np.concatenate([np.arange(12) * 10, np.arange(12) * 10 + 20])
    chosen = np.ones(24, np.bool_)
    chosen[6] = False  # a bar that is no sample counts all the same
    samples = SampleRows.choose(chosen, times=times, end_times=times + 1, symbol_rows=[slice(0, 12), slice(12, 24)])
    cut = Borders(validation=55, test=85, end=NEVER)
    split = chronological_split(samples, cut, embargo=2)
    assert times[split.train].max() == 50
    # From 60 on each symbol leaves out two bars, 60 and 70; 60 of the first symbol is no sample anyway.
    assert split.validation.tolist() == [8, 18]
    assert sorted(set(times[split.test].tolist())) == [110, 120, 130]
    assert split.purged.tolist() == [16, 7, 17, 9, 19, 10, 20]


def test_samples_of_one_time_stay_together_and_come_in_the_order_of_the_symbols() -> None:
    times = np.array([0, 1, 2, 3] * 3)
    symbol_rows = [slice(0, 4), slice(4, 8), slice(8, 12)]
    samples = SampleRows.choose(np.ones(12, np.bool_), times=times, end_times=times, symbol_rows=symbol_rows)
    assert samples.rows.tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    # Half of 12 is the first sample at 2; three quarters is the first at 3.
    split = holdout(samples)
    assert [split.part(name).tolist() for name in PARTS] == [[0, 4, 8, 1, 5, 9], [2, 6, 10], [3, 7, 11]]


def test_walk_forward_by_hand() -> None:
    samples = samples_of(list(range(40)), list(range(40)))
    shares = DataSplit(train=0.8, validation=0.2)
    cuts = borders(samples, shares, WalkForward(mode="walk_forward", folds=3))
    assert cuts == [Borders(8, 10, 20), Borders(16, 20, 30), Borders(24, 30, NEVER)]
    folds = [chronological_split(samples, cut) for cut in cuts]
    assert [fold.test.tolist() for fold in folds] == [list(range(10, 20)), list(range(20, 30)), list(range(30, 40))]
    assert folds[1].train.tolist() == list(range(16))
    assert folds[1].validation.tolist() == list(range(16, 20))
    assert all(len(fold.purged) == 0 for fold in folds)


def test_shares_of_a_walk_forward_are_those_of_what_comes_before_its_test() -> None:
    samples = samples_of(list(range(30)), list(range(30)))
    (first, _) = borders(samples, SHARES, WalkForward(mode="walk_forward", folds=2))
    assert first == Borders(7, 10, 20)  # two thirds of ten train


@st.composite
def markets(draw: st.DrawFn) -> SampleRows:
    """Draw samples of up to four symbols with calendars and gaps of their own, and labels of any length."""
    times: list[int] = []
    ends: list[int] = []
    symbol_rows: list[slice] = []
    for _ in range(draw(st.integers(1, 4))):
        own = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=50)))
        ahead = draw(st.lists(st.integers(1, 40), min_size=len(own), max_size=len(own)))
        symbol_rows.append(slice(len(times), len(times) + len(own)))
        times += own
        ends += [time + more for time, more in zip(own, ahead, strict=True)]
    chosen = draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    return SampleRows.choose(np.array(chosen), times=np.array(times), end_times=np.array(ends), symbol_rows=symbol_rows)


EVALUATIONS = st.one_of(
    st.builds(Holdout, embargo=st.integers(0, 8)),
    st.builds(WalkForward, mode=st.just("walk_forward"), folds=st.integers(2, 6), embargo=st.integers(0, 8)),
)


@given(markets(), EVALUATIONS, st.floats(0.1, 0.8))
@settings(max_examples=200, deadline=None)
def test_no_label_reaches_into_a_later_part(
    samples: SampleRows, evaluation: Holdout | WalkForward, train: float
) -> None:
    shares = DataSplit(train=train, validation=(1 - train) / 2, test=1 - train - (1 - train) / 2)
    cuts = borders(samples, shares, evaluation)
    assert len(cuts) == (evaluation.folds if isinstance(evaluation, WalkForward) else 1)
    end_of = dict(zip(samples.rows.tolist(), samples.end_times.tolist(), strict=True))
    tested: list[int] = []
    for cut in cuts:
        split = chronological_split(samples, cut, embargo=evaluation.embargo)
        together = np.concatenate([split.train, split.validation, split.test, split.purged])
        before_the_end = samples.rows[samples.times < cut.end]
        assert sorted(together.tolist()) == sorted(before_the_end.tolist())  # each once, none lost
        later = {"train": ("validation", "test"), "validation": ("test",)}
        for name, following in later.items():
            rows = split.part(name)
            for other in (split.part(each) for each in following):
                if len(rows) and len(other):
                    first = samples.all_times[other].min()
                    assert samples.all_times[rows].max() < first
                    assert max(end_of[row] for row in rows.tolist()) < first
        for name in PARTS:
            keys = [(int(samples.all_times[row]), row) for row in split.part(name).tolist()]
            assert keys == sorted(keys)
        for name, border in (("validation", cut.validation), ("test", cut.test)):
            for part in samples.symbol_rows:
                embargoed = np.flatnonzero(samples.all_times[part] >= border)[: evaluation.embargo] + part.start
                assert not set(embargoed.tolist()) & set(split.part(name).tolist())
        tested += split.test.tolist()
    assert len(tested) == len(set(tested))  # no sample is tested twice
