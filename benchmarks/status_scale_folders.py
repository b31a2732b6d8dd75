"""Make the folder of a training host that has finished many sessions and runs many others."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.any_pb2 import Any
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.training.v1 import training_pb2
from ktrdr_bridge import Bridge, JournalReader

from services.host.folder import SessionFolder
from services.host.records import SessionRecord, SettledRecord, StartRecord

METRICS = 8
FINISHED_ROWS = 20
_BEGAN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def event_metrics(step: int) -> dict[str, float]:
    """Return the metrics of one event."""
    return {f"metric_{column}": step + column / METRICS for column in range(METRICS)}


def make_folders(sessions: Path, *, finished: int, live: int) -> list[Path]:
    """Write the folders of sessions.

    Args:
        sessions: Where; made here.
        finished: How many that have ended, each with a journal of 20 rows.
        live: How many that have begun and have not ended.

    Returns:
        The live ones' folders. They have no journal yet.
    """
    sessions.mkdir(parents=True)
    pattern = sessions.parent / "finished-journal"
    with Bridge.create(pattern, segment_bytes=2**16) as bridge:
        bridge.set_phase("train", total=FINISHED_ROWS, unit="epochs")
        for step in range(1, FINISHED_ROWS + 1):
            bridge.on_epoch(step, event_metrics(step))
    reader = JournalReader(pattern)
    end = reader.end()
    reader.close()
    for number in range(1, finished + 1):
        folder, record = _begin(sessions, number)
        os.link(pattern, folder.journal)
        folder.settled_record.write_bytes(
            SettledRecord(
                state="STATE_COMPLETED",
                end_time=record.create_time + timedelta(hours=1),
                finish_number=number,
                incarnation=end.incarnation,
                rows=end.seq,
                session=_final(record, end.incarnation).SerializeToString(deterministic=True),
            ).to_bytes()
        )
    return [_begin(sessions, finished + number)[0].path for number in range(1, live + 1)]


def _begin(sessions: Path, number: int) -> tuple[SessionFolder, SessionRecord]:
    spec = Any()
    spec.Pack(training_pb2.TrainingSpec(strategy="name: scale\n" * 40), deterministic=True)
    record = SessionRecord(
        id=f"op-{number:024x}-1",
        number=number,
        kind="training",
        attempt=1,
        labels={"team": "research", "strategy": "neuro_mean_reversion"},
        request_id="",
        body_sha256="",
        create_time=_BEGAN + timedelta(minutes=number),
        spec_type_url=spec.type_url,
        spec=spec.value,
    )
    folder = SessionFolder(sessions / record.id)
    folder.path.mkdir()
    folder.session_record.write_bytes(record.to_bytes())
    folder.spec.write_text("{}")
    folder.start_record.write_bytes(StartRecord(start_time=record.create_time).to_bytes())
    return folder, record


def _final(record: SessionRecord, incarnation: str) -> Session:
    message = Session(
        id=record.id,
        kind=HostKind.HOST_KIND_TRAINING,
        state=Session.STATE_COMPLETED,
        attempt=1,
        labels=record.labels,
        incarnation=incarnation,
        worker_liveness=Session.WORKER_LIVENESS_ENDED,
    )
    message.create_time.FromDatetime(record.create_time)
    message.start_time.FromDatetime(record.create_time)
    message.end_time.FromDatetime(record.create_time + timedelta(hours=1))
    message.update_time.CopyFrom(message.end_time)
    message.progress.phase, message.progress.completed, message.progress.total = "train", FINISHED_ROWS, FINISHED_ROWS
    message.progress.unit, message.progress.fraction = "epochs", 1.0
    message.result.Pack(training_pb2.TrainingResult(epochs=FINISHED_ROWS))
    return message
