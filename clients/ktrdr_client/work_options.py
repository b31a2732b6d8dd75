"""What a piece of work gets to work with, from plain Python values."""

from datetime import timedelta
from typing import Final

from ktrdr.host.v1.session_pb2 import SessionOptions

from ktrdr_client.sizes import parse_size
from ktrdr_client.times import parse_duration

Duration = timedelta | float | str
"""A time: a timedelta, seconds, or a text such as "2h30m"."""
_MOST_NICENESS: Final = 19


def session_options(
    *,
    gpus: int | None = None,
    threads: int | None = None,
    memory: int | str | None = None,
    niceness: int | None = None,
    time_limit: Duration | None = None,
) -> SessionOptions | None:
    """Return the options of a session; None where nothing is asked for, so that the host chooses all of it.

    Args:
        gpus: GPUs that it has for itself; 0 for the processor alone.
        threads: Threads that it computes with on the processor.
        memory: Most memory for data that each of its processes can reserve: bytes, or a text such as "8GiB".
        niceness: How far it steps back behind other processes, 0 to 19.
        time_limit: Longest time from the start of the work to its end.

    Raises:
        ValueError: A value is none that is possible, or a text cannot be understood.
    """
    if gpus is threads is memory is niceness is time_limit is None:
        return None
    options = SessionOptions(
        threads=_at_least(threads, 1, "threads"),
        niceness=_at_least(niceness, 0, "niceness"),
        memory_limit_bytes=_at_least(parse_size(memory) if isinstance(memory, str) else memory, 1, "memory"),
    )
    if options.niceness > _MOST_NICENESS:
        message = f"a niceness of {niceness} does not exist; give 0 to {_MOST_NICENESS}"
        raise ValueError(message)
    if gpus is not None:
        options.gpus = _at_least(gpus, 0, "gpus")
    if time_limit is not None:
        options.timeout.FromTimedelta(_positive(time_limit))
    return options


def _at_least(value: int | None, least: int, name: str) -> int:
    if value is None:
        return 0
    if value < least:
        message = f"{name}={value} is not possible; give at least {least}"
        raise ValueError(message)
    return value


def _positive(time_limit: Duration) -> timedelta:
    if isinstance(time_limit, str):
        limit = parse_duration(time_limit)
    else:
        limit = time_limit if isinstance(time_limit, timedelta) else timedelta(seconds=time_limit)
    if limit <= timedelta():
        message = f"a time limit of {time_limit!r} leaves no time; give more than zero"
        raise ValueError(message)
    return limit
