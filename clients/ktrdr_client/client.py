"""The client for programs that do not use asyncio: scripts and notebooks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from types import TracebackType
from typing import Self

from ktrdr.ib.v1.bars_pb2 import Instrument
from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.async_client import DEFAULT_ADDRESS, AsyncClient
from ktrdr_client.backoff import Interruption
from ktrdr_client.logs import LogEntry
from ktrdr_client.loop_thread import LoopThread
from ktrdr_client.market_data.sync import MarketData
from ktrdr_client.metrics import Metrics
from ktrdr_client.models.sync import Models
from ktrdr_client.specs import Moment
from ktrdr_client.waiting import FinishedOperation
from ktrdr_client.watch_events import WatchEvent
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
        self.models = Models(self._client.models, self._running)
        """Trained models and their files."""

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
        what_to_show: str = "",
        name: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        gpus: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        niceness: int | None = None,
        time_limit: Duration | None = None,
        stop_on: Sequence[str] = (),
        request_id: str | None = None,
    ) -> pb.Operation:
        """Train a strategy; see `AsyncClient.create_training`."""
        return self._running().run(
            self._client.create_training(
                strategy_text,
                overrides=overrides,
                bars_path=bars_path,
                source=source,
                what_to_show=what_to_show,
                name=name,
                labels=labels,
                host=host,
                gpus=gpus,
                threads=threads,
                memory=memory,
                niceness=niceness,
                time_limit=time_limit,
                stop_on=stop_on,
                request_id=request_id,
            )
        )

    def create_data_load(
        self,
        instruments: Sequence[str | Instrument] | str | Instrument,
        bar_size: str,
        *,
        mode: str = "",
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        reload: bool = False,
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
                mode=mode,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                reload=reload,
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

    def list(self, filter_text: str = "", *, order_by: str = "") -> Iterator[pb.Operation]:
        """Yield operations, newest first unless asked otherwise; see `AsyncClient.list`."""
        return self._running().iterate(self._client.list(filter_text, order_by=order_by))

    def list_page(
        self, filter_text: str = "", *, order_by: str = "", page_size: int = 0, page_token: str = ""
    ) -> pb.ListOperationsResponse:
        """Return one page of operations; see `AsyncClient.list_page`."""
        return self._running().run(
            self._client.list_page(filter_text, order_by=order_by, page_size=page_size, page_token=page_token)
        )

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

    def watch_events(
        self,
        operation_ids: Sequence[str] = (),
        *,
        filter_text: str = "",
        after_revision: int = 0,
        known: Collection[str] = (),
        include_metrics: bool = False,
        series: Sequence[str] = (),
        on_interruption: Interruption | None = None,
    ) -> Iterator[WatchEvent]:
        """Yield all that happens to operations; see `AsyncClient.watch_events`. Leaving the loop ends the stream."""
        return self._running().iterate(
            self._client.watch_events(
                operation_ids,
                filter_text=filter_text,
                after_revision=after_revision,
                known=known,
                include_metrics=include_metrics,
                series=series,
                on_interruption=on_interruption,
            )
        )

    def wait(self, operation_id: str, timeout: timedelta | float | None = None) -> FinishedOperation:
        """Wait until an operation has ended; see `AsyncClient.wait`."""
        return self._running().run(self._client.wait(operation_id, timeout))

    def metrics(
        self,
        operation_id: str,
        *,
        series: Sequence[str] = (),
        attempt: int = 0,
        max_points: int = 0,
        from_step: int | None = None,
        to_step: int | None = None,
    ) -> Metrics:
        """Return the history of an operation's metrics; see `AsyncClient.metrics`."""
        return self._running().run(
            self._client.metrics(
                operation_id,
                series=series,
                attempt=attempt,
                max_points=max_points,
                from_step=from_step,
                to_step=to_step,
            )
        )

    def compare_metrics(
        self,
        operation_ids: Sequence[str],
        *,
        series: Sequence[str] = (),
        max_points: int = 0,
        from_step: int | None = None,
        to_step: int | None = None,
    ) -> Mapping[str, Metrics]:
        """Return the history of several operations' metrics by id; see `AsyncClient.compare_metrics`."""
        return self._running().run(
            self._client.compare_metrics(
                operation_ids, series=series, max_points=max_points, from_step=from_step, to_step=to_step
            )
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

    def retry(
        self,
        operation_id: str,
        *,
        from_checkpoint: bool = False,
        overrides: Mapping[str, str] | None = None,
        host: str = "",
        request_id: str | None = None,
    ) -> pb.Operation:
        """Try an operation that has ended again; see `AsyncClient.retry`."""
        return self._running().run(
            self._client.retry(
                operation_id, from_checkpoint=from_checkpoint, overrides=overrides, host=host, request_id=request_id
            )
        )

    def update(
        self,
        operation_id: str,
        *,
        set_labels: Mapping[str, str] | None = None,
        remove_labels: Sequence[str] = (),
        notes: str | None = None,
        name: str | None = None,
    ) -> pb.Operation:
        """Change what people keep with an operation; see `AsyncClient.update`."""
        return self._running().run(
            self._client.update(
                operation_id, set_labels=set_labels, remove_labels=remove_labels, notes=notes, name=name
            )
        )

    def delete(self, operation_id: str, *, keep_sessions: bool = False) -> None:
        """Remove an operation that has ended; see `AsyncClient.delete`."""
        self._running().run(self._client.delete(operation_id, keep_sessions=keep_sessions))

    def diagnose(
        self,
        operation_id: str,
        *,
        attempt: int = 0,
        thresholds: Mapping[str, float] | None = None,
        kinds: Sequence[str] = (),
    ) -> pb.DiagnoseOperationResponse:
        """Look for trends in the history of an attempt; see `AsyncClient.diagnose`."""
        return self._running().run(
            self._client.diagnose(operation_id, attempt=attempt, thresholds=thresholds, kinds=kinds)
        )

    def hosts(self) -> Sequence[pb.HostRecord]:
        """Return the hosts that the service follows; see `AsyncClient.hosts`."""
        return self._running().run(self._client.hosts())

    def drain(self, host: str, *, undo: bool = False) -> pb.HostRecord:
        """Place no new operations on a host, or allow it again; see `AsyncClient.drain`."""
        return self._running().run(self._client.drain(host, undo=undo))

    def register_host(
        self, name: str, address: str, *, host_uid: str = "", lease: timedelta | None = None
    ) -> pb.RegisterHostResponse:
        """Announce a host; see `AsyncClient.register_host`."""
        return self._running().run(self._client.register_host(name, address, host_uid=host_uid, lease=lease))

    def unregister_host(self, name: str) -> None:
        """Follow a registered host no longer; see `AsyncClient.unregister_host`."""
        self._running().run(self._client.unregister_host(name))

    def _running(self) -> LoopThread:
        if self._loop is None:
            message = "this client is closed"
            raise RuntimeError(message)
        return self._loop
