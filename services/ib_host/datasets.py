"""What is stored, for whoever asks."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import ib_pb2

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.common.threads import in_thread
from services.ib_host.loading.spec import invalid_request
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.commands import load_command
from services.ib_host.store.identity import title_of
from services.ib_host.store.listing import page_of
from services.ib_host.store.selection import choose
from services.ib_host.streaming.bar_stream import ROWS_AT_ONCE, Responses, read_ahead, responses_of
from services.ib_host.streaming.bars_query import BarsQuery, checked_query


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
        damaged = [] if request.page_token else [path.as_posix() for path in listing.damaged]
        return ib_pb2.ListDatasetsResponse(datasets=page.datasets, next_page_token=page.next_token, damaged=damaged)

    async def stream(self, request: ib_pb2.StreamBarsRequest) -> AsyncGenerator[bytes, None]:
        """Yield the bars of one version of a dataset, whatever is stored meanwhile, as encoded StreamBarsResponses.

        Raises:
            ServiceError: INVALID_REQUEST, DATASET_NOT_FOUND, DATASET_AMBIGUOUS, STORE_CORRUPT.
        """
        query = checked_query(request)
        at_once = max(1, ROWS_AT_ONCE // query.batch_rows)
        async with aclosing(read_ahead(self._responses(query), at_once=at_once)) as responses:
            async for response in responses:
                yield response

    def _responses(self, query: BarsQuery) -> Responses:
        now = self._clock.now()
        listing = self._store.find(query.key.instrument)
        chosen = choose(query.key, listing, start=query.start, end=query.end, now=now)
        snapshot = self._store.open(chosen.key)
        if snapshot is None:  # removed since it was listed
            command = load_command(query.key, query.start, query.end, now)
            reason = ErrorReason.ERROR_REASON_DATASET_NOT_FOUND
            raise ServiceError(reason, dataset=title_of(query.key), command=command)
        with snapshot:
            yield from responses_of(snapshot, query)
