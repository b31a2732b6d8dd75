"""The first SIGTERM asks a worker to stop, the second interrupts it, and it can tell the two apart."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.struct_pb2 import Struct

from services.host.creation import create_session_folder
from services.host.records import ResultRecord, SessionRecord

WORKER = """
import os, signal, sys
from pathlib import Path
from services.host.worker import Interrupted, WorkerSession

with WorkerSession.open(Path(sys.argv[1])) as session:
    os.kill(os.getpid(), signal.SIGTERM)
    assert session.bridge.cancelled
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except Interrupted:
        (session.folder / "interrupted").touch()
        raise
"""


def test_the_second_one_interrupts(tmp_path: Path) -> None:
    record = SessionRecord(
        id="one",
        number=1,
        kind="training",
        attempt=1,
        labels={},
        request_id="",
        body_sha256="",
        create_time=datetime(2024, 1, 2, tzinfo=UTC),
        spec_type_url="",
        spec=b"",
    )
    folder = create_session_folder(tmp_path, record, Struct())
    ended = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert (folder.path / "interrupted").exists()
    result = ResultRecord.load(folder.result_record)
    assert result is not None
    assert result.outcome == "cancelled"
