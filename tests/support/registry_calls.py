"""Calls to the operations service, as a program with the generated stubs would make them."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr.operations.v1 import operations_pb2, operations_pb2_grpc
from ktrdr.training.v1 import training_pb2

from tests.support.eventually import eventually_sync

State = operations_pb2.Operation.State
ENDED = (State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED)
STRATEGY = Path(__file__).parents[2] / "examples" / "strategies" / "aapl_daily_swing.yaml"


class RegistryCalls:
    """Creates, follows and reads operations.

    Args:
        stub: A stub of the operations service on a synchronous channel.
    """

    def __init__(self, stub: operations_pb2_grpc.OperationsServiceStub) -> None:
        self._stub = stub

    def train(self, bars: Path, *, epochs: int, overrides: Mapping[str, str] | None = None) -> str:
        """Start a training on a local file that does not stop early, and return its id."""
        changes = {"training.epochs": str(epochs), "training.early_stopping.patience": str(epochs)}
        spec = training_pb2.TrainingSpec(
            strategy=STRATEGY.read_text(),
            overrides={**changes, **(overrides or {})},
            local=training_pb2.LocalBars(path=str(bars)),
        )
        request = operations_pb2.CreateOperationRequest(request_id=str(uuid.uuid4()), training=spec)
        return self._stub.CreateOperation(request, timeout=60).id

    def train_on_stored_bars(self, *, epochs: int) -> str:
        """Start a training on the bars of the IB host, and return its id."""
        spec = training_pb2.TrainingSpec(strategy=STRATEGY.read_text(), overrides={"training.epochs": str(epochs)})
        request = operations_pb2.CreateOperationRequest(request_id=str(uuid.uuid4()), training=spec)
        return self._stub.CreateOperation(request, timeout=60).id

    def load(self, symbol: str, start: datetime, end: datetime) -> str:
        """Start a load of daily bars from the day `start` to the day `end`, both included, and return its id."""
        spec = ib_pb2.DataLoadSpec(
            instruments=[bars_pb2.Instrument(symbol=symbol)], bar_size=bars_pb2.BarSize.BAR_SIZE_1_DAY
        )
        spec.start_time.FromDatetime(start.astimezone(UTC))
        spec.end_time.FromDatetime(end.astimezone(UTC) + timedelta(days=1))
        request = operations_pb2.CreateOperationRequest(request_id=str(uuid.uuid4()), data_load=spec)
        return self._stub.CreateOperation(request, timeout=60).id

    def get(self, operation_id: str) -> operations_pb2.Operation:
        """Return the operation as the registry has it."""
        return self._stub.GetOperation(operations_pb2.GetOperationRequest(operation_id=operation_id), timeout=60)

    def cancel(self, operation_id: str) -> None:
        """Ask the operation to stop."""
        self._stub.CancelOperation(operations_pb2.CancelOperationRequest(operation_id=operation_id), timeout=60)

    def wait_for_end(self, operation_id: str, *, timeout_seconds: float = 150.0) -> operations_pb2.Operation:
        """Wait until the operation has ended, and return it."""

        def ended() -> operations_pb2.Operation | None:
            operation = self.get(operation_id)
            return operation if operation.state in ENDED else None

        operation = eventually_sync(ended, timeout_seconds=timeout_seconds)
        assert operation is not None
        return operation

    def wait_for_epoch(self, operation_id: str, epoch: int, *, timeout_seconds: float = 150.0) -> None:
        """Wait until the registry has the losses of `epoch`."""

        def reached() -> bool:
            latest = {metric.name: metric.step for metric in self.get(operation_id).latest_metrics}
            return latest.get("train_loss", 0) >= epoch

        eventually_sync(reached, timeout_seconds=timeout_seconds)

    def history(self, operation_id: str, series: str) -> MetricSeries:
        """Return all points of one series, page by page; all come from one journal."""
        points = MetricSeries(name=series)
        incarnations: set[str] = set()
        token = ""
        while True:
            request = operations_pb2.QueryMetricsRequest(
                operation_id=operation_id, series=[series], page_size=500, page_token=token
            )
            page = self._stub.QueryMetrics(request, timeout=60)
            for history in page.series:
                incarnations.add(history.incarnation)
                first, count = history.points.first_seq, len(history.points.values)
                points.seqs.extend(history.points.seqs or range(first, first + count))
                points.steps.extend(history.points.steps)
                points.values.extend(history.points.values)
                points.times.extend(history.points.times)
            token = page.next_page_token
            if not token:
                assert len(incarnations) <= 1
                return points
