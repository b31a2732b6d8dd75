"""Settings of a server, from flags, environment, a TOML file and defaults, in this order of strength."""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import platformdirs
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.common.settings_sources import (
    CONFIG_FILE_NAME,
    CONFIG_VARIABLE,
    Given,
    flag_name,
    from_environment,
    from_file,
)
from services.common.startup import ConfigurationError

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 lets the system choose."""

Home = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A folder, made absolute."""

FLAG_ONLY: dict[str, Any] = {"flag_only": True}
"""For `json_schema_extra`: the setting belongs to one start of the process and is read from no file or variable."""


class ProcessSettings(BaseSettings):
    """What every process that serves can be told. Each has a subclass with its own fields and its own default port.

    Made by `load_settings` for a process; made directly (in tests) it takes what it is given, and reads nothing.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    service: ClassVar[str]
    """Key of the service in variables and files: training_host, ib_host, operations, replay_gateway."""

    home: Home = Field(
        default_factory=lambda: platformdirs.user_data_path("ktrdr"), description="Folder that all data is kept in."
    )
    name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$", description="Name of this server, for people.")
    bind: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: Port = Field(description="Port to listen on; 0 lets the system choose.")
    insecure: bool = Field(
        default=False, description="Allow an address that other machines reach, without encryption and authentication."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="Form of the log; auto is console on a terminal and json otherwise."
    )
    ready_file: Path | None = Field(
        default=None,
        description="File to write once the server answers: JSON with service, name, address and pid.",
        json_schema_extra=FLAG_ONLY,
    )
    lifeline_fd: int | None = Field(
        default=None,
        ge=3,
        description="Inherited pipe; the server stops when its other end is closed.",
        json_schema_extra=FLAG_ONLY | {"hidden": True},
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's, here and below
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use the arguments only: load_settings puts the sources together, and keeps where each value came from."""
        return (init_settings,)

    @model_validator(mode="after")
    def _reachable_only_on_purpose(self) -> Self:
        if not self.insecure and not is_loopback(self.bind):
            message = (
                f"bind = {self.bind}: other machines could reach the server without encryption or authentication. "
                "Use 127.0.0.1, or allow it with --insecure on a network that you trust."
            )
            raise ValueError(message)
        return self

    @property
    def service_name(self) -> str:
        """Name of the service as people and folders have it: "training-host"."""
        return self.service.replace("_", "-")

    @property
    def display_name(self) -> str:
        """The configured name, the service's where there is none."""
        return self.name or self.service_name

    @property
    def folder(self) -> Path:
        """Folder of this service within the home."""
        return self.home / self.service_name


class ServerSettings(ProcessSettings):
    """What every gRPC server can be told besides."""

    grace_seconds: float = Field(
        default=5.0, ge=0, le=3600, description="Time that calls in progress get to end when the server stops."
    )
    call_limit_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="Longest time for one unary call, whatever deadline its caller set."
    )
    watch_limit: int = Field(
        default=100, ge=1, le=100_000, description="Most watches that can be open at the same time."
    )
    channelz: bool = Field(default=False, description="Serve gRPC's channelz diagnostics (on loopback only).")

    @model_validator(mode="after")
    def _diagnostics_only_on_loopback(self) -> Self:
        if self.channelz and not is_loopback(self.bind):
            message = f"channelz = true is possible on a loopback address only, and bind is {self.bind}."
            raise ValueError(message)
        return self

    @property
    def stop_limit_seconds(self) -> float:
        """Longest time for one step of the service's own stop. A step that hangs must not keep the process for ever."""
        return 30.0


S = TypeVar("S", bound=ProcessSettings)


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach an address. A host name other than localhost counts as reachable."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def load_settings(cls: type[S], *, config: Path | None = None, flags: Mapping[str, object] | None = None) -> S:
    """Put the settings of a process together.

    Args:
        cls: The service's settings.
        config: The TOML file of --config. None: the file that KTRDR_CONFIG names, or <home>/ktrdr.toml where it exists.
        flags: Settings given on the command line, by field. None as a value: not given.

    Raises:
        ConfigurationError: A value is wrong; one line names the field, the value, where it comes from and what is
            allowed.
    """
    fields = cls.model_fields
    layers = [
        {
            name: Given(value, flag_name(name, fields[name]))
            for name, value in (flags or {}).items()
            if value is not None
        },
        from_environment(cls, cls.service),
    ]
    file = _configuration_file(config, layers)
    if file is not None:
        layers.append(from_file(file, cls, cls.service))
    given = {name: value for layer in reversed(layers) for name, value in layer.items()}
    try:
        return cls(**{name: value.value for name, value in given.items()})
    except ValidationError as error:
        raise ConfigurationError(_explained(error, given)) from error


def _configuration_file(config: Path | None, layers: Sequence[Mapping[str, Given]]) -> Path | None:
    named = config or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser()
    home = next((layer["home"].value for layer in layers if "home" in layer), platformdirs.user_data_path("ktrdr"))
    file = Path(str(home)).expanduser() / CONFIG_FILE_NAME
    return file if file.is_file() else None


def _explained(error: ValidationError, given: Mapping[str, Given]) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "it should").rstrip(".")
    if not first["loc"]:
        return f"{reason}."
    field = str(first["loc"][0])
    path = field + "".join(f"[{part}]" for part in first["loc"][1:])
    if field not in given:
        return f"{path}: {reason}."
    return f"{path} = {first['input']} (from {given[field].origin}): {reason}."
