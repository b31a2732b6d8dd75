"""What is stored, for whoever asks."""

from collections.abc import AsyncGenerator, Generator
from datetime import datetime
from typing import NamedTuple

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.common.threads import in_thread
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.loading.spec import check_instrument, instant_of, invalid_request
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.identity import WHAT_TO_SHOW, title_of
from services.ib_host.store.listing import page_of
from services.ib_host.store.selection import choose, load_command
from services.ib_host.streaming.arrow import DEFAULT_BATCH_ROWS, FEWEST_BATCH_ROWS, MOST_BATCH_ROWS, pieces


class _BarsQuery(NamedTuple):
    key: bars_pb2.DatasetKey
    start: datetime | None
    end: datetime | None
    batch_rows: int


class Datasets:
    """Lists datasets and streams their bars. Files are read in threads.

    Args:
        store: the bars.
        clock: for dates in commands.
    """

    def __init__(self, store: BarStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, request: ib_pb2.ListDatasetsRequest) -> ib_pb2.ListDatasetsResponse:
        """Return a page of datasets.

        Raises:
            ServiceError: INVALID_REQUEST for a negative size, PAGE_TOKEN_INVALID.
        """
        if request.page_size < 0:
            raise invalid_request([FieldViolation("page_size", "is negative; 0 stands for 50")])
        listing = await in_thread(self._store.list_all)
        symbol = request.symbol.strip().upper()
        page = page_of(listing.datasets, size=request.page_size, token=request.page_token, symbol=symbol)
        return ib_pb2.ListDatasetsResponse(datasets=page.datasets, next_page_token=page.next_token)

    async def stream(self, request: ib_pb2.StreamBarsRequest) -> AsyncGenerator[ib_pb2.StreamBarsResponse, None]:
        """Yield the bars of one version of a dataset, whatever is stored meanwhile.

        Raises:
            ServiceError: INVALID_REQUEST, DATASET_NOT_FOUND, DATASET_AMBIGUOUS, STORE_CORRUPT.
        """
        responses = self._responses(_checked(request))
        try:
            while (response := await in_thread(next, responses, None)) is not None:
                yield response
        finally:
            responses.close()

    def _responses(self, query: _BarsQuery) -> Generator[ib_pb2.StreamBarsResponse, None, None]:
        now = self._clock.now()
        chosen = choose(query.key, self._store.list_all(), start=query.start, end=query.end, now=now)
        snapshot = self._store.open(chosen.key)
        if snapshot is None:  # removed since it was listed
            command = load_command(query.key, query.start, query.end, now)
            reason = ErrorReason.ERROR_REASON_DATASET_NOT_FOUND
            raise ServiceError(reason, dataset=title_of(query.key), command=command)
        with snapshot:
            dataset: bars_pb2.Dataset | None = snapshot.dataset
            for piece in pieces(snapshot.tables(query.start, query.end), query.batch_rows):
                yield ib_pb2.StreamBarsResponse(dataset=dataset, arrow_ipc=piece.content, rows=piece.rows)
                dataset = None


def _checked(request: ib_pb2.StreamBarsRequest) -> _BarsQuery:
    faults = [
        FieldViolation(f"key.instrument.{field}", text) for field, text in check_instrument(request.key.instrument)
    ]
    if request.key.bar_size not in BAR_LENGTHS:
        faults.append(FieldViolation("key.bar_size", "is missing or none of IB's"))
    if request.key.what_to_show and request.key.what_to_show not in WHAT_TO_SHOW:
        faults.append(FieldViolation("key.what_to_show", f"is none of {', '.join(WHAT_TO_SHOW.values())}"))
    if request.key.source not in bars_pb2.Source.values():
        faults.append(FieldViolation("key.source", "is none of SOURCE_IB, SOURCE_REPLAY and SOURCE_IMPORTED"))
    if request.batch_rows and not FEWEST_BATCH_ROWS <= request.batch_rows <= MOST_BATCH_ROWS:
        text = f"is 0 (for {DEFAULT_BATCH_ROWS}), or from {FEWEST_BATCH_ROWS} to {MOST_BATCH_ROWS}"
        faults.append(FieldViolation("batch_rows", text))
    start = instant_of(request.start_time) if request.HasField("start_time") else None
    end = instant_of(request.end_time) if request.HasField("end_time") else None
    if request.HasField("start_time") and start is None:
        faults.append(FieldViolation("start_time", "is no valid time"))
    if request.HasField("end_time") and end is None:
        faults.append(FieldViolation("end_time", "is no valid time"))
    if start is not None and end is not None and end <= start:
        faults.append(FieldViolation("end_time", "is not after start_time"))
    if faults:
        raise invalid_request(faults)
    return _BarsQuery(request.key, start, end, request.batch_rows or DEFAULT_BATCH_ROWS)
