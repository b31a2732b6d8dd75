import gc
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from ktrdr_bridge import BridgeClosed, Cancelled, ForkedBridge, is_alive, open_session, request_stop
from ktrdr_bridge.session_end import exception_text

from services.host.attached.records import AttachedResult
from services.host.records import ResultRecord
from tests.support.recorded_session import RecordedSession, recorded_session, recorded_sessions


def failed_with(session: RecordedSession) -> str:
    """Return the text of the exception that ended a session."""
    assert session.result["outcome"] == "failed"
    return str(session.result["error"]["parameters"]["exception"])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "completed"),
        (Cancelled("enough"), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (ValueError("bad"), "failed"),
        (SystemExit(), "completed"),
        (SystemExit(0), "completed"),
        (SystemExit(3), "failed"),
        (SystemExit("no bars"), "failed"),
        (MemoryError(), "failed"),
    ],
)
def test_a_block_ends_its_session_and_lets_exceptions_go_on(
    error: BaseException | None, outcome: str, tmp_path: Path
) -> None:
    bridge = open_session("x", home=tmp_path)

    def loop() -> None:
        with bridge:
            if error is not None:
                raise error

    if error is None:
        loop()
    else:
        with pytest.raises(type(error)) as caught:
            loop()
        assert caught.value is error
    session = recorded_session(tmp_path)
    assert session.result["outcome"] == outcome
    record = AttachedResult.load(session.folder / "result.json")
    assert record is not None
    assert record.ended_at is not None
    assert abs((datetime.now(UTC) - record.ended_at).total_seconds()) < 60
    assert ResultRecord.load(session.folder / "result.json") is not None
    assert is_alive(session.folder / "alive.lock") is False
    assert not (session.folder / "result.reserved").exists()
    with pytest.raises(BridgeClosed):
        bridge.on_epoch(1, {})


class Unprintable(Exception):
    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no bars for AAPL"), "ValueError: no bars for AAPL"),
        (KeyError("close"), "KeyError: 'close'"),
        (ValueError(), "ValueError"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (ValueError("\udc80"), "ValueError: ?"),
        (ValueError("x" * 500), "ValueError: " + "x" * 187 + "…"),
        (Unprintable(), "Unprintable"),
    ],
)
def test_the_text_of_an_exception_is_one_short_line(error: BaseException, text: str) -> None:
    assert exception_text(error) == text


def test_the_first_end_counts(tmp_path: Path) -> None:
    bridge = open_session("x", home=tmp_path)
    bridge.close("failed", exception="it went wrong")
    bridge.close()
    bridge.close_after(KeyboardInterrupt())
    assert failed_with(recorded_session(tmp_path)) == "it went wrong"


@pytest.mark.parametrize(("looked", "outcome"), [(True, "cancelled"), (False, "completed")])
def test_a_loop_that_saw_the_request_was_cancelled(looked: bool, outcome: str, tmp_path: Path) -> None:
    with open_session("x", home=tmp_path) as bridge:
        assert not bridge.cancelled
        request_stop(recorded_session(tmp_path).folder / "control", reason="enough")
        if looked:
            assert bridge.cancelled
    assert recorded_session(tmp_path).result["outcome"] == outcome


@pytest.mark.parametrize("synchronized", [False, True])
@pytest.mark.parametrize(
    "report",
    [
        "bridge.on_epoch(3, {'loss': 3.0})",
        "bridge.on_batch(3, 9, {'loss': 3.0})",
        "bridge.on_rows(3, rows=9, metrics={'loss': 3.0})",
        "bridge.set_phase('more')",
        "bridge.advance(3)",
        "bridge.wait_reason('bars')",
    ],
)
def test_any_report_raises_once_asked_to(report: str, synchronized: bool, tmp_path: Path) -> None:
    def loop() -> None:
        with open_session("x", home=tmp_path, raise_on_cancel=True, synchronized=synchronized) as bridge:
            for number in (1, 2):  # the second time with compiled code
                bridge.on_epoch(number, {"loss": float(number)})
                bridge.on_batch(number, 9, {"loss": float(number)})
            request_stop(recorded_session(tmp_path).folder / "control", reason="enough", stop="checkpoint")
            eval(report, {"bridge": bridge})

    with pytest.raises(Cancelled, match="enough") as caught:
        loop()
    assert caught.value.stop == "checkpoint"
    session = recorded_session(tmp_path)
    assert session.result["outcome"] == "cancelled"
    assert (session.values("loss")[-1] == 3.0) == ("loss" in report)  # what was reported is kept


def test_a_bridge_that_nobody_has_any_more_is_completed(tmp_path: Path) -> None:
    bridge = open_session("x", home=tmp_path)
    for number in (1, 2):
        bridge.on_epoch(number, {"loss": 1.0})
    del bridge
    gc.collect()
    session = recorded_session(tmp_path)
    assert session.result["outcome"] == "completed"
    assert is_alive(session.folder / "alive.lock") is False


def test_a_forked_child_neither_writes_nor_ends_it(tmp_path: Path) -> None:
    with open_session("x", home=tmp_path) as bridge:
        child = os.fork()
        if not child:
            try:
                bridge.on_epoch(9, {"loss": 9.0})
            except ForkedBridge:
                bridge.close("failed", exception="the child's")
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        session = recorded_session(tmp_path)
        assert session.result == {}
        assert is_alive(session.folder / "alive.lock")
        bridge.on_epoch(1, {"loss": 1.0})
    session = recorded_session(tmp_path)
    assert (session.result["outcome"], session.values("loss")) == ("completed", [1.0])


def run(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has opened a session."""
    return subprocess.run(
        [sys.executable, "-c", f"import ktrdr_bridge\nbridge = ktrdr_bridge.open_session('x')\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "KTRDR_HOME": str(home)},
    )


LOADER = """
import torch
from torch.utils.data import DataLoader

loader = DataLoader(torch.arange(64.0), batch_size=8, num_workers=2, multiprocessing_context="fork")
for epoch in (1, 2):
    for batch in loader:
        pass
    bridge.on_epoch(epoch, {"mean": batch.mean()})
"""
THREADS = """
import threading
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
"""
NOTEBOOK = """
import sys
sys.ps1 = "In [1]: "
sys.last_value = ValueError("a cell that failed")
"""


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("", "completed"),
        ("raise ValueError('no bars')", "failed"),
        ("raise KeyboardInterrupt", "cancelled"),
        ("raise ktrdr_bridge.Cancelled('enough')", "cancelled"),
        ("raise SystemExit(0)", "completed"),
        ("import os; os.fork() or exit(0); os.wait()", "completed"),
        ("import os; os.fork() or 1 / 0; os.wait()", "completed"),
        ("keep = bridge.on_epoch; del bridge; keep(1, {'mean': 1.0})", "completed"),
        (LOADER, "completed"),
        (THREADS, "completed"),  # an error in another thread does not end a script
        (NOTEBOOK, "completed"),  # nor does one of a cell end a notebook
    ],
)
def test_the_end_of_the_process_ends_a_session_that_was_not_closed(script: str, outcome: str, tmp_path: Path) -> None:
    ran = run(tmp_path, script)
    session = recorded_session(tmp_path)
    assert session.result["outcome"] == outcome, ran.stderr
    if script == LOADER:
        assert session.values("mean") == [59.5, 59.5]


def test_an_error_that_was_there_before_is_not_the_sessions(tmp_path: Path) -> None:
    run(tmp_path, "bridge.close(); import sys; sys.last_value = ValueError('old'); ktrdr_bridge.open_session('y')")
    assert [each.result["outcome"] for each in recorded_sessions(tmp_path)] == ["completed", "completed"]


@pytest.mark.parametrize("end", ["import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)"])
def test_a_process_that_just_ends_leaves_no_end(end: str, tmp_path: Path) -> None:
    run(tmp_path, end)
    session = recorded_session(tmp_path)
    assert session.result == {}
    assert is_alive(session.folder / "alive.lock") is False


def test_the_end_needs_no_new_space(tmp_path: Path) -> None:
    with open_session("x", home=tmp_path):
        folder = recorded_session(tmp_path).folder
        reserved = (folder / "result.reserved").stat()
        assert reserved.st_blocks * 512 >= 4_096
    assert (folder / "result.json").stat().st_ino == reserved.st_ino
    assert (folder / "result.json").stat().st_size < 4_096
