"""The split follows time, and no label reaches into a later part."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.split.chronological import PARTS, chronological_split
from services.training_host.strategy.training import DataSplit

SHARES = DataSplit(train=0.5, validation=0.25, test=0.25)


def test_split_by_hand() -> None:
    samples = np.arange(10, 18)
    ends = np.array([11, 13, 14, 15, 15, 17, 18, 20])
    split = chronological_split(samples, ends, SHARES)
    # Validation begins at 14: the labels of 12 and 13 end there or later.
    # The test begins at 16: the label of 15 ends at 17.
    assert split.train.tolist() == [10, 11]
    assert split.validation.tolist() == [14]
    assert split.test.tolist() == [16, 17]
    assert split.purged.tolist() == [12, 13, 15]


def test_borders_lie_between_samples_not_bars() -> None:
    samples = np.array([3, 50, 51, 90])
    split = chronological_split(samples, samples + 30, SHARES)
    # 51 is the first bar of validation; the label of 50 is not known by then, that of 3 is.
    assert split.train.tolist() == [3]
    assert split.validation.tolist() == [51]
    assert split.test.tolist() == [90]


def test_nothing_to_split_gives_empty_parts() -> None:
    nothing = np.array([], dtype=np.int64)
    assert all(len(chronological_split(nothing, nothing, SHARES).part(name)) == 0 for name in PARTS)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_label_reaches_into_a_later_part(data: st.DataObject) -> None:
    samples = np.array(sorted(data.draw(st.sets(st.integers(0, 300), min_size=1, max_size=60))))
    ahead = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(samples), max_size=len(samples))))
    train = data.draw(st.floats(0.1, 0.8))
    shares = DataSplit(train=train, validation=(1 - train) / 2, test=1 - train - (1 - train) / 2)
    split = chronological_split(samples, samples + ahead, shares)
    together = np.concatenate([split.train, split.validation, split.test, split.purged])
    assert sorted(together.tolist()) == samples.tolist()
    end = dict(zip(samples.tolist(), (samples + ahead).tolist(), strict=True))
    later = {"train": np.concatenate([split.validation, split.test]), "validation": split.test}
    for name, following in later.items():
        for sample in split.part(name).tolist():
            assert all(end[sample] < bar and sample < bar for bar in following.tolist())
