"""Datasets in pages."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ktrdr.ib.v1 import bars_pb2

from services.common.page_tokens import decode_page_token, encode_page_token

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500

Place = tuple[str, int, int, int, int, bool]
_PLACE_TYPES: Final = (str, int, int, int, int, bool)


class Page(NamedTuple):
    """A page of datasets.

    Attributes:
        datasets: in order.
        next_token: of the next page; empty on the last.
    """

    datasets: Sequence[bars_pb2.Dataset]
    next_token: str


def place_of(dataset: bars_pb2.Dataset) -> Place:
    """Return what datasets are ordered by: symbol, contract, bar size, and the rest of the key."""
    key = dataset.key
    return (
        *(key.instrument.symbol, key.instrument.contract_id, key.bar_size),
        *(key.what_to_show, key.source, key.use_rth),
    )


def page_of(datasets: Sequence[bars_pb2.Dataset], *, size: int, token: str, symbol: str) -> Page:
    """Return a page. A dataset that is added meanwhile shifts nothing: a page begins after the last one's place.

    Args:
        datasets: all, in order.
        size: most datasets, 0 for 50; more than 500 are 500.
        token: of the page before; empty for the first.
        symbol: only datasets of this one; empty for all. A token belongs to the symbol it was made for.

    Raises:
        ServiceError: PAGE_TOKEN_INVALID.
    """
    size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
    binding = f"datasets {symbol}"
    after = tuple(decode_page_token(binding, token, _PLACE_TYPES)) if token else None
    left = [
        dataset
        for dataset in datasets
        if (not symbol or dataset.key.instrument.symbol == symbol) and (after is None or place_of(dataset) > after)
    ]
    shown = left[:size]
    return Page(shown, encode_page_token(binding, list(place_of(shown[-1]))) if len(left) > size else "")
