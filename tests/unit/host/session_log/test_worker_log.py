"""What a worker's process logs and prints, in a process of its own as it is for workers."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from services.host.folder import SessionFolder
from tests.support.host_service import ROOT


def run(folder: Path, program: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run a program under a WorkerLog; return its exit code, the entries, and what reached descriptors 1 and 2."""
    start = f"""
        import sys, os, logging, threading, warnings, subprocess
        from pathlib import Path
        import structlog
        from services.host.folder import SessionFolder
        from services.host.session_log.worker_log import WorkerLog
        WorkerLog(SessionFolder(Path({str(folder)!r})), 1_000_000).install()
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(start) + dedent(program)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    log = SessionFolder(folder).structured_log
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return done.returncode, [json.loads(line) for line in lines], done.stdout


def test_logging_of_all_kinds_and_prints_are_entries_in_order(tmp_path: Path) -> None:
    code, entries, output = run(
        tmp_path,
        """
        print("one", 1)
        structlog.get_logger("services.x").debug("two", value=2)
        logging.getLogger("library").warning("three %s", 3)
        logging.getLogger("library").debug("not kept")
        structlog.get_logger("other").info("four")
        warnings.warn("five")
        sys.stderr.write("si")
        sys.stderr.write("x\\n\\rdrawn 1 %\\rdrawn 2 %\\n")
        threading.Thread(target=lambda: print("of a thread")).start()
        """,
    )
    assert code == 0
    assert output == ""
    assert [entry["event"].splitlines()[0] for entry in entries] == [
        "one 1",
        "two",
        "three 3",
        "four",
        "<string>:14: UserWarning: five",
        "six",
        "drawn 2 %",
        "of a thread",
    ]
    assert entries[0]["stream"] == "stdout"
    assert (entries[1]["level"], entries[1]["value"]) == ("debug", 2)
    assert entries[4]["level"] == "warning"
    assert entries[5]["stream"] == "stderr"


def test_what_is_printed_below_python_and_by_children_stays_with_the_descriptors(tmp_path: Path) -> None:
    code, entries, output = run(
        tmp_path,
        """
        os.write(1, b"native\\n")
        sys.stdout.buffer.write(b"bytes\\n")
        sys.stdout.buffer.flush()
        subprocess.run(["echo", "child"], stdout=sys.stdout, check=True)
        sys.stdout.reconfigure(line_buffering=True)
        print(sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.name)
        print("unfinished", end="")
        """,
    )
    assert code == 0
    assert output.split() == ["native", "bytes", "child"]
    assert [entry["event"] for entry in entries] == ["utf-8 False <stdout>", "unfinished"]


def test_an_exception_that_nobody_catches_is_an_entry(tmp_path: Path) -> None:
    code, entries, output = run(
        tmp_path,
        """
        def fail():
            raise KeyError("in a thread")
        thread = threading.Thread(target=fail, name="side")
        thread.start()
        thread.join()
        raise ValueError("boom")
        """,
    )
    assert code == 1
    assert output == ""
    in_thread, last = entries
    assert (in_thread["level"], in_thread["thread"]) == ("error", "side")
    assert last["level"] == "critical"
    assert last["exception"].endswith("ValueError: boom")


def test_an_exception_is_printed_where_the_log_cannot_be_written(tmp_path: Path) -> None:
    code, entries, output = run(tmp_path / "missing", 'raise ValueError("boom")')
    assert code == 1
    assert entries == []
    assert output.endswith("ValueError: boom\n")


@pytest.mark.parametrize("end", ["os.abort()", "__import__('ctypes').string_at(0)"])
def test_a_fatal_signal_leaves_its_traceback_with_the_descriptors(tmp_path: Path, end: str) -> None:
    code, entries, output = run(tmp_path, f"print('before')\n{end}")
    assert code < 0
    assert [entry["event"] for entry in entries] == ["before"]
    assert "Fatal Python error" in output
    assert "<module>" in output
