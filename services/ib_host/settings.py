"""Settings of the IB host."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from services.common.settings import Port
from services.host.settings import HostSettings
from services.ib_host.connection.address import GatewayAddress

Address = Annotated[str, AfterValidator(lambda text: str(GatewayAddress.parse(text)))]
"""HOST:PORT."""


class IbHostSettings(HostSettings):
    """What an IB host can be told."""

    service: ClassVar[str] = "ib_host"

    port: Port = Field(default=5001, description="Port to listen on; 0 lets the system choose.")
    gateway: Address = Field(
        default="127.0.0.1:4002",
        description="IB Gateway, TWS or replay gateway to connect to.",
        json_schema_extra={"metavar": "HOST:PORT"},
    )
    client_id: int = Field(
        default=17, ge=1, le=1_000_000, description="First client id to try at the gateway; seven more follow."
    )
    connect_timeout_seconds: float = Field(
        default=4.0, gt=0, le=60, description="Time for each step of connecting to the gateway."
    )
    history_timeout_seconds: float = Field(
        default=60.0, gt=0, le=3_600, description="Time that the gateway gets to answer a request for bars."
    )
    request_timeout_seconds: float = Field(
        default=15.0, gt=0, le=600, description="Time that the gateway gets to answer any other request."
    )
    reconnect_seconds: float = Field(
        default=1.0, gt=0, le=60, description="Wait before connecting again; it doubles with each failure, up to 60."
    )
    heartbeat_seconds: float = Field(
        default=30.0, gt=0, le=3_600, description="Interval at which the gateway is asked for its time."
    )
    competing_session_minutes: float = Field(
        default=60.0,
        ge=0,
        le=10_080,
        description="How long loads go on asking while another login of the account takes IB's data, before they fail.",
    )
    long_bar_requests: int = Field(
        default=0,
        ge=0,
        le=6_000,
        description="Most requests for bars longer than 30 seconds within ten minutes. 0 for no limit: IB has none, "
        "but answers slowly when it is asked for very much.",
    )
    slots: int = Field(default=2, ge=1, le=16, description="Loads that run at the same time.")
