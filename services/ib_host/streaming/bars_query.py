"""What a StreamBars request asks for, checked."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import FieldViolation
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.loading.spec import check_instrument, instant_of, invalid_request
from services.ib_host.store.columns import COLUMNS
from services.ib_host.store.identity import WHAT_TO_SHOW
from services.ib_host.streaming.arrow import DEFAULT_BATCH_ROWS, FEWEST_BATCH_ROWS, MOST_BATCH_ROWS


class BarsQuery(NamedTuple):
    """Which bars are to be streamed, and how.

    Attributes:
        key: of the dataset, as it came in the request.
        start: first instant, UTC; None from the beginning.
        end: UTC, exclusive; None to the end.
        batch_rows: bars in a message.
        columns: "time" and others, in this order.
        known_fingerprint: of the bars that who asks has; empty for none.
    """

    key: bars_pb2.DatasetKey
    start: datetime | None
    end: datetime | None
    batch_rows: int
    columns: Sequence[str]
    known_fingerprint: str


def checked_query(request: ib_pb2.StreamBarsRequest) -> BarsQuery:
    """Return what a request asks for.

    Raises:
        ServiceError: INVALID_REQUEST, with every field that is wrong.
    """
    start = instant_of(request.start_time) if request.HasField("start_time") else None
    end = instant_of(request.end_time) if request.HasField("end_time") else None
    faults = [FieldViolation(f"key.{field}", text) for field, text in key_faults(request.key)]
    faults += [FieldViolation(field, text) for field, text in _faults(request, start, end)]
    if faults:
        raise invalid_request(faults)
    return BarsQuery(
        request.key,
        start,
        end,
        request.batch_rows or DEFAULT_BATCH_ROWS,
        tuple(dict.fromkeys(["time", *request.columns])) if request.columns else COLUMNS,
        request.known_fingerprint,
    )


def key_faults(key: bars_pb2.DatasetKey) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the key of a dataset in a request, as field and text."""
    for field, text in check_instrument(key.instrument):
        yield f"instrument.{field}", text
    if key.bar_size not in BAR_LENGTHS:
        yield "bar_size", "is missing or none of IB's"
    if key.what_to_show and key.what_to_show not in WHAT_TO_SHOW:
        yield "what_to_show", f"is none of {', '.join(WHAT_TO_SHOW.values())}"
    if key.source not in bars_pb2.Source.values():
        yield "source", "is none of SOURCE_IB, SOURCE_REPLAY and SOURCE_IMPORTED"


def _faults(
    request: ib_pb2.StreamBarsRequest, start: datetime | None, end: datetime | None
) -> Iterator[tuple[str, str]]:
    if request.batch_rows and not FEWEST_BATCH_ROWS <= request.batch_rows <= MOST_BATCH_ROWS:
        yield "batch_rows", f"is 0 (for {DEFAULT_BATCH_ROWS}), or from {FEWEST_BATCH_ROWS} to {MOST_BATCH_ROWS}"
    if unknown := [name for name in dict.fromkeys(request.columns) if name not in COLUMNS]:
        yield "columns", f"has {', '.join(map(repr, unknown[:5]))}; there are: {', '.join(COLUMNS)}"
    elif len(set(request.columns)) < len(request.columns):
        yield "columns", "names one of them twice"
    yield from _time_faults(request, "start_time", start)
    yield from _time_faults(request, "end_time", end)
    if start is not None and end is not None and end <= start:
        yield "end_time", "is not after start_time"


def _time_faults(
    request: ib_pb2.StreamBarsRequest, field: str, instant: Timestamp | datetime | None
) -> Iterator[tuple[str, str]]:
    if request.HasField(field) and instant is None:  # type: ignore[arg-type]  # one of its fields
        yield field, "is no valid time"
