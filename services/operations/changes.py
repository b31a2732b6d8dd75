"""What one transaction of the store writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Row = Mapping[str, str | int | bool | bytes | None]


@dataclass
class Changes:
    """Rows to write, by table.

    A row replaces the one with the same key; the row of an operation that has ended is left as it is.

    Attributes:
        operations: Rows of `operations`.
        specs: Rows of `specs`, for new operations.
        labels: Rows of `labels`, for new operations.
        requests: Rows of `requests`.
        journals: Rows of `journals`.
        metric_blocks: Rows of `metric_blocks`; their keys are new.
        hosts: Rows of `hosts`.
        removed_operations: Ids of operations to remove with everything that belongs to them.
        revision_limit: Revisions up to this one may be issued; None leaves the limit as it is.
        requests_expired_us: Request ids that expired before this time are removed; None leaves them.
    """

    operations: list[Row] = field(default_factory=list)
    specs: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    journals: list[Row] = field(default_factory=list)
    metric_blocks: list[Row] = field(default_factory=list)
    hosts: list[Row] = field(default_factory=list)
    removed_operations: list[str] = field(default_factory=list)
    revision_limit: int | None = None
    requests_expired_us: int | None = None
