"""Pages of datasets: complete, stable, and only with tokens of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.store.listing import page_of, place_of


def dataset(symbol: str, size: bars_pb2.BarSize.ValueType = bars_pb2.BAR_SIZE_1_DAY) -> bars_pb2.Dataset:
    key = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol=symbol), bar_size=size)
    return bars_pb2.Dataset(key=key)


SIZES = (bars_pb2.BAR_SIZE_1_DAY, bars_pb2.BAR_SIZE_1_HOUR)
DATASETS = sorted((dataset(symbol, size) for symbol in ("AAPL", "IBM", "MSFT") for size in SIZES), key=place_of)


@given(st.integers(1, 8))
def test_pages_show_everything_once(size: int) -> None:
    seen: list[bars_pb2.Dataset] = []
    token = ""
    while True:
        page = page_of(DATASETS, size=size, token=token, symbol="")
        seen += page.datasets
        token = page.next_token
        if not token:
            break
    assert seen == DATASETS


def test_a_dataset_that_comes_meanwhile_shifts_nothing() -> None:
    first = page_of(DATASETS, size=3, token="", symbol="")
    grown = sorted([*DATASETS, dataset("AAA")], key=place_of)
    assert [*first.datasets, *page_of(grown, size=9, token=first.next_token, symbol="").datasets] == DATASETS


def test_a_symbol_is_a_filter() -> None:
    assert len(page_of(DATASETS, size=0, token="", symbol="IBM").datasets) == 2


@pytest.mark.parametrize("token", ["rubbish", "AAAA", "%%%", "é"])
def test_a_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(ServiceError):
        page_of(DATASETS, size=2, token=token, symbol="")


def test_a_token_of_another_symbol_is_refused() -> None:
    token = page_of(DATASETS, size=1, token="", symbol="IBM").next_token
    with pytest.raises(ServiceError):
        page_of(DATASETS, size=1, token=token, symbol="MSFT")
