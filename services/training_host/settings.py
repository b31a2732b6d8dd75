"""Settings of the training host."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from services.common.settings import Port
from services.host.settings import HostSettings

Address = Annotated[str, StringConstraints(pattern=r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}$")]
"""HOST:PORT."""


class TrainingHostSettings(HostSettings):
    """What a training host can be told."""

    service: ClassVar[str] = "training_host"

    port: Port = Field(default=5002, description="Port to listen on; 0 lets the system choose.")
    ib_host: Address = Field(default="127.0.0.1:5001", description="IB host that bars come from, HOST:PORT.")
    threads: int = Field(
        default=1,
        ge=1,
        le=1_024,
        description="Threads that one training uses on the CPU. More of them help large networks only.",
    )
