"""Settings that every host has."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from services.common.settings import ServerSettings, is_loopback
from services.host.session_log.handler import DEFAULT_LOG_BYTES
from services.host.worker import DEFAULT_JOURNAL_BYTES

AnnounceAddress = Annotated[str, StringConstraints(pattern=r"^((\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5})?$")]
"""HOST:PORT, or nothing."""


class HostSettings(ServerSettings):
    """What every host can be told. Each kind of host has a subclass with its own fields."""

    slots: int = Field(default=1, ge=1, le=1_000, description="Sessions that run at the same time.")
    queue_limit: int = Field(
        default=100, ge=0, le=100_000, description="Sessions that may wait for a slot; more are refused."
    )
    cancel_grace_seconds: float = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="Time that a cancelled worker gets to stop by itself before it is interrupted (SIGTERM).",
    )
    terminate_grace_seconds: float = Field(
        default=10.0, ge=0, le=86_400, description="Time that an interrupted worker gets before it is killed (SIGKILL)."
    )
    keep_days: float = Field(
        default=30.0,
        ge=0,
        le=36_500,
        description="Time that sessions are kept after their end, if their readers have read them by then.",
    )
    keep_sessions: int = Field(
        default=1_000, ge=0, le=1_000_000, description="Finished sessions that are kept; older ones go earlier."
    )
    tombstone_days: float = Field(
        default=90.0,
        ge=1,
        le=36_500,
        description="Time that id, state and result of a session are known after its folder was removed.",
    )
    reader_grace_seconds: float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="Time after its start in which a host that knows no readers removes nothing: they come first.",
    )
    lease_days: float = Field(
        default=7.0, gt=0, le=36_500, description="Time after which a reader that does not come any more is forgotten."
    )
    on_stop: Literal["leave", "stop", "checkpoint"] = Field(
        default="leave",
        description="What happens to running work when the host stops: leave it to its next start, stop it, or let it "
        "checkpoint and stop.",
    )
    stop_grace_seconds: float = Field(
        default=20.0,
        ge=0,
        le=86_400,
        description="Time that workers get to stop by themselves when the host stops and on_stop says so.",
    )
    journal_bytes: int = Field(
        default=DEFAULT_JOURNAL_BYTES,
        ge=1024**2,
        le=64 * 1024**3,
        description="Size of a session's journal beyond which its points are thinned.",
    )
    announce_to: AnnounceAddress = Field(
        default="",
        description="Operations service to announce this host to, so that it need not be configured there.",
        json_schema_extra={"metavar": "HOST:PORT"},
    )
    announce_as: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$",
        description="Name to announce; the server's own by default.",
        json_schema_extra={"metavar": "NAME"},
    )
    announce_address: AnnounceAddress = Field(
        default="",
        description="Address at which the operations service reaches this host; the one that it listens on by default.",
        json_schema_extra={"metavar": "HOST:PORT"},
    )
    announce_lease_seconds: float = Field(
        default=60.0,
        ge=1,
        le=86_400,
        description="Time that the operations service follows this host without hearing of it; it is announced again "
        "after a third of it.",
    )
    log_bytes: int = Field(
        default=DEFAULT_LOG_BYTES,
        ge=64 * 1024,
        le=1024**3,
        description="Size at which a session's log goes on in a new file; one older file is kept.",
    )

    @model_validator(mode="after")
    def _announced_where_it_can_be_reached(self) -> Self:
        registry = self.announce_to.rpartition(":")[0]
        if registry and not self.announce_address and is_loopback(self.bind) and not is_loopback(registry):
            message = (
                f"announce_to = {self.announce_to}: nobody can reach this host at {self.bind} from there. Say where it "
                "can be reached with --announce-address HOST:PORT, or let it listen there with --bind."
            )
            raise ValueError(message)
        return self

    @property
    def stop_limit_seconds(self) -> float:
        """Longest time for one step of the server's stop: workers that stop with it need theirs."""
        return max(super().stop_limit_seconds, self.stop_grace_seconds + self.end_seconds + 5.0)

    @property
    def end_seconds(self) -> float:
        """Time for the end of a worker that was interrupted when the host stops."""
        return self.terminate_grace_seconds + 5.0
