"""What a session gets to work with, as whoever runs it needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ktrdr.host.v1.session_pb2 import SessionOptions

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables by which numerical libraries are told how many threads to compute with."""


@dataclass(frozen=True)
class Allotment:
    """What one session gets.

    Attributes:
        devices: Devices that it has for itself, by name.
        memory_limit_bytes: Most memory for data of each of its processes; 0 for no limit.
        niceness: How far it steps back behind other processes, 0 to 19.
        threads: Threads to compute with on the processor; 0 for the host's setting.
    """

    devices: tuple[str, ...] = ()
    memory_limit_bytes: int = 0
    niceness: int = 0
    threads: int = 0

    @classmethod
    def of(cls, options: SessionOptions, devices: Sequence[str]) -> Self:
        """Return what a session gets with these options and devices."""
        return cls(tuple(devices), options.memory_limit_bytes, options.niceness, options.threads)

    @property
    def fits_a_running_process(self) -> bool:
        """Whether all of it can be given to a process that has loaded its libraries already.

        Threads that libraries have started keep their niceness, and their number was read when they were loaded; a
        limit of memory should hold from the start.
        """
        return not (self.memory_limit_bytes or self.niceness or self.threads)

    def thread_environment(self) -> Mapping[str, str]:
        """Return variables that bound the threads of numerical libraries; none where the host's setting counts."""
        return dict.fromkeys(THREAD_VARIABLES, str(self.threads)) if self.threads else {}
