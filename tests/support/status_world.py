"""A host's status without a server or workers: a test writes the journals, and lets things happen to the sessions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.metrics_pb2 import METRIC_ENCODING_ROWS
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, CancelStage, Progress, Session
from ktrdr_bridge import Bridge, JournalReader

from services.common.clock import SystemClock
from services.common.files import write_atomically
from services.host.changes import ChangeSignal
from services.host.creation import create_session_folder
from services.host.description import describe
from services.host.host_identity import HostIdentity
from services.host.journal_watch import JournalWatch
from services.host.known_cursors import KnownCursors
from services.host.loading import load_sessions
from services.host.progress import set_progress
from services.host.records import SessionRecord, StartRecord
from services.host.runner import Liveness, WorkerView
from services.host.session import HostedSession
from services.host.session_table import SessionTable
from services.host.settlement import Settlement
from services.host.settler import Settler
from services.host.status_feed import StatusFeed
from services.host.status_query import StatusQuery

CLOCK: Final = SystemClock()


class StatusWorld:
    """A host's status, with journals that the test writes itself.

    Args:
        home: The host's folder.
        journal_bytes: Bound of each journal.

    Attributes:
        feed: Answers readers.
        watch: Looks at the journals.
        bridges: The writers by session id.
        written: What was written of the metric `loss`, as (step, value).
        removed: Ids of sessions whose folders are gone.
    """

    def __init__(self, home: Path, *, journal_bytes: int = 64 * 2**20) -> None:
        self.home = home
        self.root = home / "sessions"
        self.bridges: dict[str, Bridge] = {}
        self.written: dict[str, list[tuple[int, float]]] = {}
        self.removed: set[str] = set()
        self.table = SessionTable()
        self.identity = HostIdentity(home)
        self.feed: StatusFeed
        self.watch: JournalWatch
        self.settler: Settler
        self._journal_bytes = journal_bytes

    async def open(self) -> None:
        """Begin a life of the host with what its folder holds."""
        self.table, self.identity = SessionTable(), HostIdentity(self.home)
        self.identity.open()
        changes = ChangeSignal()
        self.watch = JournalWatch(self.table, changes)
        self.feed = StatusFeed(self.table, identity=self.identity, changes=changes, watch=self.watch, clock=CLOCK)
        self.settler = Settler(self.identity, CLOCK, self.table.finish)
        self.settler.start()
        for each in load_sessions(self.root):
            if each.folder.id in self.removed:
                continue
            session = HostedSession(each.folder, each.record, HOST_KIND_TRAINING)
            if each.settled is not None:
                session.settle(each.settled)
                self.identity.note_finish_number(each.settled.finish_number)
            elif each.start is not None:
                session.begin(each.start.start_time)
            self.table.add(session)

    async def close(self) -> None:
        """End this life."""
        await self.settler.stop()
        self.feed.close()
        for session in self.table:
            session.close()

    def end_writers(self) -> None:
        """Close all journals."""
        for bridge in self.bridges.values():
            bridge.close()

    async def act(self, action: str, which: int, amount: int) -> None:
        """Let something happen to the host or its sessions."""
        if action == "start" and len(self.bridges) < 5:
            self.start()
        elif action == "restart":
            await self.close()
            await self.open()
        elif action == "forget":
            self.forget_cursors()
        elif action == "settle":
            await self.settle(which)
        elif action == "remove":
            self.remove(which)
        else:
            self._act_on_live(action, which, amount)

    def start(self) -> str:
        """Start a session and its writer; return its id."""
        number = len(self.bridges)
        record = SessionRecord(
            id=f"s{number}",
            number=number,
            kind="training",
            attempt=1,
            labels={"number": str(number)},
            request_id="",
            body_sha256="",
            create_time=CLOCK.now(),
            spec_type_url="type.googleapis.com/google.protobuf.Struct",
            spec=b"",
        )
        folder = create_session_folder(self.root, record, Struct())
        write_atomically(folder.start_record, StartRecord(start_time=CLOCK.now()).to_bytes())
        session = HostedSession(folder, record, HOST_KIND_TRAINING)
        session.begin(CLOCK.now())
        self.table.add(session)
        self.bridges[record.id] = Bridge.create(folder.journal, segment_bytes=2**16, limit_bytes=self._journal_bytes)
        self.written[record.id] = []
        return record.id

    def write(self, name: str, rows: int) -> None:
        """Let a writer write rows, of one metric or of two."""
        for _ in range(rows):
            step = len(self.written[name]) + 1
            metrics = {"loss": step / 7} if step % 3 else {"loss": step / 7, "accuracy": 0.5}
            self.bridges[name].on_epoch(step, metrics)
            self.written[name].append((step, step / 7))

    async def settle(self, index: int) -> None:
        """End a session."""
        name = self._chosen(index)
        if name is None or self.is_settled(name):
            return
        self.bridges[name].close()
        await self.settler.settle(self.session(name), Settlement(Session.STATE_COMPLETED))

    def remove(self, index: int) -> None:
        """Take out a session that has ended."""
        name = self._chosen(index)
        if name is not None and name not in self.removed and self.is_settled(name):
            self.removed.add(name)
            self.table.remove(self.session(name))

    def forget_cursors(self) -> None:
        """Let the host forget all cursors that it has issued."""
        self.feed._known = KnownCursors()

    def session(self, name: str) -> HostedSession:
        """Return a session."""
        session = self.table.get(name)
        assert session is not None
        return session

    def is_settled(self, name: str) -> bool:
        """Tell whether a session has ended."""
        session = self.table.get(name)
        return session is None or session.settled is not None

    def told(self, name: str) -> Session:
        """Return what a reader that is up to date must have been told of a session."""
        return stable(describe(self.session(name), CLOCK.now()))

    def progress(self, name: str) -> Progress:
        """Return what the journal of a session tells somebody who opens it now."""
        reader = JournalReader(self.session(name).folder.journal)
        progress = Progress()
        set_progress(progress, reader.read(max_points=1).progress)
        reader.close()
        return progress

    async def ask(self, request: host_pb2.GetStatusRequest) -> host_pb2.GetStatusResponse:
        """Answer a reader."""
        raw_rows = request.metric_encoding == METRIC_ENCODING_ROWS
        ids = frozenset(request.session_ids)
        return await self.feed.read(StatusQuery(request.cursor, ids, request.page_points, raw_rows))

    async def ask_without_memory(self, request: host_pb2.GetStatusRequest) -> host_pb2.GetStatusResponse:
        """Answer a reader whose cursor the host does not know any more."""
        known, self.feed._known = self.feed._known, KnownCursors()
        try:
            return await self.ask(request)
        finally:
            self.feed._known = known

    def _act_on_live(self, action: str, which: int, amount: int) -> None:
        name = self._chosen(which)
        if name is None or self.is_settled(name):
            return
        session, bridge = self.session(name), self.bridges[name]
        if action == "write":
            self.write(name, amount)
        elif action == "phase":
            bridge.set_phase(f"phase {amount}", total=amount or None, unit="epochs")
        elif action == "wait":
            bridge.wait_reason(f"for {amount}")
        elif action == "worker":
            session.see_worker(WorkerView(list(Liveness)[amount % len(Liveness)], pid=amount))
        elif action == "cancel":
            session.cancel(f"reason {amount}", CLOCK.now())
        elif action == "stage":
            stages = CancelStage.values()
            session.see_cancel(stages[amount % len(stages)], None)

    def _chosen(self, index: int) -> str | None:
        names: Sequence[str] = sorted(self.bridges)
        return names[index % len(names)] if names else None


def stable(message: Session) -> Session:
    """Return a session's message without what depends on when, and to whom, it was told."""
    kept = Session()
    kept.CopyFrom(message)
    for field in ("spec", "metrics", "metric_rows", "reset", "final", "cancel_grace_left", "time_left"):
        kept.ClearField(field)
    kept.progress.ClearField("age")
    kept.progress.ClearField("eta")
    return kept
