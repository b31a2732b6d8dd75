"""The unmodified client library that is installed: ib_insync, or ib_async in an environment of its own."""

from typing import Any

from services.ib_host.connection.library.installed import LIBRARY

library: Any = LIBRARY

NEWEST: int = LIBRARY.client.Client.MaxClientVersion
"""The highest version of the protocol that the library speaks."""
