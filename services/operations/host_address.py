"""Names and addresses of hosts, as configuration has them."""

import re
from typing import Annotated, Final, NamedTuple

from pydantic import BeforeValidator

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADDRESS: Final = re.compile(r"[^\s=]+:(?P<port>[0-9]{1,5})")
_HIGHEST_PORT: Final = 65535


class HostAddress(NamedTuple):
    """A host to follow."""

    name: str
    """Name that people know it by."""
    address: str
    """HOST:PORT of its gRPC server."""

    def __str__(self) -> str:
        """As it is written in configuration."""
        return f"{self.name}={self.address}"


def parse_host_address(value: object) -> object:
    """Return the host that "NAME=HOST:PORT" names. What is no text is left to the type's own check.

    Raises:
        ValueError: It is written in another way.
    """
    if not isinstance(value, str):
        return value
    name, _, address = value.strip().partition("=")
    if not is_host_name(name) or not is_address(address):
        message = f"{value!r} is not NAME=HOST:PORT, such as gpu-1=127.0.0.1:5002"
        raise ValueError(message)
    return HostAddress(name, address)


def is_host_name(value: str) -> bool:
    """Tell whether hosts can be named like this: letters, digits, ".", "_" and "-", at most 64."""
    return _NAME.fullmatch(value) is not None


def is_address(value: str) -> bool:
    """Tell whether a text is HOST:PORT."""
    match = _ADDRESS.fullmatch(value)
    return match is not None and 0 < int(match["port"]) <= _HIGHEST_PORT


ConfiguredHost = Annotated[HostAddress, BeforeValidator(parse_host_address)]
"""A field of settings that is written as "NAME=HOST:PORT"."""
