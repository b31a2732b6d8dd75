"""Settings that every host has."""

from typing import Literal

from pydantic import Field

from services.common.settings import ServerSettings


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
    on_stop: Literal["leave", "stop"] = Field(
        default="leave",
        description="What happens to running work when the host stops: leave it to its next start, or stop it.",
    )
