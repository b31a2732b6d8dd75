"""What the handler of a session's log writes, and what it leaves alone."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from services.host.session_log.entries import ROTATED, TEXT_LIMIT, entry_formatter, printed_record
from services.host.session_log.handler import SessionLogHandler, handling


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.session_log")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.propagate = True


def write_and_end(logger: logging.Logger, times: int) -> None:
    """Write as a forked child, which must not come back into the test."""
    try:
        for _ in range(times):
            logger.info("child")
    finally:
        os._exit(0)


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_entry_has_time_level_event_and_fields(path: Path, logger: logging.Logger) -> None:
    with handling(logger, SessionLogHandler(path, 1_000_000)):
        logger.info("read %d bars", 7, extra={"symbol": "AAPL"})
    (entry,) = entries(path)
    assert list(entry)[:3] == ["time", "level", "event"]
    assert entry["event"] == "read 7 bars"
    assert (entry["level"], entry["symbol"], entry["logger"]) == ("info", "AAPL", "tests.session_log")
    assert entry["time"].endswith("Z")
    assert len(entry["time"]) == len("2026-01-02T03:04:05.678901Z")


def test_values_that_json_does_not_know_become_ones_that_it_does(path: Path, logger: logging.Logger) -> None:
    circle: list[object] = []
    circle.append(circle)
    values = {
        "infinite": float("inf"),
        "scalar": np.float32(0.5),
        "array": np.zeros(3),
        "deep": {"a": [float("nan")], 3: Path("/x")},
        "circle": circle,
        "time": "mine",
    }
    with handling(logger, SessionLogHandler(path, 1_000_000)):
        logger.warning("odd", extra=values)
    (entry,) = entries(path)
    assert (entry["infinite"], entry["scalar"], entry["time_"]) == ("inf", 0.5, "mine")
    assert "0." in entry["array"]
    assert "nan" in entry["deep"]
    assert "..." in entry["circle"]


def test_exceptions_and_long_texts_are_kept_within_bounds(path: Path, logger: logging.Logger) -> None:
    with handling(logger, SessionLogHandler(path, 1_000_000)):
        logger.error("failed", exc_info=ValueError("boom"))
        logger.info("x" * (TEXT_LIMIT + 5))
    failed, long = entries(path)
    assert failed["exception"].endswith("ValueError: boom")
    assert failed["level"] == "error"
    assert long["event"].endswith("… (5 more characters)")


def test_a_printed_percent_sign_is_no_placeholder(path: Path) -> None:
    handler = SessionLogHandler(path, 1_000_000)
    handler.handle(printed_record("stderr", "100% of %s"))
    handler.close()
    (entry,) = entries(path)
    assert (entry["event"], entry["stream"], entry["level"]) == ("100% of %s", "stderr", "warning")
    assert "logger" not in entry


def test_fields_that_say_nothing_are_left_out() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, {"event": "e", "session_id": "s", "a": 1}, None, None)
    record.__dict__.update(_logger=structlog.get_logger(), _name="info")
    line = entry_formatter(frozenset({"session_id"})).format(record)
    assert set(json.loads(line)) == {"time", "level", "event", "a"}


def test_rotation_keeps_one_older_file_and_says_so(path: Path, logger: logging.Logger) -> None:
    with handling(logger, SessionLogHandler(path, 4_000)):
        for number in range(200):
            logger.info("entry", extra={"number": number})
    assert sorted(file.name for file in path.parent.iterdir()) == ["log.jsonl", "log.jsonl.1"]
    older, newer = entries(path.with_name("log.jsonl.1")), entries(path)
    assert older[0]["event"] == newer[0]["event"] == ROTATED
    numbers = [entry["number"] for entry in older[1:] + newer[1:]]
    assert numbers == list(range(numbers[0], 200))
    assert all(file.stat().st_size <= 4_100 for file in path.parent.iterdir())


def test_a_line_that_an_earlier_life_left_half_is_ended(path: Path, logger: logging.Logger) -> None:
    path.write_text('{"time": "20')
    with handling(logger, SessionLogHandler(path, 1_000_000)):
        logger.info("next")
    half, whole = path.read_text().splitlines()
    assert half == '{"time": "20'
    assert json.loads(whole)["event"] == "next"


def test_a_log_that_cannot_be_written_disturbs_nobody_and_recovers(tmp_path: Path, logger: logging.Logger) -> None:
    path = tmp_path / "missing" / "log.jsonl"
    handler = SessionLogHandler(path, 1_000_000)
    with handling(logger, handler):
        failed = []
        for _ in range(2):
            logger.info("an event")
            failed.append(handler.failed)
            path.parent.mkdir(exist_ok=True)
    assert failed == [True, False]
    assert len(entries(path)) == 1


def test_a_full_disk_disturbs_nobody(logger: logging.Logger) -> None:
    handler = SessionLogHandler(Path("/dev/full"), 1_000_000)
    with handling(logger, handler):
        for _ in range(2_000):
            logger.info("lost")
        assert handler.failed


def test_a_forked_child_writes_but_does_not_rotate(path: Path, logger: logging.Logger) -> None:
    handler = SessionLogHandler(path, 2_000)
    with handling(logger, handler):
        logger.info("parent")
        child = os.fork()
        if child == 0:
            write_and_end(logger, 50)
        os.waitpid(child, 0)
    assert [file.name for file in path.parent.iterdir()] == ["log.jsonl"]
    assert [entry["event"] for entry in entries(path)] == ["parent"] + ["child"] * 50
