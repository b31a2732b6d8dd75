"""The sessions of a simulated host, and its answers to GetStatus, as bytes.

Each session writes a row a period, at a moment of its own within the period. What a row holds follows from the time
alone, so a host needs no memory of its sessions, and a cursor is the moment up to which its reader has read. Messages
are put together from prepared bytes: a field of a message may come in any order, and in several parts.
"""

import math
import struct
from dataclasses import dataclass
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import HostKind, Progress, Session
from ktrdr.training.v1.training_pb2 import TrainingSpec

_TIMES_FIELD: Final = b"\x32"  # MetricSeries.times, length-delimited
_METRICS_FIELD: Final = b"\x42"  # Session.metrics
_SESSIONS_FIELD: Final = b"\x12"  # GetStatusResponse.sessions
_EPOCHS: Final = 1_000_000
_CURSOR: Final = struct.Struct("<q")
_STRATEGY: Final = "name: simulated\n" + "# what a strategy says is about as long as this\n" * 40
_NAMES: Final = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "gradients", "f1", "mae")


@dataclass(frozen=True)
class Load:
    """What each host does.

    Attributes:
        sessions: Sessions at work.
        series: Metrics of a row.
        period_ns: Time between two rows of a session, in nanoseconds.
        start_ns: When the first sessions begin, in nanoseconds since the Unix epoch.
        spread: Periods after which the last ones do.
    """

    sessions: int
    series: int
    period_ns: int
    start_ns: int
    spread: int = 0


class SimulatedSessions:
    """All sessions of one host. A session is there from its first row on.

    Args:
        number: Number of the host; its sessions write at other moments than those of its neighbours.
        load: What it does.
    """

    def __init__(self, number: int, load: Load) -> None:
        self.host_uid = f"{number:032x}"
        self._load = load
        self._first_ns = [
            load.start_ns
            + round((j + (number * 0.618) % 1) / load.sessions * load.period_ns)
            + (number * 7 + j * 13) % (load.spread + 1) * load.period_ns
            for j in range(load.sessions)
        ]
        self._heads = [self._head(j) for j in range(load.sessions)]
        spec = AnyMessage()
        spec.Pack(TrainingSpec(strategy=_STRATEGY))
        self._spec = Session(spec=spec).SerializeToString()
        self._host = host_pb2.GetStatusResponse(
            host=host_pb2.Host(
                name=f"host-{number}",
                host_uid=self.host_uid,
                kind=HostKind.HOST_KIND_TRAINING,
                version="simulated",
                slots=load.sessions,
                running_sessions=load.sessions,
            ),
            snapshot_complete=True,
        ).SerializeToString()
        self._bodies: dict[tuple[int, int], tuple[bytes, list[bytes]]] = {}

    def rows(self, session: int, now_ns: int) -> int:
        """Return how many rows a session has written until now."""
        return max(0, (now_ns - self._first_ns[session]) // self._load.period_ns + 1)

    def next_row_ns(self, now_ns: int) -> int:
        """Return when any session writes again."""
        return min(
            (first + self.rows(j, now_ns) * self._load.period_ns for j, first in enumerate(self._first_ns)),
            default=now_ns + self._load.period_ns,
        )

    def answer(self, cursor: bytes, now_ns: int) -> tuple[bytes, int]:
        """Return a GetStatusResponse with all that is new, and how many sessions are in it."""
        read_ns = _CURSOR.unpack_from(cursor)[0] if cursor else 0
        parts = [self._host]
        count = 0
        for j, head in enumerate(self._heads):
            first, last = self.rows(j, read_ns), self.rows(j, now_ns)
            if first == last:
                continue
            body = self._body(j, first, last)
            spec = b"" if first else self._spec
            parts += (_SESSIONS_FIELD, _varint(len(head) + len(spec) + len(body)), head, spec, body)
            count += 1
        # The cursor of a real host has about this many bytes for each session.
        following = _CURSOR.pack(now_ns) + b"\x55" * (24 * self._load.sessions)
        parts.append(host_pb2.GetStatusResponse(next_cursor=following).SerializeToString())
        return b"".join(parts), count

    def _head(self, session: int) -> bytes:
        head = Session(
            id=f"session-{session}",
            kind=HostKind.HOST_KIND_TRAINING,
            state=Session.State.STATE_RUNNING,
            attempt=1,
            labels={"team": f"team-{session % 7}", "run": "scale"},
            incarnation=f"{self.host_uid[-16:]}{session:016x}",
            worker_liveness=Session.WORKER_LIVENESS_ALIVE,
            worker_pid=10_000 + session,
            display_name=f"simulated {session}",
        )
        head.create_time.FromNanoseconds(self._load.start_ns)
        head.start_time.FromNanoseconds(self._load.start_ns)
        return head.SerializeToString()

    def _body(self, session: int, first: int, last: int) -> bytes:
        """Return progress and the rows `first` to `last` of a session."""
        known = self._bodies.get((first, last))
        if known is None:
            if len(self._bodies) > 4 * (self._load.spread + 2):
                self._bodies.clear()  # they are all of the last few seconds
            known = self._bodies[first, last] = self._shared(first, last)
        progress, series = known
        start, period = self._first_ns[session], self._load.period_ns
        times = struct.pack(f"<{last - first}q", *(start + row * period for row in range(first, last)))
        tail = b"".join((_TIMES_FIELD, _varint(len(times)), times))
        parts = [progress]
        for one in series:
            parts += (_METRICS_FIELD, _varint(len(one) + len(tail)), one, tail)
        return b"".join(parts)

    def _shared(self, first: int, last: int) -> tuple[bytes, list[bytes]]:
        """Return what all sessions have in common that have written these rows."""
        progress = Progress(
            fraction=last / _EPOCHS,
            phase="train",
            step=f"epoch {last}/{_EPOCHS}",
            completed=last,
            total=_EPOCHS,
            unit="epoch",
        )
        progress.eta.FromSeconds(_EPOCHS - last)
        progress.age.FromMilliseconds(500)
        steps = range(first, last)
        series = [
            MetricSeries(name=name, first_seq=first, steps=steps, values=[_value(name, step) for step in steps])
            for name in _NAMES[: self._load.series]
        ]
        return Session(progress=progress).SerializeToString(), [one.SerializeToString() for one in series]


def _value(name: str, step: int) -> float:
    return math.exp(-step / 300) + 0.01 * math.sin(step * len(name))


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
