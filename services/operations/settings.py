"""Settings of the operations service."""

from collections import Counter
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from services.common.settings import Port, ServerSettings
from services.operations.host_address import ConfiguredHost, HostAddress

_DEFAULT_HOSTS = (HostAddress("training-host", "127.0.0.1:5002"), HostAddress("ib-host", "127.0.0.1:5001"))

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

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        for what in ("name", "address"):
            twice = [value for value, times in Counter(getattr(host, what) for host in self.hosts).items() if times > 1]
            if twice:
                message = f"hosts: two hosts have the {what} {twice[0]}; give each its own."
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        if self.poll_min_interval_seconds > self.poll_max_interval_seconds:
            message = "poll_min_interval_seconds is above poll_max_interval_seconds; make it the smaller one."
            raise ValueError(message)
        return self

    @property
    def store_path(self) -> Path:
        """File of the store."""
        return self.folder / "operations.sqlite3"
