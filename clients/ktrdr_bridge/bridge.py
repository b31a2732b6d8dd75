"""The writer's side of a journal: what a loop reports to."""

import operator
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from ktrdr_bridge.compiled import BatchWriter, EpochWriter
from ktrdr_bridge.control import ControlWatch, StopRequest
from ktrdr_bridge.errors import BridgeClosed, Cancelled, ForkedBridge
from ktrdr_bridge.journal_file import JournalFile, create_journal, resume_journal
from ktrdr_bridge.layout import Kind
from ktrdr_bridge.progress import describe
from ktrdr_bridge.reserve import Reserve, reserve_space
from ktrdr_bridge.segment_head import FLAG_CLOSED
from ktrdr_bridge.tape import Event, Tape

_NO_LOCK = nullcontext()
DEFAULT_LIMIT_BYTES = 64 * 2**20
DEFAULT_SEGMENT_BYTES = 2**18


class Bridge:
    """Records progress and metrics of one session; made by `Bridge.create` or `Bridge.resume`.

    Reporting never waits for a reader or a disk, and costs about as much as appending to a list of dictionaries. One
    process writes, and one thread at a time (see `synchronized`); not from signal handlers. When the journal's bound or
    the disk's end is reached, points are no longer recorded (`recording` turns False), progress still is, and the loop
    goes on.

    Attributes:
        incarnation: Id of this journal's life, 32 hex digits; points are identified by it and their seq.
    """

    incarnation: str

    def __new__(cls, *_arguments: object, **_options: object) -> Self:
        """Make a bridge with a class of its own, whose `on_batch` and `on_epoch` become the compiled ones.

        Python calls a method of a class faster than a function that an instance keeps (measured: 5 % of an event).
        """
        return super().__new__(type(cls.__name__, (cls,), {"__module__": cls.__module__, "__doc__": cls.__doc__}))

    def __init__(self, file: JournalFile, watch: ControlWatch | None, *, synchronized: bool) -> None:
        self._file = file
        self._tape: Tape = file.tape
        self._watch = watch
        self._stop_number: Sequence[int] | memoryview = watch.number if watch is not None else (0,)
        self._lock = threading.RLock() if synchronized else None
        self._owner = os.getpid()
        self._closed = False
        self._write_batch: BatchWriter | None = None
        self._write_epoch: EpochWriter | None = None
        self.incarnation = file.identity.incarnation.hex()
        _open_bridges.add(self)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        control: Path | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        synchronized: bool = False,
        reserve: Reserve = reserve_space,
    ) -> Self:
        """Start a new journal.

        Args:
            path: Where; nothing may be there yet. A local file system.
            control: The session's control file, if somebody may ask it to stop.
            limit_bytes: Bound of the file; recording stops there.
            segment_bytes: Size of the first segment, rounded up to 64 KiB; then it grows by 2, 4, 8, and 16 times that.
            synchronized: Guard every call with a lock, for loops that report from several threads.
            reserve: How file space is reserved.

        Raises:
            FileExistsError: Something is there.
            OSError: Not even the header can be made.
        """
        watch = ControlWatch(control, reserve) if control is not None else None
        file = create_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
        return cls(file, watch, synchronized=synchronized)

    @classmethod
    def resume(
        cls,
        path: Path,
        *,
        control: Path | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        synchronized: bool = False,
        reserve: Reserve = reserve_space,
    ) -> Self:
        """Go on with a journal after its last valid row: same incarnation, seqs go on.

        Where there is none, a new one is created. One that can't be used (damaged header, another layout version) is
        moved aside as `<name>.unusable-<n>` first. `segment_bytes` counts for a new journal only. Arguments as for
        `create`.

        Raises:
            JournalInUse: Another process writes this journal.
            OSError: It can't be opened or made.
        """
        watch = ControlWatch(control, reserve) if control is not None else None
        file = resume_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
        return cls(file, watch, synchronized=synchronized)

    @property
    def recording(self) -> bool:
        """False once points are no longer recorded: the bound is reached or the disk is full."""
        return self._tape.recording

    @property
    def cancelled(self) -> bool:
        """True once a stop was requested (a cancellation, or to checkpoint and stop); one memory read."""
        return bool(self._stop_number[0])

    @property
    def stop_request(self) -> StopRequest | None:
        """The request itself; reads the control file when there is one."""
        return self._watch.request() if self._watch is not None else None

    def raise_if_cancelled(self) -> None:
        """Do nothing, or raise `Cancelled` with the reason once a stop was requested.

        Raises:
            Cancelled: A stop was requested.
        """
        if self._stop_number[0]:
            request = self.stop_request
            raise Cancelled(request.reason, request.stop) if request is not None else Cancelled("")

    def set_phase(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Start a phase: nothing is completed yet, and nothing is waited for.

        Args:
            name: Such as "train" or "load".
            total: How many units there are to do, if known.
            unit: What is counted, plural: "epochs", "chunks".
        """
        with self._turn():
            self._tape.invalidate()
            self._set_completed(0)
            now = time.time_ns()
            self._publish(
                ordinal=self._file.state.ordinal + 1,
                mark=self._tape.next_seq,
                completed=0.0,
                total=total,
                start_ns=now,
                start_completed=0.0,
                phase=name,
                unit=unit,
                step="",
                wait_reason="",
            )

    def advance(self, completed: int, *, step: str = "") -> None:
        """Report progress without metrics.

        As the first report of a phase it tells where the phase starts: work that a resumed run finds done.

        Args:
            completed: Units of the phase that are done.
            step: What is done now, in words; shown until the next row.
        """
        with self._turn():
            self._set_completed(completed)
            state, now, next_seq = self._file.state, time.time_ns(), self._tape.next_seq
            first = state.completed == state.start_completed == 0 and next_seq == state.mark
            start = {"start_ns": now, "start_completed": float(completed)} if first else {}
            self._publish(mark=next_seq, completed=float(completed), step=step, **start)

    def expect(self, total: int, *, rest_seconds: float | None = None) -> None:
        """Correct what is said of the rest of the phase, whose end may come into sight only on the way.

        Args:
            total: How many units there are to do, with those that are done.
            rest_seconds: How long those that are left take, where the pace so far would mislead: it counts as if all so
                far had gone at the pace that this means. None leaves it to the pace.
        """
        with self._turn():
            completed = self._tape.completed
            changes: dict[str, object] = {"total": total}
            if rest_seconds is not None and total > completed:
                units = max(completed, 1)
                spent_ns = int(units * rest_seconds / (total - completed) * 1e9)
                changes |= {"start_ns": time.time_ns() - spent_ns, "start_completed": float(completed - units)}
            self._publish(**changes)

    def wait_reason(self, text: str) -> None:
        """Say what the session waits for ("IB pacing: 41 s"); an empty text ends the wait."""
        with self._turn():
            self._publish(wait_reason=text)

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        """Report one batch of the running epoch.

        Args:
            batch: Counts from 1 within the epoch.
            total: Batches of the epoch.
            metrics: Values by name: numbers or 0-d tensors, NaN and infinities included; names may change at any time.

        Raises:
            TypeError: A value isn't a number, a name isn't a text, or `batch` or `total` isn't an integer.
            BridgeClosed: The bridge was closed.
            ForkedBridge: This process is a forked child of the writer.
        """
        with self._turn():
            if self._write_batch is not None:
                self._write_batch(self, batch, total, metrics)
            else:
                self._report_batch(batch, total, metrics)

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report a finished epoch: `epoch` units of the phase are completed.

        Args:
            epoch: Counts from 1.
            metrics: As for `on_batch`.

        Raises:
            TypeError: A value isn't a number, a name isn't a text, or `epoch` isn't an integer.
            BridgeClosed: The bridge was closed.
            ForkedBridge: This process is a forked child of the writer.
        """
        with self._turn():
            if self._write_epoch is not None:
                self._write_epoch(self, epoch, metrics)
            else:
                self._report_epoch(epoch, metrics)

    def on_rows(self, completed: int, *, rows: int, step: str = "", metrics: Mapping[str, float] | None = None) -> None:
        """Report a finished chunk of rows.

        Args:
            completed: Units of the phase (chunks, say) that are done.
            rows: Rows so far.
            step: What was done, in words; shown until the next row.
            metrics: As for `on_batch`.

        Raises:
            TypeError: A value isn't a number, a name isn't a text, or a count isn't an integer.
            BridgeClosed: The bridge was closed.
            ForkedBridge: This process is a forked child of the writer.
        """
        with self._turn():
            event = Event(Kind.ROWS, completed, metrics or {}, self._file.state.ordinal, _integer("rows", rows))
            self._report(event)
            self._set_completed(completed)
            if step:
                self._publish(mark=self._tape.next_seq, completed=float(completed), step=step)

    def close(self) -> None:
        """End recording; idempotent, also at the interpreter's exit. A forked child leaves the journal alone."""
        if self._owner != os.getpid():  # the lock may belong to a thread that the child doesn't have
            self._let_go()
            return
        with self._lock or _NO_LOCK:
            if not self._closed:
                self._let_go()
                self._file.close(FLAG_CLOSED)

    def _let_go(self) -> None:
        if self._closed:
            return
        self._closed = True
        _open_bridges.discard(self)
        if self._watch is not None:
            # First: another thread may ask just now, and nothing can be read of a file that is let go of.
            self._stop_number = (self._watch.number[0],)
            self._watch.close()
            self._stop_number = self._watch.number

    def _turn(self) -> AbstractContextManager[object]:
        """Refuse a call that must not write; the caller holds the lock, if any, while it writes."""
        if self._owner != os.getpid():
            raise ForkedBridge("this is a forked child: report from the parent, or give the child a bridge of its own")
        if self._closed:
            raise BridgeClosed("this bridge is closed: nothing can be reported any more")
        return self._lock or _NO_LOCK

    def _report_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        with self._turn():
            if self._write_batch is not None and self._tape.refresh_batches(total):
                self._write_batch(self, batch, total, metrics)
                return
            writer = self._tape.writer(Kind.BATCH, metrics, self._report_batch)
            self._report(Event(Kind.BATCH, batch, metrics, self._file.state.ordinal, _integer("total", total)))
            self._write_batch = writer
            if writer is not None and self._lock is None:
                self._use("on_batch", writer)

    def _report_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        with self._turn():
            writer = self._tape.writer(Kind.EPOCH, metrics, self._report_epoch)
            self._report(Event(Kind.EPOCH, epoch, metrics, self._file.state.ordinal, 0))
            self._set_completed(epoch)
            self._write_epoch = writer
            if writer is not None and self._lock is None:
                self._use("on_epoch", writer)

    def _use(self, method: str, writer: BatchWriter | EpochWriter) -> None:
        """Let a compiled writer, which checks by itself what the method checks, be the method of this class."""
        setattr(type(self), method, writer)

    def _report(self, event: Event) -> None:
        """Write one row the general way, or its progress alone when nothing is recorded any more."""
        if not self._tape.append(event):
            state = self._file.state
            completed, step = describe(state, event.kind, event.step, event.detail, self._tape.completed)
            self._publish(mark=self._tape.next_seq, completed=completed, step=step)

    def _publish(self, **changes: object) -> None:
        self._file.write_state(**changes)

    def _set_completed(self, completed: int) -> None:
        self._tape.completed = completed

    def _settle(self) -> None:
        self._file.settle()

    def _disown(self) -> None:
        self._file.disown()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, as arguments of a spawned process are."""
        raise TypeError(
            "a bridge can't be sent to another process: a journal has one writer; send its path, and read it"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _integer(name: str, value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]  # the check itself
    except TypeError as error:
        message = f"{name} must be an integer, not {type(value).__name__}"
        raise TypeError(message) from error


_open_bridges: "weakref.WeakSet[Bridge]" = weakref.WeakSet()


def _settle_all() -> None:
    for bridge in list(_open_bridges):
        bridge._settle()  # noqa: SLF001  # this module's own class


def _disown_all() -> None:
    for bridge in list(_open_bridges):
        bridge._disown()  # noqa: SLF001  # this module's own class
    _open_bridges.clear()


os.register_at_fork(before=_settle_all, after_in_child=_disown_all)
