"""The client for programs that do not use asyncio: scripts and notebooks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from types import TracebackType
from typing import Self

from ktrdr.ib.v1 import ib_pb2
from ktrdr.ib.v1.bars_pb2 import Dataset, Instrument
from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.async_client import DEFAULT_ADDRESS, AsyncClient
from ktrdr_client.bars import Bars
from ktrdr_client.logs import LogEntry
from ktrdr_client.loop_thread import LoopThread
from ktrdr_client.market_data import AsyncMarketData
from ktrdr_client.metrics import Metrics
from ktrdr_client.specs import Moment
from ktrdr_client.waiting import FinishedOperation
from ktrdr_client.watching import Interruption
from ktrdr_client.work_options import Duration


class Client:
    """The operations service, without asyncio: each method does, and raises, what its namesake of `AsyncClient` does.

    Use it as a context manager, from any thread; it has no need of asyncio, and does not mind if one runs already.

    Example:
        with Client() as client:
            for operation in client.list("state = RUNNING"):
                print(operation.id, operation.progress.step)

    Args:
        address: HOST:PORT of the operations service.
        timeout_seconds: Deadline of each single call.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_seconds: float = 10.0) -> None:
        self.address = address
        self._loop: LoopThread | None = LoopThread.acquire()
        self._client = AsyncClient(address, timeout_seconds=timeout_seconds)
        self.data = MarketData(self._client.data, self._running)
        """Instruments, datasets and bars of the IB host."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels; calling it twice is harmless."""
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.run(self._client.close())
            loop.release()

    def create_training(
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
        """Train a strategy; see `AsyncClient.create_training`."""
        return self._running().run(
            self._client.create_training(
                strategy_text,
                overrides=overrides,
                bars_path=bars_path,
                source=source,
                name=name,
                labels=labels,
                host=host,
                gpus=gpus,
                threads=threads,
                memory=memory,
                niceness=niceness,
                time_limit=time_limit,
                request_id=request_id,
            )
        )

    def create_data_load(
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
        """Load bars into the IB host's store; see `AsyncClient.create_data_load`."""
        return self._running().run(
            self._client.create_data_load(
                instruments,
                bar_size,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                name=name,
                labels=labels,
                host=host,
                time_limit=time_limit,
                request_id=request_id,
            )
        )

    def get(self, operation_id: str, *, max_staleness: timedelta | None = None) -> pb.Operation:
        """Return one operation; see `AsyncClient.get`."""
        return self._running().run(self._client.get(operation_id, max_staleness=max_staleness))

    def list(self, filter_text: str = "") -> Iterator[pb.Operation]:
        """Yield operations, newest first; see `AsyncClient.list`."""
        return self._running().iterate(self._client.list(filter_text))

    def watch(
        self,
        operation_ids: Sequence[str] = (),
        *,
        filter_text: str = "",
        after_revision: int = 0,
        on_interruption: Interruption | None = None,
    ) -> Iterator[pb.Operation]:
        """Yield operations as they change, for ever; see `AsyncClient.watch`. Leaving the loop ends the stream."""
        return self._running().iterate(
            self._client.watch(
                operation_ids, filter_text=filter_text, after_revision=after_revision, on_interruption=on_interruption
            )
        )

    def wait(self, operation_id: str, timeout: timedelta | float | None = None) -> FinishedOperation:
        """Wait until an operation has ended; see `AsyncClient.wait`."""
        return self._running().run(self._client.wait(operation_id, timeout))

    def metrics(
        self, operation_id: str, *, series: Sequence[str] = (), attempt: int = 0, max_points: int = 0
    ) -> Metrics:
        """Return the history of an operation's metrics; see `AsyncClient.metrics`."""
        return self._running().run(
            self._client.metrics(operation_id, series=series, attempt=attempt, max_points=max_points)
        )

    def read_log(
        self,
        operation_id: str,
        *,
        follow: bool = False,
        min_level: str = "",
        tail: int = 0,
        attempt: int = 0,
        on_interruption: Interruption | None = None,
    ) -> Iterator[LogEntry]:
        """Yield the log of an operation; see `AsyncClient.read_log`. Leaving the loop ends the stream."""
        return self._running().iterate(
            self._client.read_log(
                operation_id,
                follow=follow,
                min_level=min_level,
                tail=tail,
                attempt=attempt,
                on_interruption=on_interruption,
            )
        )

    def cancel(self, operation_id: str, *, reason: str = "", now: bool = False) -> pb.Operation:
        """Ask an operation to stop; see `AsyncClient.cancel`."""
        return self._running().run(self._client.cancel(operation_id, reason=reason, now=now))

    def hosts(self) -> Sequence[pb.HostRecord]:
        """Return the hosts that the service follows; see `AsyncClient.hosts`."""
        return self._running().run(self._client.hosts())

    def drain(self, host: str, *, undo: bool = False) -> pb.HostRecord:
        """Place no new operations on a host, or allow it again; see `AsyncClient.drain`."""
        return self._running().run(self._client.drain(host, undo=undo))

    def _running(self) -> LoopThread:
        if self._loop is None:
            message = "this client is closed"
            raise RuntimeError(message)
        return self._loop


class MarketData:
    """Instruments, datasets and bars of the IB host, for programs without asyncio.

    Args:
        data: What does the work.
        loop: Returns the loop that it runs on.
    """

    def __init__(self, data: AsyncMarketData, loop: Callable[[], LoopThread]) -> None:
        self._data = data
        self._loop = loop

    def find(self, pattern: str, *, security_type: str | None = None, host: str = "") -> ib_pb2.FindInstrumentsResponse:
        """Find instruments at the gateway; see `AsyncMarketData.find`."""
        return self._loop().run(self._data.find(pattern, security_type=security_type, host=host))

    def datasets(self, *, symbol: str = "", host: str = "") -> Iterator[Dataset]:
        """Yield the stored datasets; see `AsyncMarketData.datasets`."""
        return self._loop().iterate(self._data.datasets(symbol=symbol, host=host))

    def bars(
        self,
        symbol: str | Instrument,
        bar_size: str,
        *,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "trades",
        use_rth: bool = True,
        host: str = "",
    ) -> Bars:
        """Return stored bars; see `AsyncMarketData.bars`."""
        return self._loop().run(
            self._data.bars(
                symbol,
                bar_size,
                source=source,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                host=host,
            )
        )

    def gateway(self, *, host: str = "") -> ib_pb2.GetGatewayResponse:
        """Tell how an IB host stands with its gateway; see `AsyncMarketData.gateway`."""
        return self._loop().run(self._data.gateway(host=host))
