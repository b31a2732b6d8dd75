"""What one transaction of the store writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Executable

Row = Mapping[str, str | int | bool | bytes | None]


@dataclass
class Changes:
    """Rows to write, by table.

    A row replaces the one with the same key; the row of an operation that has ended is left as it is.

    Attributes:
        operations: Rows of `operations`.
        specs: Rows of `specs`.
        labels: Rows of `labels`.
        removed_labels: Operations and keys of labels to remove.
        requests: Rows of `requests`.
        journals: Rows of `journals`.
        metric_blocks: Rows of `metric_blocks`; their keys are new.
        hosts: Rows of `hosts`.
        removed_hosts: Names of hosts to remove, before the rows of `hosts` are written.
        dataset_uses: Rows of `dataset_uses`.
        dataset_versions: Rows of `dataset_versions`.
        deletions: Rows of `deletions`.
        abandoned_sessions: Rows of `abandoned_sessions`.
        counters: Values of `counters` by name.
        removed_operations: Ids of operations to remove with everything that belongs to them.
        statements: Other statements, executed after all rows are written and removed.
        when_stored: Called when all of this is stored.
        revision_limit: Revisions up to this one may be issued; None leaves the limit as it is.
        requests_expired_us: Request ids that expired before this time are removed; None leaves them.
    """

    operations: list[Row] = field(default_factory=list)
    specs: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    removed_labels: list[tuple[str, str]] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    journals: list[Row] = field(default_factory=list)
    metric_blocks: list[Row] = field(default_factory=list)
    hosts: list[Row] = field(default_factory=list)
    removed_hosts: list[str] = field(default_factory=list)
    dataset_uses: list[Row] = field(default_factory=list)
    dataset_versions: list[Row] = field(default_factory=list)
    deletions: list[Row] = field(default_factory=list)
    abandoned_sessions: list[Row] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    removed_operations: list[str] = field(default_factory=list)
    statements: list[Executable] = field(default_factory=list)
    when_stored: list[Callable[[], None]] = field(default_factory=list)
    revision_limit: int | None = None
    requests_expired_us: int | None = None

    @property
    def size(self) -> int:
        """About how much work this is: rows of operations and of points."""
        return len(self.operations) + len(self.metric_blocks)
