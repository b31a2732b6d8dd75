"""Why a host asks a session to stop, where nobody told it to. These words are in the sessions' control files."""

from typing import Final

TIME_LIMIT: Final = "time_limit"
"""The session ran over its time limit."""

HOST_STOP: Final = "host_stop"
"""The host stops, and is set to let its workers checkpoint and stop with it."""
