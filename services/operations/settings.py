"""Settings of the operations service."""

from collections import Counter
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from services.common.settings import Port, ServerSettings
from services.operations.host_address import ConfiguredHost, HostAddress
from services.operations.trends import series_names
from services.operations.trends.thresholds import DEFAULT_THRESHOLDS, ConfiguredThresholds

_DEFAULT_HOSTS = (HostAddress("training-host", "127.0.0.1:5002"), HostAddress("ib-host", "127.0.0.1:5001"))

SeriesName = Annotated[str, Field(min_length=1, max_length=200)]
"""Name of a series, or a pattern of names."""

Seconds = Annotated[float, Field(gt=0, le=3600)]
"""A time that is never zero."""

Grace = Annotated[float, Field(ge=0, le=30 * 86_400)]
"""A time that something is waited for, up to 30 days."""


class OperationsSettings(ServerSettings):
    """What the operations service can be told."""

    service: ClassVar[str] = "operations"

    port: Port = Field(default=5003, description="Port to listen on; 0 lets the system choose.")
    hosts: tuple[ConfiguredHost, ...] = Field(
        default=_DEFAULT_HOSTS,
        description="A host to follow.",
        json_schema_extra={"flag": "--host", "metavar": "NAME=HOST:PORT"},
    )
    poll_wait_seconds: Seconds = Field(
        default=10.0, description="Longest time that a host may keep a poll open while nothing changes."
    )
    poll_min_interval_seconds: Seconds = Field(
        default=1.0, description="Pause after a poll that brought changes, while nobody watches."
    )
    poll_max_interval_seconds: Seconds = Field(
        default=10.0, description="Longest pause between two polls, reached while nothing changes and nobody watches."
    )
    poll_watched_interval_seconds: Seconds = Field(
        default=0.02, description="Pause between two polls while somebody watches or waits."
    )

    # Watches.
    watch_limit: int = Field(
        default=2_000, ge=1, le=100_000, description="Most watches that can be open at the same time."
    )
    watch_limit_of_client: int = Field(
        default=200, ge=1, le=100_000, description="Most watches that one connection can have open at the same time."
    )

    # Liveness.
    lost_grace_seconds: Grace = Field(
        default=60.0, description="Time after which an operation fails whose host does not know its session any more."
    )
    replaced_grace_seconds: Grace = Field(
        default=900.0,
        description="Time after which an operation fails whose host was wiped, or replaced by another of its name.",
    )

    create_wait_seconds: Seconds = Field(
        default=2.0, description="Longest time that the creator of an operation waits for the host's answer."
    )

    # Retention.
    keep_days: int = Field(
        default=365, ge=1, le=36_500, description="Days after which an operation that has ended is deleted here."
    )
    keep_operations: int = Field(
        default=1_000_000, ge=1, description="Most operations that have ended; beyond it the oldest are deleted here."
    )
    tombstone_days: int = Field(
        default=7,
        ge=1,
        le=36_500,
        description="Days for which deletions are remembered: a watch can be resumed for so long.",
    )
    session_removal_interval_seconds: Seconds = Field(
        default=30.0, description="Time between two tries to remove sessions of deleted operations from their hosts."
    )

    # Trends.
    trends: ConfiguredThresholds = Field(
        default=DEFAULT_THRESHOLDS,
        description="Thresholds of the rules that look for trends in metrics.",
        json_schema_extra={"metavar": "NAME=VALUE,…"},
    )
    trend_interval_seconds: Seconds = Field(
        default=1.0, description="Time between two looks at the metrics of an operation at work."
    )
    trend_val_loss: tuple[SeriesName, ...] = Field(
        default=series_names.VAL_LOSS, description="A series with the validation loss of epochs, preferred ones first."
    )
    trend_train_loss: tuple[SeriesName, ...] = Field(
        default=series_names.TRAIN_LOSS, description="A series with the training loss of epochs."
    )
    trend_val_accuracy: tuple[SeriesName, ...] = Field(
        default=series_names.VAL_ACCURACY, description="A series with the validation accuracy of epochs, 0 to 1."
    )
    trend_step_loss: tuple[SeriesName, ...] = Field(
        default=series_names.STEP_LOSS, description="A series with the loss of batches."
    )
    trend_finite: tuple[SeriesName, ...] = Field(
        default=series_names.FINITE, description="A pattern of further series that should be numbers."
    )

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        for what in ("name", "address"):
            twice = [value for value, times in Counter(getattr(host, what) for host in self.hosts).items() if times > 1]
            if twice:
                both = " and ".join(str(host) for host in self.hosts if getattr(host, what) == twice[0])
                message = f"hosts: two hosts have the {what} {twice[0]}: {both}; give each its own."
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        if self.poll_min_interval_seconds > self.poll_max_interval_seconds:
            message = "poll_min_interval_seconds is above poll_max_interval_seconds; make it the smaller one."
            raise ValueError(message)
        return self

    @property
    def trend_names(self) -> series_names.SeriesNames:
        """Which series the rules look at."""
        return series_names.SeriesNames(
            val_loss=self.trend_val_loss,
            train_loss=self.trend_train_loss,
            val_accuracy=self.trend_val_accuracy,
            step_loss=self.trend_step_loss,
            finite=self.trend_finite,
        )

    @property
    def store_path(self) -> Path:
        """File of the store."""
        return self.folder / "operations.sqlite3"
