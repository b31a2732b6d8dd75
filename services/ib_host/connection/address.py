"""Where the gateway is."""

from typing import NamedTuple, Self


class GatewayAddress(NamedTuple):
    """Host and port of a gateway's API."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read HOST:PORT; an IPv6 address stands in brackets.

        Raises:
            ValueError: it is something else.
        """
        host, separator, port = text.rpartition(":")
        if not separator or not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
            message = f"{text!r} is no HOST:PORT, such as 127.0.0.1:4002"
            raise ValueError(message)
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
