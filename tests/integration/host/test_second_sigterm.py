"""The first SIGTERM asks a worker to stop, the second interrupts it, and it can tell the two apart."""

import os
import subprocess
import sys
from pathlib import Path

from google.protobuf.struct_pb2 import Struct

from services.host.creation import create_session_folder
from services.host.records import ResultRecord
from tests.support.accepted_sessions import session_record

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
    folder = create_session_folder(tmp_path, session_record(), Struct())
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
