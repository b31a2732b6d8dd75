"""Reading a session's log: every line once, in order, whatever is written, rotated or trimmed meanwhile."""

import itertools
import json
import logging
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1 import host_pb2

from services.common.errors import ServiceError
from services.host.folder import SessionFolder
from services.host.log_tail import log_tail
from services.host.session_log.handler import SessionLogHandler, handling
from services.host.session_log.lines import CHUNK_BYTES
from services.host.session_log.offset import LogPosition
from services.host.session_log.reader import LogPart, LogReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = LogPosition()


class Log:
    """A session's log, written by hand."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.folder = SessionFolder(path)
        self.reader = LogReader(self.folder, threading.Lock())

    def entry(self, event: str, *, seconds: float = 0, level: str = "info", **fields: object) -> None:
        time = (NOON + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
        self.raw(json.dumps({"time": time, "level": level, "event": event, **fields}) + "\n")

    def raw(self, text: str) -> None:
        with self.folder.structured_log.open("a") as file:
            file.write(text)

    def output(self, text: str, *, seconds: float = 0) -> None:
        with self.folder.log.open("a", newline="") as file:
            file.write(text)
        at = (NOON + timedelta(seconds=seconds)).timestamp()
        os.utime(self.folder.log, (at, at))

    def rotate(self) -> None:
        self.folder.structured_log.replace(self.folder.structured_log.with_name("log.jsonl.1"))
        self.raw(json.dumps({"time": NOON.isoformat(), "level": "debug", "event": "log_rotated", "n": next(NUMBERS)}))
        self.raw("\n")

    def parts(self, position: LogPosition = START, *, ended: bool = False) -> Iterator[LogPart]:
        while True:
            part = self.reader.read(position, ended=ended)
            yield part
            position = part.position
            if not part.more:
                return

    def all(self, position: LogPosition = START, *, ended: bool = False) -> tuple[list[str], LogPosition, bool]:
        parts = list(self.parts(position, ended=ended))
        texts = [line.message.text for part in parts for line in part.lines]
        return texts, parts[-1].position, any(part.dropped for part in parts)


NUMBERS = itertools.count()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "session")


def test_an_entry_becomes_a_line_with_all_that_belongs_to_it(log: Log) -> None:
    log.entry("bars_read", level="warning", symbol="AAPL", rows=7, deep={"a": [1]}, none=None)
    (part,) = log.parts()
    (line,) = part.lines
    assert line.message == host_pb2.LogLine(
        time=Timestamp(seconds=int(NOON.timestamp())),
        level=host_pb2.LOG_LEVEL_WARNING,
        source=host_pb2.LOG_SOURCE_LOG,
        text="bars_read",
        fields={"symbol": "AAPL", "rows": "7", "deep": '{"a": [1]}', "none": "null"},
    )


def test_a_print_has_a_time_but_no_level(log: Log) -> None:
    log.entry("hello", stream="stderr", level="warning")
    (part,) = log.parts()
    message = part.lines[0].message
    assert (message.source, message.level) == (host_pb2.LOG_SOURCE_OUTPUT, host_pb2.LOG_LEVEL_UNSPECIFIED)
    assert message.HasField("time")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1, 2]",
        '{"no": "event"}',
        '{"time": "20',
        "[" * 5_000,
        '{"event": "' + "x" * 70_000 + '"}',
        "\x00\xff",
    ],
)
def test_a_line_that_is_no_entry_is_shown_as_it_is(log: Log, text: str) -> None:
    log.raw(f"{text}\n")
    log.entry("next")
    texts, _, dropped = log.all()
    assert texts[0][:20] == text[:20]
    assert len(texts[0]) < 17_000
    assert texts[1:] == ["next"]
    assert not dropped


@pytest.mark.parametrize("time", ["yesterday", 7, None, "0001-01-01T00:00:00+14:00", {"a": 1}])
def test_an_odd_time_or_level_is_left_out(log: Log, time: object) -> None:
    log.raw(json.dumps({"time": time, "level": ["odd"], "event": {"not": "a text"}, "half": "\ud800"}) + "\n")
    (part,) = log.parts()
    message = part.lines[0].message
    assert not message.HasField("time")
    assert message.level == host_pb2.LOG_LEVEL_UNSPECIFIED
    assert message.text == '{"not": "a text"}'
    assert message.fields["half"] == "\\ud800"


def test_only_lines_of_the_level_and_those_without_one(log: Log) -> None:
    reader = LogReader(log.folder, threading.Lock(), host_pb2.LOG_LEVEL_WARNING)
    for level in ("debug", "info", "warning", "error", "critical"):
        log.entry(level, level=level)
    log.entry("print", level="info", stream="stdout")
    log.output("native\n", seconds=1)
    lines = reader.read(START, ended=False).lines
    assert [line.message.text for line in lines] == ["warning", "error", "critical", "print", "native"]


def test_output_comes_before_the_first_entry_that_is_younger(log: Log) -> None:
    log.entry("first", seconds=0)
    log.output("printed\n", seconds=1.5)
    log.entry("second", seconds=1)
    log.entry("third", seconds=2)
    texts, position, _ = log.all()
    assert texts == ["first", "second", "printed", "third"]
    log.output("later\n", seconds=3)
    assert log.all(position)[0] == ["later"]


def test_a_line_is_told_when_it_is_complete_or_nobody_writes_any_more(log: Log) -> None:
    log.entry("whole")
    log.raw('{"event": "ha')
    log.output("no end")
    texts, position, _ = log.all()
    assert texts == ["whole"]
    log.raw('lf"}\n')
    texts, position, _ = log.all(position)
    assert texts == ["half"]
    texts, position, _ = log.all(position, ended=True)
    assert texts == ["no end"]
    assert log.all(position, ended=True)[0] == []


def test_a_line_drawn_again_and_again_is_shown_as_it_was_last(log: Log) -> None:
    log.output("\r 1 %\r 2 %\r 3 %\nwindows\r\n\n")
    assert log.all()[0] == [" 3 %", "windows", ""]


def test_a_line_longer_than_a_chunk_is_cut_and_the_next_one_is_found(log: Log) -> None:
    log.output("a" * (3 * CHUNK_BYTES) + "\nnext\n")
    texts, position, _ = log.all()
    assert texts[0].startswith("aaa")
    assert texts[0].endswith("… (and more)")
    assert texts[1:] == ["next"]
    assert log.all(position)[0] == []


def test_reading_goes_on_over_a_rotation(log: Log) -> None:
    log.entry("a")
    _, position, dropped = log.all()
    assert not dropped
    log.entry("b")
    log.rotate()
    log.entry("c")
    texts, position, dropped = log.all(position)
    assert (texts, dropped) == (["b", "c"], False)
    log.rotate()
    assert log.all(position)[0] == []


def test_what_rotation_has_removed_is_told(log: Log) -> None:
    log.entry("a")
    _, position, _ = log.all()
    log.rotate()
    log.entry("b")
    log.rotate()
    log.entry("c")
    assert log.all(position)[::2] == (["b", "c"], True)
    texts, position, dropped = log.all()
    assert (texts, dropped) == (["b", "c"], True)
    assert not log.all(position)[2]


def test_nothing_was_removed_as_long_as_the_first_file_is_there(log: Log) -> None:
    log.entry("a")
    log.rotate()
    log.entry("b")
    assert log.all()[::2] == (["a", "b"], False)


def test_an_empty_log_and_a_missing_folder_have_no_lines(log: Log, tmp_path: Path) -> None:
    assert log.all() == ([], START, False)
    missing = LogReader(SessionFolder(tmp_path / "missing"), threading.Lock())
    assert missing.read(START, ended=True).lines == []
    assert missing.tail(5) == START


def test_trimmed_output_is_read_on_without_a_gap(log: Log) -> None:
    log.output("".join(f"line {number}\n" for number in range(100)))
    _, position, _ = log.all()
    log.output("after\n")
    assert log.reader.output.trim(500)
    assert log.folder.log.stat().st_size == 0
    log.output("new\n")
    assert log.all(position)[::2] == (["after", "new"], False)
    texts, _, dropped = log.all()
    assert dropped
    assert texts[-2:] == ["after", "new"]
    assert texts[0].startswith("line ")
    assert len(texts) > 40


def test_output_below_the_limit_is_not_trimmed(log: Log) -> None:
    assert not log.reader.output.trim(10)
    log.output("one\nthree\n")
    assert not log.reader.output.trim(10)
    assert log.all()[::2] == (["one", "three"], False)
    assert log.reader.output.trim(9)
    assert log.all()[::2] == (["three"], True)


def test_a_writer_that_appends_goes_on_at_the_new_end(log: Log) -> None:
    descriptor = os.open(log.folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"old line\n" * 100)
    log.reader.output.trim(100)
    os.write(descriptor, b"new line\n")
    os.close(descriptor)
    assert log.folder.log.read_bytes() == b"new line\n"


def test_output_that_somebody_else_has_emptied_is_read_from_its_start(log: Log) -> None:
    log.output("a long line\n")
    _, position, _ = log.all()
    log.folder.log.write_bytes(b"")
    log.output("new\n")
    assert log.all(position)[0] == ["new"]


def test_a_damaged_head_of_trimmed_output_loses_no_line(log: Log) -> None:
    log.output("kept\n" * 10)
    log.reader.output.trim(10)
    before = log.folder.log.with_name("worker.log.1")
    before.write_bytes(b"#" * 127 + b"\n" + before.read_bytes()[128:])
    log.output("new\n")
    texts = log.all()[0]
    assert set(texts) == {"kept", "new"}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 100])
def test_the_tail_has_that_many_lines(log: Log, count: int) -> None:
    log.entry("a", seconds=0)
    log.entry("b", seconds=1)
    log.output("x\ny\n", seconds=1)
    log.entry("c", seconds=2)
    log.rotate()
    log.entry("d", seconds=3)
    whole = ["a", "b", "x", "y", "c", "d"]
    assert log.all()[0] == whole
    position = log.reader.tail(count)
    assert log.all(position)[0] == whole[-count:]
    assert [line.text for line in log.reader.last(count)] == whole[-count:]


def test_the_tail_counts_lines_that_are_wanted(log: Log) -> None:
    for number in range(5_000):
        log.entry(f"e{number}", level="error" if number % 1_000 == 0 else "info", pad="x" * 50)
    reader = LogReader(log.folder, threading.Lock(), host_pb2.LOG_LEVEL_ERROR)
    first = reader.read(reader.tail(2), ended=False)
    rest = reader.read(first.position, ended=False)
    assert [line.message.text for line in first.lines + rest.lines] == ["e3000", "e4000"]


def test_the_end_of_the_log_tells_entries_output_and_tracebacks(log: Log) -> None:
    log.entry("epoch_ended", epoch=3)
    log.output("native\n", seconds=0.5)
    log.entry("exception_not_caught", level="critical", exception="Traceback:\nValueError: boom", seconds=1)
    assert log_tail(log.folder) == [
        "2026-03-01T12:00:00.000Z INFO epoch_ended epoch=3",
        "native",
        "2026-03-01T12:00:01.000Z CRITICAL exception_not_caught",
        "Traceback:",
        "ValueError: boom",
    ]
    for number in range(50):
        log.entry("x" * 3_000, seconds=2, number=number)
    tail = log_tail(log.folder)
    assert 3 <= len(tail) <= 20
    assert sum(map(len, tail)) <= 4_096


def test_offsets_survive_the_way_to_a_client_and_back() -> None:
    position = LogPosition(b"12345678", 2**40, 7)
    assert LogPosition.decode(position.encode("s"), "s") == position


@pytest.mark.parametrize("change", ["", "x", "äöü", "AAAA", "A" * 44, "one letter", "other session", "cut"])
def test_offsets_that_were_not_made_by_this_log_are_refused(change: str) -> None:
    good = LogPosition(b"12345678", 5, 7).encode("s")
    bad = {
        "one letter": good[:10] + ("A" if good[10] != "A" else "B") + good[11:],
        "other session": LogPosition(b"12345678", 5, 7).encode("t"),
        "cut": good[:-4],
    }.get(change, change)
    with pytest.raises(ServiceError, match="offset was not made by this log"):
        LogPosition.decode(bad, "s")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(1, 40)),
        st.tuples(st.just("print"), st.integers(1, 40)),
        st.just(("trim", 0)),
        st.just(("read", 0)),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_a_reader_that_keeps_up_gets_every_line_once_and_one_that_does_not_is_told(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    logger = logging.getLogger("tests.random_log")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logged: list[str] = []
    printed: list[str] = []
    read: list[str] = []
    position, gap = START, False
    with handling(logger, SessionLogHandler(log.folder.structured_log, 1_500)):
        for what, count in [*steps, ("read", 0)]:
            if what == "log":
                for _ in range(count):
                    logged.append(f"logged {len(logged)}")
                    logger.info(logged[-1])
            elif what == "print":
                for _ in range(count):
                    printed.append(f"printed {len(printed)}")
                    log.output(printed[-1] + "\n")
            elif what == "trim":
                log.reader.output.trim(200)
            else:
                texts, position, dropped = log.all(LogPosition.decode(position.encode("s"), "s"))
                read += texts
                gap = gap or dropped
    for written in (logged, printed):
        mine = [text for text in read if text in set(written)]
        assert mine == sorted(set(mine), key=written.index)
        if not gap:
            assert mine == written
    assert len(read) == len(set(read))
    assert not logged or read.count(logged[-1]) == 1
