"""Check what a session asks to work with."""

from collections.abc import Collection
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import SessionOptions

from services.common.errors import FieldViolation, ServiceError

LEAST_MEMORY_BYTES: Final = 64 * 2**20
"""An interpreter with the libraries of a worker does not even start with less."""
_MOST_NICENESS: Final = 19
_MOST_THREADS: Final = 1_024
_MOST_GPUS: Final = 1_024
_LONGEST_SECONDS: Final = 10 * 366 * 86_400
_ALL: Final = frozenset(field.name for field in SessionOptions.DESCRIPTOR.fields)


def check_options(options: SessionOptions, *, allowed: Collection[str] = _ALL, work: str = "") -> None:
    """Check options as far as that is possible without knowing the host.

    Args:
        options: What is asked for.
        allowed: Names of the options that the kind of work has.
        work: What the work is, for people, where it has not all options.

    Raises:
        ServiceError: INVALID_REQUEST with the fields at fault.
    """
    faults = [
        FieldViolation(f"options.{field.name}", f"is not possible for {work}; leave it out")
        for field, _ in options.ListFields()
        if field.name not in allowed
    ]
    faults += [FieldViolation(f"options.{name}", what) for name, what in _faults(options) if name in allowed]
    if faults:
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=faults)


def _faults(options: SessionOptions) -> list[tuple[str, str]]:
    found = []
    if options.gpus > _MOST_GPUS:
        found.append(("gpus", f"{options.gpus} is more than {_MOST_GPUS}"))
    if 0 < options.memory_limit_bytes < LEAST_MEMORY_BYTES or options.memory_limit_bytes >= 2**63:
        found.append(("memory_limit_bytes", f"should be 0 (no limit), or at least {LEAST_MEMORY_BYTES} (64 MiB)"))
    if options.niceness > _MOST_NICENESS:
        found.append(("niceness", f"{options.niceness} is not from 0 to {_MOST_NICENESS}"))
    if options.threads > _MOST_THREADS:
        found.append(("threads", f"{options.threads} is more than {_MOST_THREADS}"))
    if options.HasField("timeout"):
        # Not with ToTimedelta: it refuses what is too long with an error of its own.
        seconds = options.timeout.seconds + options.timeout.nanos / 1e9
        if not 0 < seconds <= _LONGEST_SECONDS or abs(options.timeout.nanos) >= 10**9:
            found.append(("timeout", "should be longer than 0, and at most ten years"))
    return found
