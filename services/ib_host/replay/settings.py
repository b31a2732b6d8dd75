"""Settings of the replay gateway."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from services.common.settings import Port, ServerSettings
from services.ib_host.replay.wire import MAX_VERSION, MIN_VERSION


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class ReplaySettings(ServerSettings):
    """How the gateway listens and what it replays."""

    service: ClassVar[str] = "replay_gateway"

    port: Port = Field(default=4102, description="Port to listen on; 0 lets the system choose.")
    data: str | None = Field(
        default=None,
        description="What to replay: generated:SYMBOL[,SYMBOL...][?seed=1&days=20&start=2024-01-02&gaps=0.01] for "
        "made-up minute bars; a folder of Parquet or CSV files such as AAPL_1min.parquet; or a CSV file with the "
        "columns Ticker, Date, Open, High, Low, Close, Volume, Adj Close. Without it, the stocks of bokeh_sampledata.",
    )
    now: Annotated[datetime, AfterValidator(_in_utc)] | None = Field(
        default=None,
        description="The gateway's present, UTC unless a zone is given. It stands still. Without it, midnight after "
        "the last bar.",
    )
    latency_ms: int = Field(default=0, ge=0, le=600_000, description="Milliseconds before each answer with bars.")
    server_version: int = Field(
        default=MAX_VERSION, ge=MIN_VERSION, le=MAX_VERSION, description="Highest version of the protocol to agree on."
    )
    journal_limit: int = Field(default=10_000, ge=1, description="How many received frames are remembered.")
    faults: Path | None = Field(
        default=None, description="TOML file of rules by which the gateway misbehaves. Without it, it never does."
    )
