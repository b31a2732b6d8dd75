"""Asking for chunks: with patience, in smaller pieces where that may help, and briefly once chunks have failed."""

from typing import Final

import structlog

from services.ib_host.loading.chunk_fetch import ChunkFetch, Fetched
from services.ib_host.loading.job import Job, LoadState, LoadTools
from services.ib_host.loading.progress import title_of_chunk
from services.ib_host.planning.chunks import Chunk
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.store.identity import WHAT_TO_SHOW

_LOG = structlog.get_logger(__name__)
ONE_CHUNK_ONLY: Final = frozenset(
    {
        FailureKind.PACING,
        FailureKind.SERVICE_TROUBLE,
        FailureKind.TIMEOUT,
        FailureKind.STREAM_BROKEN,
        FailureKind.QUERY_LOST,
        FailureKind.INVALID_STEP,
        FailureKind.DISCONNECTED,
    }
)
"""Failures that say nothing about the other chunks. Any other would meet each of them."""
_SMALLER_MAY_HELP: Final = frozenset({FailureKind.TIMEOUT, FailureKind.INVALID_STEP, FailureKind.REFUSED})
_MAY_PASS: Final = ONE_CHUNK_ONLY - {FailureKind.PACING}


def fetch_of(tools: LoadTools, state: LoadState, job: Job) -> ChunkFetch:
    """Return what fetches the chunks of an instrument."""
    key = job.key
    return ChunkFetch(
        tools.requests,
        tools.persistence,
        instrument=key.instrument,
        bar=job.bar,
        what=WHAT_TO_SHOW[key.what_to_show],
        use_rth=key.use_rth,
        told=state.progress.waits_for,
        paced=state.progress.waits_for_pacing,
    )


class Asking:
    """Asks for the chunks of one instrument.

    Args:
        fetch: fetches one.
        sizer: is told how it went.
        job: the instrument.

    Attributes:
        failures_in_a_row: of chunks, up to now; whoever gives one up counts it.
    """

    def __init__(self, fetch: ChunkFetch, sizer: ChunkSizer, job: Job) -> None:
        self._fetch = fetch
        self._sizer = sizer
        self._bar = job.bar
        self.failures_in_a_row = 0

    async def fetch(self, chunk: Chunk) -> Fetched | None:
        """Return what the gateway has of a chunk; None: the next chunk is to be smaller.

        Raises:
            GatewayFailure: the gateway can't give it.
        """
        # After a chunk that failed in spite of all patience, the next ones get one try each.
        impatient = self.failures_in_a_row > 0
        try:
            fetched = await self._fetch.fetch(chunk, leave=_MAY_PASS if impatient else {FailureKind.TIMEOUT})
        except GatewayFailure as failure:
            if failure.kind not in _SMALLER_MAY_HELP:
                raise
            if self._sizer.failed(chunk, failure.kind):
                _LOG.info("chunk_made_smaller", chunk=title_of_chunk(chunk, self._bar), failure=str(failure))
                return None
            if failure.kind is not FailureKind.TIMEOUT or impatient:
                raise
            fetched = await self._fetch.fetch(chunk)
        self.failures_in_a_row = 0
        self._sizer.answered(chunk, bars=fetched.most_bars, seconds=fetched.seconds)
        return fetched
