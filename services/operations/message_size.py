"""How much goes into one message."""

from typing import Final

MESSAGE_BYTES: Final = 2 * 2**20
"""Stop adding operations to a message here: gRPC clients accept 4 MiB unless they are told otherwise."""
