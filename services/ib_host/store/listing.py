"""Datasets in pages."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500
_CHECK_BYTES: Final = 6

Place = tuple[str, int, int, int, int, bool]


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
    after = _decode(token, symbol) if token else None
    left = [
        dataset
        for dataset in datasets
        if (not symbol or dataset.key.instrument.symbol == symbol) and (after is None or place_of(dataset) > after)
    ]
    shown = left[:size]
    return Page(shown, _encode(place_of(shown[-1]), symbol) if len(left) > size else "")


def _encode(place: Place, symbol: str) -> str:
    content = json.dumps(place).encode()
    return urlsafe_b64encode(_check(content, symbol) + content).decode().rstrip("=")


def _decode(token: str, symbol: str) -> Place:
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        data = b""
    check, content = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if not content or check != _check(content, symbol):
        raise ServiceError(ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID)
    first, *others = json.loads(content)
    return (first, *others)


def _check(content: bytes, symbol: str) -> bytes:
    return blake2b(content + b"\0" + symbol.encode(), digest_size=_CHECK_BYTES).digest()
