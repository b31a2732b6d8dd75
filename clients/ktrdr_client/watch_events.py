"""What a watch can tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1.operations_pb2 import Operation


@dataclass(frozen=True)
class OperationChanged:
    """An operation is as it is here now."""

    operation: Operation
    """The whole record."""


@dataclass(frozen=True)
class OperationLeft:
    """An operation has changed so that it does not match the filter of the watch any more."""

    operation_id: str
    """Its id."""
    revision: int
    """Revision of the change; 0 where it was found out by reading everything anew."""


@dataclass(frozen=True)
class OperationDeleted:
    """An operation is gone."""

    operation_id: str
    """Its id."""
    revision: int
    """Revision of the deletion; 0 where it was found out by reading everything anew."""


@dataclass(frozen=True)
class PointsAdded:
    """Points of metrics have come, in the order of their sequence numbers; each comes once."""

    operation_id: str
    """The operation."""
    attempt: int
    """Its attempt."""
    incarnation: str
    """Id of the journal."""
    series: Sequence[MetricSeries]
    """The points, by series, as columns."""


WatchEvent = OperationChanged | OperationLeft | OperationDeleted | PointsAdded
"""One thing that a watch tells."""
