"""Settings of the training host."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field, StringConstraints

from services.common.settings import Port
from services.host.settings import HostSettings

Address = Annotated[str, StringConstraints(pattern=r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}$")]
"""HOST:PORT."""

_GPU_ID: Final = re.compile(r"[A-Za-z0-9/-]+")


def _gpus(value: object) -> str:
    parts = [str(part).strip() for part in (value if isinstance(value, list) else str(value).split(","))]
    if not parts or not all(map(_GPU_ID.fullmatch, parts)):
        message = "it should be auto, none, or ids joined by commas, such as 0,1"
        raise ValueError(message)
    return ",".join(parts)


Gpus = Annotated[str, BeforeValidator(_gpus)]
"""`auto`, `none`, or ids of GPUs, as a list or joined by commas."""


class TrainingHostSettings(HostSettings):
    """What a training host can be told."""

    service: ClassVar[str] = "training_host"

    port: Port = Field(default=5002, description="Port to listen on; 0 lets the system choose.")
    ib_host: Address = Field(default="127.0.0.1:5001", description="IB host that bars come from, HOST:PORT.")
    bar_cache_mb: int = Field(
        default=2_000,
        ge=0,
        le=1_000_000,
        description="Most megabytes of bars from the IB host that are kept, so that those that have not changed are "
        "not sent again. 0 keeps none.",
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=1_024,
        description="Threads that one training uses on the CPU. More of them help large networks only.",
    )
    spare_workers: int = Field(
        default=0,
        ge=0,
        le=8,
        description="Workers that wait with their libraries loaded, so that a training begins at once. Each takes some "
        "hundred MB of memory.",
    )
    gpus: Gpus = Field(
        default="auto",
        description="GPUs that trainings can have for themselves: auto for those that are found, none, or the ids that "
        "CUDA knows them by (0,1 or GPU-… or MIG-…).",
        json_schema_extra={"metavar": "auto|none|ID,…"},
    )
    keep_days: float = Field(
        default=365.0,
        ge=0,
        le=36_500,
        description="Time that trainings and their models are kept after their end, if their readers have read them by "
        "then.",
    )

    @property
    def listed_gpus(self) -> list[str]:
        """The ids of the GPUs where they are configured one by one."""
        return [] if self.gpus in {"auto", "none"} else self.gpus.split(",")
