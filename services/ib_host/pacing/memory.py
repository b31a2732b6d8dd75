"""What was used of the budget, kept over restarts of the host."""

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from pydantic import AwareDatetime

from services.common.clock import Clock
from services.common.files import write_atomically
from services.common.threads import in_thread
from services.host.records import Record, RecordDamagedError
from services.ib_host.pacing.violations import Violations
from services.ib_host.pacing.windows import Sent

_LOG = structlog.get_logger(__name__)
NAME: Final = "pacing.json"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class _Moment(Record):
    """An instant on both clocks."""

    wall: AwareDatetime
    monotonic: float


class _SentRecord(Record):
    key: str
    weight: int
    held_seconds: float
    age_seconds: float


class _ViolationsRecord(Record):
    in_a_row: int
    peak_slowdown: int
    noticed_age_seconds: float
    pause_seconds: float
    """What was left of the pause; negative after its end."""
    count: int = 0


class _PacingRecord(Record):
    """pacing.json: everything relative to the moment at which it was written."""

    gateway: str
    boot: str
    written: _Moment
    sent: tuple[_SentRecord, ...] = ()
    violations: _ViolationsRecord | None = None


class PacingMemory:
    """Keeps in a file what still counts in the windows, and violations.

    Ages are told by the monotonic clock as long as the machine has not been restarted: setting the wall clock changes
    nothing. After a restart of the machine the wall clock tells them; if it shows a time before the file was written,
    everything counts as sent just now.

    Args:
        folder: the host's.
        gateway: HOST:PORT; what was sent to another one does not count.
        clock: both times.
        boot: names the time since the machine was started; "" where the system does not tell.
    """

    def __init__(self, folder: Path, *, gateway: str, clock: Clock, boot: str) -> None:
        self._path = folder / NAME
        self._gateway = gateway
        self._clock = clock
        self._boot = boot
        self._writing = threading.Lock()
        self._last_version = 0
        self._written_version = 0

    async def load(self) -> tuple[Sequence[Sent], Violations]:
        """Return what an earlier life of the host sent, and its violations; nothing where nothing usable is kept."""
        try:
            record = await in_thread(_PacingRecord.read, self._path)
        except (OSError, RecordDamagedError) as error:
            _LOG.warning("pacing_forgotten", path=str(self._path), error=str(error))
            record = None
        if record is None or record.gateway != self._gateway:
            return (), Violations()
        now = self._clock.monotonic()
        written = now - self._age_seconds(record)
        sent = [Sent(e.key, written - e.age_seconds, e.weight, e.held_seconds) for e in record.sent]
        known = record.violations
        if known is None:
            return sent, Violations()
        violations = Violations(
            in_a_row=known.in_a_row,
            noticed_at=written - known.noticed_age_seconds,
            paused_until=written + known.pause_seconds,
            peak_slowdown=known.peak_slowdown,
            count=known.count,
        )
        return sent, violations

    async def save(self, sent: Sequence[Sent], violations: Violations) -> None:
        """Write everything down. What can't be written is only missed after a restart, so nothing is raised.

        Args:
            sent: what still counts.
            violations: so far.
        """
        now = self._clock.monotonic()
        record = _PacingRecord(
            gateway=self._gateway,
            boot=self._boot,
            written=_Moment(wall=self._clock.now(), monotonic=now),
            sent=tuple(
                _SentRecord(
                    key=e.key,
                    weight=e.weight,
                    held_seconds=e.held_seconds,
                    age_seconds=now - e.at if e.is_sent else 0.0,
                )
                for e in sent
            ),
            violations=_violations_record(violations, now),
        )
        self._last_version += 1
        await in_thread(self._write, record, self._last_version)

    def _write(self, record: _PacingRecord, version: int) -> None:
        """Write a version of the record, unless a later one is there. Runs in a thread."""
        with self._writing:
            if version < self._written_version:
                return
            try:
                write_atomically(self._path, record.to_bytes())
            except OSError as error:
                _LOG.warning("pacing_not_kept", path=str(self._path), error=str(error))
            self._written_version = version

    def _age_seconds(self, record: _PacingRecord) -> float:
        if self._boot and record.boot == self._boot:
            return max(0.0, self._clock.monotonic() - record.written.monotonic)
        return max(0.0, (self._clock.now() - record.written.wall).total_seconds())


def _violations_record(violations: Violations, now: float) -> _ViolationsRecord | None:
    if not math.isfinite(violations.noticed_at):
        return None
    return _ViolationsRecord(
        in_a_row=violations.in_a_row,
        peak_slowdown=violations.peak_slowdown,
        noticed_age_seconds=now - violations.noticed_at,
        pause_seconds=violations.paused_until - now,
        count=violations.count,
    )


def boot_id() -> str:
    """Return what names the time since the machine was started; "" where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
