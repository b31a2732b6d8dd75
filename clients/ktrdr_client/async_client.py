"""The client for programs that use asyncio."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc
from ktrdr.ib.v1.bars_pb2 import Instrument
from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.calls import Endpoint, call_unary
from ktrdr_client.channel import open_channel
from ktrdr_client.errors import WaitTimeout
from ktrdr_client.logs import LogEntry, LogReading, parse_level
from ktrdr_client.market_data import AsyncMarketData
from ktrdr_client.metrics import Metrics, gather
from ktrdr_client.specs import Moment, data_load_spec, training_spec
from ktrdr_client.states import state_name
from ktrdr_client.stubs import operations_stub
from ktrdr_client.waiting import FinishedOperation, finished
from ktrdr_client.watching import Interruption, Watch
from ktrdr_client.work_options import Duration, session_options

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

DEFAULT_ADDRESS: Final = "127.0.0.1:5003"
"""Where the operations service listens unless it is told otherwise."""
_PAGE_SIZE: Final = 200


class AsyncClient:
    """The operations service, for asyncio.

    Use it as a context manager, within one event loop; the channel is opened at the first call.

    Example:
        async with AsyncClient() as client:
            operation = await client.create_training(Path("strategy.yaml").read_text())
            finished = await client.wait(operation.id)
            print(finished.raise_for_error().training)

    Args:
        address: HOST:PORT of the operations service.
        timeout_seconds: Deadline of each single call.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_seconds: float = 10.0) -> None:
        self.address = address
        self.timeout_seconds = timeout_seconds
        self.data = AsyncMarketData(self.hosts, timeout_seconds=timeout_seconds)
        """Instruments, datasets and bars of the IB host."""
        self._endpoint = Endpoint("operations service", address)
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels. Calls that still run are ended."""
        await self.data.close()
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def _stub(self) -> "OperationsServiceAsyncStub":
        if self._channel is None:
            self._channel = open_channel(self.address)
        return operations_stub(self._channel)

    async def create_training(
        self,
        strategy_text: str,
        *,
        overrides: Mapping[str, str] | None = None,
        bars_path: str | PathLike[str] | None = None,
        source: str | None = None,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        gpus: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        niceness: int | None = None,
        time_limit: Duration | None = None,
        request_id: str | None = None,
    ) -> pb.Operation:
        """Train a strategy.

        Args:
            strategy_text: The YAML of the strategy; it travels as text, so that the host needs no file.
            overrides: Dotted paths of keys to their new values as YAML: {"training.epochs": "20"}.
            bars_path: Parquet or CSV file on the training host's machine, instead of the IB host's bars.
            source: "ib" or "replay", where bars of both are stored.
            name: Name for people.
            labels: Labels to keep with it.
            host: Host to run on; empty lets the service choose.
            gpus: GPUs that it has for itself, 0 for the processor alone; None lets the host choose.
            threads: Threads that it computes with on the processor; None lets the host choose.
            memory: Most memory for data that each of its processes can reserve: bytes, or "8GiB".
            niceness: How far it steps back behind other processes, 0 to 19.
            time_limit: Longest time to work, as a timedelta, in seconds or "2h30m"; it fails beyond.
            request_id: Makes the call repeatable from another process; by default each call is its own.

        Returns:
            The operation as it was stored: PENDING, QUEUED or RUNNING.

        Raises:
            InvalidArgument: The strategy breaks the format's rules; `fields` has each fault.
            FailedPrecondition: There is no host for it, none with so many GPUs, or no bars.
            AlreadyExists: The request id was used for something else.
            ValueError: `source` is no source, or a limit is none.
        """
        options = session_options(gpus=gpus, threads=threads, memory=memory, niceness=niceness, time_limit=time_limit)
        spec = training_spec(strategy_text, overrides=overrides, bars_path=bars_path, source=source)
        return await self.create(
            pb.CreateOperationRequest(
                request_id=request_id or "",
                training=spec,
                display_name=name,
                labels=labels or {},
                host=host,
                options=options,
            )
        )

    async def create_data_load(
        self,
        instruments: Sequence[str | Instrument] | str | Instrument,
        bar_size: str,
        *,
        start: Moment,
        end: Moment,
        what_to_show: str = "trades",
        use_rth: bool = True,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        time_limit: Duration | None = None,
        request_id: str | None = None,
    ) -> pb.Operation:
        """Load bars into the IB host's store.

        Args:
            instruments: Symbols of US stocks, or instruments where more has to be said.
            bar_size: "1d", "1h", "5min", …
            start: First day or instant, UTC.
            end: Last day (counted in full) or end instant (exclusive), UTC.
            what_to_show: "trades", "midpoint", "bid" or "ask".
            use_rth: Regular trading hours only.
            name: Name for people.
            labels: Labels to keep with it.
            host: Host to run on; empty lets the service choose.
            time_limit: Longest time to work, as a timedelta, in seconds or "2h30m"; it fails beyond.
            request_id: Makes the call repeatable from another process; by default each call is its own.

        Raises:
            InvalidArgument: A field is wrong, such as an end before the start.
            FailedPrecondition: There is no host for it.
            ValueError: A text cannot be understood.
        """
        spec = data_load_spec(instruments, bar_size, start=start, end=end, what_to_show=what_to_show, use_rth=use_rth)
        return await self.create(
            pb.CreateOperationRequest(
                request_id=request_id or "",
                data_load=spec,
                display_name=name,
                labels=labels or {},
                host=host,
                options=session_options(time_limit=time_limit),
            )
        )

    async def create(self, request: pb.CreateOperationRequest) -> pb.Operation:
        """Create an operation from a complete request.

        Without a request id it gets one, so that a retry runs nothing twice.

        Raises:
            KtrdrError: It was refused, or the service does not answer.
        """
        if not request.request_id:
            request.request_id = str(uuid.uuid4())
        return await call_unary(
            self._stub.CreateOperation, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
        )

    async def get(self, operation_id: str, *, max_staleness: timedelta | None = None) -> pb.Operation:
        """Return one operation.

        Args:
            operation_id: Its complete id.
            max_staleness: If what the registry knows is older, the operation's host is asked first.

        Raises:
            NotFound: There is no such operation.
            Unavailable: Its host had to be asked and does not answer.
        """
        request = pb.GetOperationRequest(operation_id=operation_id)
        if max_staleness is not None:
            request.max_staleness.FromTimedelta(max_staleness)
        return await call_unary(
            self._stub.GetOperation, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
        )

    async def list(self, filter_text: str = "", *, page_size: int = _PAGE_SIZE) -> AsyncGenerator[pb.Operation, None]:
        """Yield operations, newest first, over all pages.

        Args:
            filter_text: Only those that match: 'state = RUNNING AND type = TRAINING'.
            page_size: How many are fetched at a time.

        Raises:
            InvalidArgument: The filter cannot be understood; the message shows where.
        """
        token = ""
        while True:
            page = await self.list_page(filter_text, page_size=page_size, page_token=token)
            for operation in page.operations:
                yield operation
            token = page.next_page_token
            if not token:
                return

    async def list_page(
        self, filter_text: str = "", *, page_size: int = 0, page_token: str = ""
    ) -> pb.ListOperationsResponse:
        """Return one page of operations, with the token of the next one and the revision to watch from.

        Raises:
            InvalidArgument: The filter or the page token cannot be understood.
        """
        request = pb.ListOperationsRequest(page_size=page_size, page_token=page_token, filter=filter_text)
        return await call_unary(
            self._stub.ListOperations, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
        )

    async def watch(
        self,
        operation_ids: Sequence[str] = (),
        *,
        filter_text: str = "",
        after_revision: int = 0,
        on_interruption: Interruption | None = None,
    ) -> AsyncGenerator[pb.Operation, None]:
        """Yield operations as they change, for ever; first each one as it is now.

        A stream that breaks is opened again where it stopped, by revision: nothing is left out but states in between
        that were already outdated, and nothing comes twice. Leaving an `async for` over it ends the stream; if you keep
        a reference to the generator, close it (`contextlib.aclosing`).

        Args:
            operation_ids: Only these; empty for all.
            filter_text: Only those that match.
            after_revision: Only changes after this one; the `revision` of an operation or of a list.
            on_interruption: Called with the error and the seconds to the next try when a stream is lost.

        Raises:
            InvalidArgument: The filter cannot be understood.
            Unavailable: The service did not answer from the start.
        """
        watch = Watch(self._stub, self._endpoint, after_revision, filter_text, operation_ids, on_interruption)
        async with aclosing(watch.operations()) as changes:
            async for operation in changes:
                yield operation

    async def wait(self, operation_id: str, timeout: timedelta | float | None = None) -> FinishedOperation:  # noqa: ASYNC109 - the time to wait for the work, not for the call
        """Wait until an operation has ended.

        Args:
            operation_id: Its complete id.
            timeout: Longest time to wait, as a timedelta or in seconds; None waits for ever.

        Returns:
            The finished operation, whatever its end; `raise_for_error()` on it raises what went wrong.

        Raises:
            NotFound: There is no such operation.
            WaitTimeout: The time is over. The work goes on.
        """
        limit_seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        operation = await self.get(operation_id)
        try:
            async with asyncio.timeout(limit_seconds), aclosing(self.watch([operation_id])) as changes:
                if (end := finished(operation)) is not None:
                    return end
                async for operation in changes:
                    if (end := finished(operation)) is not None:
                        return end
        except TimeoutError:
            message = (
                f"operation {operation_id} is still {state_name(operation)} after {limit_seconds:g} s; the work goes on"
            )
            raise WaitTimeout(message, metadata={"operation_id": operation_id}) from None
        raise AssertionError("a watch never ends by itself")

    async def metrics(
        self, operation_id: str, *, series: Sequence[str] = (), attempt: int = 0, max_points: int = 0
    ) -> Metrics:
        """Return the history of an operation's metrics.

        Args:
            operation_id: Its complete id.
            series: Only these; empty for all.
            attempt: 0 for the latest.
            max_points: Most points of each series, chosen by the service so that extremes stay; 0 for all.

        Raises:
            NotFound: There is no such operation.
        """
        request = pb.QueryMetricsRequest(
            operation_id=operation_id, series=series, attempt=attempt, max_points=max_points
        )
        pages: list[pb.MetricHistory] = []
        while True:
            answer = await call_unary(
                self._stub.QueryMetrics, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
            )
            pages.extend(answer.series)
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                return gather(operation_id, answer.attempt, pages)

    async def read_log(
        self,
        operation_id: str,
        *,
        follow: bool = False,
        min_level: str = "",
        tail: int = 0,
        attempt: int = 0,
        on_interruption: Interruption | None = None,
    ) -> AsyncGenerator[LogEntry, None]:
        """Yield the log of an operation: what its work logged, and what was printed.

        A stream that breaks is opened again where it stopped, by offset: no line is left out and none comes twice.
        Leaving an `async for` over it ends the stream; if you keep a reference to the generator, close it
        (`contextlib.aclosing`).

        Args:
            operation_id: Its complete id.
            follow: Go on with new lines until the operation has ended; one that no host has yet is waited for.
            min_level: Only lines of this level or above: "debug", "info", "warning", "error" or "critical". Printed
                lines have no level, and always come.
            tail: Begin about this many lines before the end; 0 for the beginning of what is kept.
            attempt: 0 for the latest.
            on_interruption: Called with the error and the seconds to the next try when a stream is lost.

        Raises:
            NotFound: There is no such operation, or its host keeps its log no longer.
            FailedPrecondition: No host has it yet, and `follow` is not set.
            Unavailable: The service, or the operation's host, did not answer from the start.
            ValueError: `min_level` is no level.
        """
        request = pb.ReadLogRequest(
            operation_id=operation_id,
            attempt=attempt,
            follow=follow,
            min_level=parse_level(min_level),
            tail_lines=tail,
        )
        reading = LogReading(
            self._stub, self._endpoint, lambda: self.get(operation_id), request, on_interruption=on_interruption
        )
        async with aclosing(reading.entries()) as entries:
            async for entry in entries:
                yield entry

    async def cancel(self, operation_id: str, *, reason: str = "", now: bool = False) -> pb.Operation:
        """Ask an operation to stop, and return it as it is then; one that has ended stays as it is.

        Args:
            operation_id: Its complete id.
            reason: Why, for people.
            now: Do not wait for the worker to stop by itself.

        Raises:
            NotFound: There is no such operation.
        """
        request = pb.CancelOperationRequest(operation_id=operation_id, reason=reason, now=now)
        answer = await call_unary(
            self._stub.CancelOperation, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
        )
        return answer.operation

    async def hosts(self) -> "Sequence[pb.HostRecord]":
        """Return the hosts that the service follows, by name."""
        records: Sequence[pb.HostRecord] = ()
        request = pb.ListHostsRequest()
        while True:
            page = await call_unary(
                self._stub.ListHosts, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
            )
            records = [*records, *page.hosts]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return records

    async def drain(self, host: str, *, undo: bool = False) -> pb.HostRecord:
        """Place no new operations on a host, or allow it again; what runs there goes on.

        Raises:
            NotFound: There is no such host.
        """
        request = pb.DrainHostRequest(host=host, undo=undo)
        answer = await call_unary(
            self._stub.DrainHost, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds
        )
        return answer.host
