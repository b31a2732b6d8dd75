"""What processes write into the folders of their sessions is theirs: whatever is there, the host goes on."""

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import open_session

from services.host.attached.evidence import judge_attached, look
from services.host.attached.scan import scan
from services.host.folder import SessionFolder
from services.host.runner import Liveness
from tests.support.accepted_sessions import session_record

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TIMES = st.builds("{:%Y-%m-%dT%H:%M:%S}{}".format, st.datetimes(), st.sampled_from(["", "Z", "+14:00", "-14:00"]))
OPENED = {"id": "x", "pid": 7, "create_time": "2024-01-02T00:00:00Z"}


@settings(deadline=None)  # files take their time
@given(
    st.binary(max_size=50)
    | st.fixed_dictionaries(
        {},
        optional={
            "id": st.just("x") | JSON,
            "pid": st.integers(0, 2**40) | JSON,
            "create_time": TIMES | JSON,
            "labels": JSON,
            "display_name": JSON,
        },
    ).map(lambda content: json.dumps(OPENED | content).encode())
)
def test_whatever_tells_who_opened_a_session(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "x").mkdir()
        (Path(folder) / "x" / "attached.json").write_bytes(content)
        found = scan(Path(folder), seen={}, live=())
        assert found.unusable == ([] if found.new else ["x"])
        for session in found.new:
            Timestamp().FromDatetime(session.opened.create_time)
            Session(id=session.opened.id, labels=session.opened.labels, worker_pid=session.opened.pid)


@settings(deadline=None)  # files take their time
@given(
    st.binary(max_size=50)
    | st.fixed_dictionaries(
        {"outcome": st.sampled_from(["completed", "cancelled", "failed"]) | JSON},
        optional={
            "ended_at": TIMES | JSON,
            "error": JSON
            | st.fixed_dictionaries(
                {"reason": st.sampled_from(["ATTACHED_WORK_FAILED", "QUEUE_FULL", "no such thing"])},
                optional={"parameters": st.dictionaries(st.sampled_from(["exception", "reason", "detail"]), JSON)},
            ),
        },
    ).map(lambda content: json.dumps(content).encode())
)
def test_whatever_tells_how_it_ended(content: bytes) -> None:
    with TemporaryDirectory() as name:
        with open_session("x", home=name, session_id="x"):
            pass
        folder = SessionFolder(Path(name) / "local" / "training" / "x")
        folder.result_record.write_bytes(content)
        assert look(folder, 7).liveness is Liveness.ENDED
        settlement = judge_attached(folder, pid=7, cancel_reason=None, seen_alive=False)
        assert settlement.state in {Session.STATE_COMPLETED, Session.STATE_CANCELLED, Session.STATE_FAILED}
        assert (settlement.error is None) == (settlement.state == Session.STATE_COMPLETED)
        if settlement.end_time is not None:
            Timestamp().FromDatetime(settlement.end_time)


def test_the_text_of_an_exception_that_is_too_long_is_cut(tmp_path: Path) -> None:
    with open_session("x", home=tmp_path, session_id="x") as bridge:
        bridge.close("failed", exception="x" * 5_000)
    folder = SessionFolder(tmp_path / "local" / "training" / "x")
    error = judge_attached(folder, pid=7, cancel_reason=None, seen_alive=True).error
    assert error is not None
    info = error_details_pb2.ErrorInfo()
    assert error.details[0].Unpack(info)
    assert info.metadata["exception"] == "x" * 300


@pytest.mark.parametrize("known", [False, True])
def test_a_copy_of_a_folder_is_no_session(known: bool, tmp_path: Path) -> None:
    root = tmp_path / "local" / "training"
    open_session("x", home=tmp_path, session_id="x").close()
    if known:
        record = session_record(id="x", attached=True)
        (root / "x" / "session.json").write_bytes(record.to_bytes())
    shutil.copytree(root / "x", root / "x copy")
    shutil.copytree(root / "x", root / "backup")
    found = scan(root, seen={}, live=())
    assert (len(found.known), len(found.new)) == ((1, 0) if known else (0, 1))
    assert sorted(found.unusable) == ["backup", "x copy"]


def test_what_a_process_left_that_died_while_it_opened_one_is_removed_later(tmp_path: Path) -> None:
    old, young = tmp_path / ".new-old", tmp_path / ".new-young"
    for path in (old, young):
        path.mkdir()
        (path / "alive.lock").write_bytes(b"")
    os.utime(old, (0, 0))
    assert scan(tmp_path, seen={}, live=()).marks == {}
    assert (old.exists(), young.exists()) == (False, True)
