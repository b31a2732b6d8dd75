"""The first SIGTERM asks a worker to stop, the second interrupts it, and it can tell the two apart."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

from services.host.creation import create_session_folder
from services.host.folder import SessionFolder
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


AT_BOTH_ENDS = """
import signal, sys
from pathlib import Path
from ktrdr_bridge import Cancelled, request_stop
from services.host import worker

folder, moment = Path(sys.argv[1]), sys.argv[2]
request_stop(folder / "control", reason="enough")

def terminate(*_, **__):
    signal.raise_signal(signal.SIGTERM)

session = worker.WorkerSession.open(folder)
if moment == "begin":
    session._logger.info = terminate  # called once the session is all but entered
with session:
    if moment == "end":
        ignore = worker.signal.signal
        worker.signal.signal = lambda *what: (terminate(), ignore(*what))  # the first thing that its end does
    raise Cancelled("enough")
"""


def run(code: str, folder: SessionFolder, *arguments: str) -> int:
    """Run a worker, and return its exit code."""
    return subprocess.run(
        [sys.executable, "-c", code, str(folder.path), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    ).returncode


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return create_session_folder(tmp_path, session_record(), Struct())


def outcome(folder: SessionFolder) -> str | None:
    result = ResultRecord.load(folder.result_record)
    return None if result is None else result.outcome


def test_the_second_one_interrupts(folder: SessionFolder) -> None:
    assert run(WORKER, folder) == 0
    assert (folder.path / "interrupted").exists()
    assert outcome(folder) == "cancelled"


def test_one_that_comes_before_the_work_ends_the_process(folder: SessionFolder) -> None:
    assert run(AT_BOTH_ENDS, folder, "begin") == -signal.SIGTERM
    assert outcome(folder) is None


def test_one_that_comes_when_the_work_is_over_changes_nothing(folder: SessionFolder) -> None:
    assert run(AT_BOTH_ENDS, folder, "end") == 0
    assert outcome(folder) == "cancelled"
