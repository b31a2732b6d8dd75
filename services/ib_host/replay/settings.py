"""Settings of the replay gateway."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from services.common.settings import Port, ProcessSettings
from services.ib_host.replay.pacing.limits import PacingLimits, PacingMode
from services.ib_host.replay.wire import MAX_VERSION, MIN_VERSION


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class ReplaySettings(ProcessSettings):
    """How the gateway listens, what it replays, and how it misbehaves."""

    service: ClassVar[str] = "replay_gateway"

    port: Port = Field(default=4102, description="Port to listen on; 0 lets the system choose.")
    data: str | None = Field(
        default=None,
        description="What to replay: generated:SYMBOL[,SYMBOL...][?seed=1&days=20&start=2024-01-02&gaps=0.01] for "
        "made-up minute bars of stocks (AAPL), currencies (EUR.USD), futures (ES.FUT) and indices (SPX.IND); a folder "
        "of Parquet or CSV files such as AAPL_1min.parquet, or of bars that an IB host has stored; or a CSV file with "
        "the columns Ticker, Date, Open, High, Low, Close, Volume, Adj Close. Without it, the stocks of "
        "bokeh_sampledata.",
        json_schema_extra={"metavar": "WHAT"},
    )
    now: Annotated[datetime, AfterValidator(_in_utc)] | None = Field(
        default=None,
        description="The gateway's present, UTC unless a zone is given. Without it, midnight after the last bar.",
        json_schema_extra={"metavar": "TIME"},
    )
    speed: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="How many seconds the gateway's present moves on in one second; with 0 it stands still.",
    )
    faults: Path | None = Field(
        default=None,
        description="TOML file of rules by which the gateway misbehaves. Without it, it never does.",
        json_schema_extra={"metavar": "FILE"},
    )
    fault: tuple[str, ...] = Field(
        default=(),
        description="One more rule, by its name in docs/replay-gateway-faults.md: silent, or with other values "
        "silent:nth=3,times=1.",
        json_schema_extra={"metavar": "RULE"},
    )
    seed: int | None = Field(default=None, description="Of probabilities and jitter. Without it, the file's, or 0.")
    latency_ms: int = Field(default=0, ge=0, le=600_000, description="Milliseconds before each answer with bars.")
    jitter_ms: int = Field(default=0, ge=0, le=600_000, description="Up to so many milliseconds more, drawn anew each.")
    pacing: PacingMode = Field(
        default=PacingMode.OFF,
        description="Refuse what comes faster than IB allows: off; ib, which means bars of 30 seconds or less; or "
        "strict, which means all bars.",
        json_schema_extra={"metavar": "off|ib|strict"},
    )
    pacing_scale: float = Field(
        default=1.0, gt=0, le=10, description="What times of pacing are multiplied by: with 0.01, 10 min are 6 s."
    )
    pacing_tolerance_ms: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="How much shorter the windows of pacing are than the rules: for a busy machine.",
    )
    message_rate: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Most messages of one client in a second (times the scale of pacing). Without it, 50 where pacing "
        "is not off, and any number where it is.",
    )
    server_version: int = Field(
        default=MAX_VERSION, ge=MIN_VERSION, le=MAX_VERSION, description="Highest version of the protocol to agree on."
    )
    journal: Path | None = Field(
        default=None,
        description="File to write every received frame, fault, violation and query to: a line of JSON each.",
        json_schema_extra={"metavar": "FILE"},
    )
    journal_limit: int = Field(default=10_000, ge=1, description="How many received frames are remembered.")

    @property
    def pacing_limits(self) -> PacingLimits:
        """IB's limits in this gateway's time."""
        return PacingLimits(scale=self.pacing_scale, tolerance_seconds=self.pacing_tolerance_ms / 1000)

    @property
    def most_messages(self) -> int | None:
        """Most messages of one client in a second; None for any number."""
        if self.message_rate is None and self.pacing is not PacingMode.OFF:
            return PacingLimits().most_messages
        return self.message_rate
