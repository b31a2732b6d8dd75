"""Samples are gathered by windows: each sees the rows up to its own, oldest first, and nothing is stored twice."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.loop import samples as samples_module
from services.training_host.loop.samples import Samples

ROWS = 30
INPUTS = torch.arange(ROWS * 2, dtype=torch.float32).reshape(ROWS, 2)
TARGETS = np.arange(100, 100 + ROWS)


def part(*rows: int, length: int) -> Samples:
    return Samples.of_part(INPUTS, rows=np.array(rows, dtype=np.int64), targets=TARGETS, sequence_length=length)


def test_a_sample_of_one_row_is_that_row() -> None:
    gathered = part(3, 9, length=1).gather(torch.tensor([1, 0, 1]))
    assert gathered.tolist() == INPUTS[[9, 3, 9]].tolist()


def test_a_window_ends_with_its_own_row() -> None:
    gathered = part(2, 3, 29, length=3).gather(torch.tensor([2, 0, 1]))
    assert gathered.shape == (3, 3, 2)
    assert [window.tolist() for window in gathered] == [INPUTS[last - 2 : last + 1].tolist() for last in (29, 2, 3)]


def test_the_targets_are_those_of_the_rows() -> None:
    assert part(5, 7, length=2).targets.tolist() == [105, 107]
    assert len(part(5, 7, length=2)) == 2


def test_parts_share_their_inputs() -> None:
    one, other = part(5, length=2), part(6, length=2)
    assert one.inputs.data_ptr() == other.inputs.data_ptr() == INPUTS.data_ptr()


@settings(deadline=None)
@given(
    length=st.integers(1, 5),
    size=st.integers(1, 7),
    first=st.integers(0, 3),
    stretch=st.sampled_from([1, 8, 40, 1_000]),
    seed=st.integers(0, 9),
)
def test_batches_are_the_same_however_many_are_gathered_at_once(
    length: int, size: int, first: int, stretch: int, seed: int
) -> None:
    rows = list(range(length - 1, ROWS))
    samples = part(*rows, length=length)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples_module, "STRETCH_VALUES", stretch)
        batches = list(samples.batches(order, size, first=first))
    expected = list(torch.split(order, size))[first:]
    assert len(batches) == len(expected)
    for (inputs, targets), numbers in zip(batches, expected, strict=True):
        assert torch.equal(inputs, samples.gather(numbers))
        assert torch.equal(targets, samples.targets[numbers])
