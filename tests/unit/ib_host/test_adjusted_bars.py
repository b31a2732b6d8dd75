"""Adjusted bars that an answer does not reach: they stay, at the prices of today, or nothing changes."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.loading.adjusted_bars import with_older
from services.ib_host.loading.repair import at_new_prices
from tests.support.stored_bars import bars_from

STORED = bars_from(datetime(2012, 1, 2, tzinfo=UTC), 100)


def moved(bars: pa.Table, factor: float, *, split: bool = False) -> pa.Table:
    """Return bars as they are after a dividend, or a split."""
    kind = bars_pb2.Revision.KIND_SPLIT if split else bars_pb2.Revision.KIND_CORRECTION
    return at_new_prices(bars, bars_pb2.Revision(kind=kind, price_ratio=factor))


def close(bars: pa.Table | None) -> list[float]:
    """Return the closes."""
    assert bars is not None
    closes: list[float] = bars.column("close").to_pylist()
    return closes


@pytest.mark.parametrize("factor", [1.0, 0.9971, 0.8])
def test_older_bars_follow_the_dividends_that_were_paid_since(factor: float) -> None:
    expected = moved(STORED, factor)
    table = with_older(STORED, expected.slice(60))
    assert table is not None
    assert close(table) == pytest.approx(close(expected))
    assert table.column("volume").to_pylist() == STORED.column("volume").to_pylist()


def test_volumes_follow_a_split() -> None:
    expected = moved(STORED, 0.5, split=True)
    table = with_older(STORED, expected.slice(60))
    assert table is not None
    assert table.column("volume").to_pylist() == pytest.approx(expected.column("volume").to_pylist())


def test_the_oldest_bars_tell_where_a_dividend_was_paid_among_those_that_came_again() -> None:
    received = pa.concat_tables([moved(STORED.slice(60, 7), 0.9971), STORED.slice(67)])
    assert close(with_older(STORED, received))[:60] == pytest.approx(close(moved(STORED.slice(0, 60), 0.9971)))


def test_an_answer_that_reaches_as_far_takes_the_place_of_all() -> None:
    received = moved(STORED, 1.5)
    assert with_older(STORED, received) is received


def test_bars_that_do_not_meet_are_not_put_side_by_side() -> None:
    assert with_older(STORED.slice(0, 50), STORED.slice(60)) is None
    noise = np.random.default_rng(1).uniform(0.5, 2.0, 40)
    prices = [pa.array(STORED.slice(60).column(name).to_numpy() * noise) for name in ("open", "high", "low", "close")]
    received = STORED.slice(60)
    for place, values in enumerate(prices, 1):
        received = received.set_column(place, received.schema.field(place), values)
    assert with_older(STORED, received) is None
