import errno
import json
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import request_stop

from services.common.errors import FieldViolation, ServiceError, error_info
from services.host.folder import SessionFolder
from services.host.outcome import write_cancelled, write_completed, write_failed
from services.host.settlement import Settlement, judge
from services.host.stop_cause import HOST_STOP, TIME_LIMIT

ENDED = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return SessionFolder(tmp_path)


def exited(session: SessionFolder, code: int | None, signal_number: int | None = None) -> None:
    record = {"code": code, "signal": signal_number, "max_rss_bytes": 1, "ended_at": ENDED.isoformat()}
    session.exit_record.write_text(json.dumps(record))


def reason(settlement: Settlement) -> str:
    assert settlement.error is not None
    info = error_info(settlement.error)
    assert info is not None
    return str(info.reason)


def result_of(text: str) -> Struct:
    struct = Struct()
    struct.update({"text": text})
    return struct


@pytest.mark.parametrize(
    ("code", "number", "expected", "named"),
    [
        (3, None, "WORKER_EXITED", "exit code 3"),
        (0, None, "WORKER_EXITED", "exit code 0"),
        (None, int(signal.SIGKILL), "WORKER_KILLED", "SIGKILL"),
        (None, int(signal.SIGSEGV), "WORKER_KILLED", "SIGSEGV"),
        (None, 250, "WORKER_KILLED", "signal 250"),
    ],
)
def test_the_exit_says_why_there_is_no_result(
    session: SessionFolder, code: int | None, number: int | None, expected: str, named: str
) -> None:
    exited(session, code, number)
    settlement = judge(session, cancel_reason=None)
    assert settlement.state == Session.STATE_FAILED
    assert reason(settlement) == expected
    assert settlement.error is not None
    assert named in settlement.error.message
    assert settlement.end_time == ENDED


def test_no_evidence_at_all_is_a_lost_worker(session: SessionFolder) -> None:
    settlement = judge(session, cancel_reason=None)
    assert (settlement.state, reason(settlement), settlement.end_time) == (Session.STATE_FAILED, "WORKER_LOST", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_asked_to_stop_and_ended_by_our_signals_is_cancelled(session: SessionFolder, number: int) -> None:
    exited(session, None, number)
    settlement = judge(session, cancel_reason="enough")
    assert (settlement.state, reason(settlement)) == (Session.STATE_CANCELLED, "CANCELLED")
    assert settlement.error is not None
    assert "enough" in settlement.error.message


def test_a_crash_after_a_request_to_stop_is_still_a_crash(session: SessionFolder) -> None:
    exited(session, None, signal.SIGSEGV)
    assert judge(session, cancel_reason="enough").state == Session.STATE_FAILED


@pytest.mark.parametrize("cancel_reason", [None, "enough"])
def test_the_result_counts_whatever_happened_to_the_process(session: SessionFolder, cancel_reason: str | None) -> None:
    write_completed(session, result_of("done"))
    exited(session, None, signal.SIGKILL)
    settlement = judge(session, cancel_reason=cancel_reason)
    assert settlement.state == Session.STATE_COMPLETED
    assert settlement.error is None
    unpacked = Struct()
    assert settlement.result is not None
    assert settlement.result.Unpack(unpacked)
    assert unpacked["text"] == "done"


def test_the_first_word_on_the_end_is_the_one_that_counts(session: SessionFolder) -> None:
    write_completed(session, result_of("done"))
    write_cancelled(session, None)
    assert judge(session, cancel_reason="late").state == Session.STATE_COMPLETED


def test_a_refusal_keeps_its_reason_parameters_and_fields(session: SessionFolder) -> None:
    error = ServiceError(
        ErrorReason.ERROR_REASON_TOO_FEW_BARS, fields=[FieldViolation("a.b", "short")], available=3, needed=9
    )
    write_failed(session, error, result_of("partial"))
    settlement = judge(session, cancel_reason=None)
    assert settlement.state == Session.STATE_FAILED
    assert settlement.error == error.status()
    assert settlement.result is not None


def test_a_reason_that_is_not_known_here_is_still_a_failure(session: SessionFolder) -> None:
    session.result_record.write_text('{"outcome": "failed", "error": {"reason": "FROM_THE_FUTURE"}}')
    assert judge(session, cancel_reason=None).state == Session.STATE_FAILED


def test_a_result_of_an_unknown_type_is_left_out(session: SessionFolder) -> None:
    session.result_record.write_text(
        '{"outcome": "completed", "result": {"@type": "type.googleapis.com/no.Such", "a": 1}}'
    )
    settlement = judge(session, cancel_reason=None)
    assert (settlement.state, settlement.result) == (Session.STATE_COMPLETED, None)


def test_a_worker_that_was_told_to_stop_by_somebody_else_names_why(session: SessionFolder) -> None:
    request_stop(session.control, reason="the machine goes down")
    write_cancelled(session, None)
    settlement = judge(session, cancel_reason=None)
    assert settlement.error is not None
    assert "the machine goes down" in settlement.error.message


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


def cut(path: Path) -> None:
    path.write_text('{"outcome":')


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


DAMAGES = [garbage, cut, folder, loop]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["result.json", "exit.json"])
def test_a_record_of_the_end_that_is_none_is_told_with_its_path(
    session: SessionFolder, damage: Callable[[Path], None], name: str
) -> None:
    damage(session.path / name)
    settlement = judge(session, cancel_reason=None)
    assert (settlement.state, reason(settlement)) == (Session.STATE_FAILED, "STORE_CORRUPT")
    assert settlement.error is not None
    assert str(session.path / name) in settlement.error.message


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_result_counts_whatever_became_of_the_exit_record(
    session: SessionFolder, damage: Callable[[Path], None]
) -> None:
    write_completed(session, result_of("done"))
    damage(session.exit_record)
    assert judge(session, cancel_reason=None).state == Session.STATE_COMPLETED


def test_what_cannot_be_seen_now_is_no_evidence(session: SessionFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_completed(session, result_of("done"))

    def stale(_: Path) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "read_bytes", stale)
    with pytest.raises(OSError, match="Stale"):
        judge(session, cancel_reason=None)


@pytest.mark.parametrize(
    ("scope", "words"), [("group", "The kernel ended it for want of memory"), ("machine", "most likely this one")]
)
def test_a_kill_by_the_kernel_for_want_of_memory_is_told_from_other_kills(
    session: SessionFolder, scope: str, words: str
) -> None:
    record = {"code": None, "signal": 9, "max_rss_bytes": 3 * 2**29, "ended_at": ENDED.isoformat(), "oom_kills": 1}
    session.exit_record.write_text(json.dumps({**record, "oom_scope": scope}))
    settlement = judge(session, cancel_reason=None)
    assert reason(settlement) == "WORKER_OUT_OF_MEMORY"
    assert settlement.error is not None
    assert "1.5 GiB" in settlement.error.message
    assert words in settlement.error.message


@pytest.mark.parametrize(("code", "number"), [(1, None), (None, 11)])
def test_a_memory_limit_that_may_have_been_too_low_is_named(
    session: SessionFolder, code: int | None, number: int | None
) -> None:
    record = {"code": code, "signal": number, "max_rss_bytes": 1, "ended_at": ENDED.isoformat()}
    session.exit_record.write_text(json.dumps({**record, "memory_limit_bytes": 200 * 2**20}))
    settlement = judge(session, cancel_reason=None)
    assert settlement.error is not None
    assert "limited to 200 MiB of memory" in settlement.error.message


def test_a_worker_that_could_not_write_its_end_points_to_the_disk(session: SessionFolder) -> None:
    exited(session, os.EX_IOERR)
    settlement = judge(session, cancel_reason=None)
    assert reason(settlement) == "STORAGE_FULL"


@pytest.mark.parametrize("ended_by", ["itself", "SIGTERM", "nothing known"])
@pytest.mark.parametrize(
    ("cause", "state", "expected"),
    [
        (TIME_LIMIT, Session.STATE_FAILED, "TIME_LIMIT"),
        (HOST_STOP, Session.STATE_CANCELLED, "HOST_STOPPED"),
        ("", Session.STATE_CANCELLED, "CANCELLED"),
    ],
)
def test_what_made_the_host_ask_for_the_stop_is_the_reason_of_the_end(
    session: SessionFolder, ended_by: str, cause: str, state: Session.State.ValueType, expected: str
) -> None:
    if ended_by == "itself":
        write_cancelled(session, result_of("partial"))
        exited(session, 0)
    elif ended_by == "SIGTERM":
        exited(session, None, signal.SIGTERM)
    settlement = judge(session, cancel_reason="because", cause=cause, time_limit=timedelta(hours=1.5))
    assert (settlement.state, reason(settlement)) == (state, expected)
    assert (settlement.result is not None) == (ended_by == "itself")
    assert settlement.error is not None
    if cause == TIME_LIMIT:
        assert "1:30:00 h" in settlement.error.message


def test_the_end_of_the_log_comes_along_within_bounds(session: SessionFolder) -> None:
    session.log.write_text("".join(f"line {number} {'x' * 300}\n" for number in range(100)) + "the last\n")
    exited(session, 1)
    error = judge(session, cancel_reason=None).error
    assert error is not None
    debug = error_details_pb2.DebugInfo()
    assert error.details[-1].Unpack(debug)
    assert debug.stack_entries[-1] == "the last"
    assert len(debug.stack_entries) <= 20
    assert sum(map(len, debug.stack_entries)) <= 4_096
    assert debug.stack_entries[0].startswith("line ")
