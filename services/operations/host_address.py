"""Names and addresses of hosts, as configuration has them."""

import re
from typing import Annotated, Final, NamedTuple

from pydantic import BeforeValidator

_PATTERN: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})=(?P<address>[^\s=]+:(?P<port>[0-9]{1,5}))")
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
    match = _PATTERN.fullmatch(value.strip())
    if match is None or not 0 < int(match["port"]) <= _HIGHEST_PORT:
        message = f"{value!r} is not NAME=HOST:PORT, such as gpu-1=127.0.0.1:5002"
        raise ValueError(message)
    return HostAddress(match["name"], match["address"])


ConfiguredHost = Annotated[HostAddress, BeforeValidator(parse_host_address)]
"""A field of settings that is written as "NAME=HOST:PORT"."""
