"""How it went with connecting, and when to try again."""

from datetime import timedelta
from typing import Final

from services.common.clock import Clock
from services.ib_host.connection.backoff import Backoff

_STEADY_SECONDS: Final = 30.0
"""A connection that lasted less is a failed try, too: a gateway that closes each at once is not asked each second."""


class Attempts:
    """Counts tries to connect, and connections that were lost.

    Args:
        backoff: delays between tries.
        clock: for delays and for how long a connection lasted.

    Attributes:
        failures: tries that failed and connections that were lost, since the last success.
        problem: why there is no connection, and what to do; empty while there is one.
        client_ids_taken: the gateway takes connections, but every client id of the host is in use.
    """

    def __init__(self, backoff: Backoff, clock: Clock) -> None:
        self._backoff = backoff
        self._clock = clock
        self._in_a_row = 0
        self._retry_at: float | None = None
        self.failures = 0
        self.problem = ""
        self.client_ids_taken = False

    @property
    def retry_in(self) -> timedelta | None:
        """Time until the next try; None while there is none ahead."""
        if self._retry_at is None:
            return None
        return timedelta(seconds=max(0.0, self._retry_at - self._clock.monotonic()))

    def succeeded(self) -> None:
        """Take note that there is a connection."""
        self.failures, self.problem, self.client_ids_taken = 0, "", False

    def lasted(self, seconds: float) -> None:
        """Take note of how long a connection lasted that is lost."""
        if seconds >= _STEADY_SECONDS:
            self._in_a_row = 0

    def failed(self, problem: str, *, client_ids_taken: bool = False) -> None:
        """Take note that there is no connection.

        Args:
            problem: why, and what to do.
            client_ids_taken: because every client id is in use.
        """
        self.failures += 1
        self._in_a_row += 1
        self.problem, self.client_ids_taken = problem, client_ids_taken

    def begin_pause(self) -> float:
        """Return the seconds until the next try, which count down from now on."""
        delay = self._backoff.delay_seconds(self._in_a_row)
        self._retry_at = self._clock.monotonic() + delay
        return delay

    def end_pause(self) -> None:
        """Take note that the next try begins."""
        self._retry_at = None
