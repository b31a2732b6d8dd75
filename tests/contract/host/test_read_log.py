"""HostService.ReadLog over the wire: good calls, each documented error, cancelled streams."""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import ServiceError
from services.common.log import configure_logging
from services.host.folder import SessionFolder
from services.host.session_log.offset import LogPosition
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host
from tests.support.opened_session import OpenedSession
from tests.support.refusals import refusal
from tests.support.scripted_work import ScriptedHost, ScriptedWork, scripted_host
from tests.support.session_worker import worker_spec
from tests.support.status_reader import stub_reader

Stream = grpc.aio.UnaryStreamCall[host_pb2.ReadLogRequest, host_pb2.ReadLogResponse]


@pytest.fixture(autouse=True)
def logging_of_a_host() -> Iterator[None]:
    """Log as a host's process does, and as before afterwards."""
    root = logging.getLogger()
    before = (root.handlers, root.level, structlog.get_config())
    configure_logging(level="debug", form="json", service="training-host", name="box-7")
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    structlog.configure(**before[2])


class Log:
    """Writes a session's log by hand, beside what its task logs."""

    def __init__(self, settings: ProbeHostSettings, session_id: str) -> None:
        self.folder = SessionFolder(settings.folder / "sessions" / session_id)

    def entry(self, event: str, level: str = "info", **fields: object) -> None:
        line = {"time": "2026-03-01T12:00:00.000001Z", "level": level, "event": event, **fields}
        with self.folder.structured_log.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def output(self, text: str) -> None:
        with self.folder.log.open("a") as file:
            file.write(text)

    def move(self, to: Path) -> None:
        self.folder.path.rename(to)

    def obstruct(self) -> None:
        self.folder.structured_log.mkdir()

    def rotate(self) -> None:
        self.folder.structured_log.replace(self.folder.structured_log.with_name("log.jsonl.1"))
        self.entry("log_rotated", number=os.urandom(4).hex())


@contextlib.asynccontextmanager
async def reading(served: ScriptedHost, **fields: Any) -> AsyncIterator[Stream]:
    stream = served.stub.ReadLog(host_pb2.ReadLogRequest(**fields))
    try:
        yield stream
    finally:
        stream.cancel()


async def take(stream: Stream) -> host_pb2.ReadLogResponse | None:
    async with asyncio.timeout(60):
        message = await stream.read()
    return message if isinstance(message, host_pb2.ReadLogResponse) else None


async def whole(served: ScriptedHost, **fields: Any) -> tuple[list[str], str, bool]:
    """Read to the end of the stream; return the texts, the last offset, and whether lines were dropped."""
    texts: list[str] = []
    offset, dropped = "", False
    async with reading(served, **fields) as stream:
        while (message := await take(stream)) is not None:
            assert message.next_offset
            texts += [line.text for line in message.lines]
            offset, dropped = message.next_offset, dropped or message.lines_dropped
        assert await stream.code() == grpc.StatusCode.OK
    return texts, offset, dropped


async def test_what_a_task_logs_is_in_its_log_alone(served: ScriptedHost) -> None:
    await served.start("a")
    await served.start("b")
    log = structlog.get_logger("services.host.test")
    await served.work.call_in("a", lambda: log.info("of_a", value=7))
    log.info("of_nobody")
    await served.complete("a")
    async with reading(served, session_id="a") as stream:
        message = await take(stream)
    assert message is not None
    assert [line.text for line in message.lines] == ["work_started", "of_a"]
    line = message.lines[1]
    assert (line.level, line.source) == (host_pb2.LOG_LEVEL_INFO, host_pb2.LOG_SOURCE_LOG)
    assert dict(line.fields) == {"value": "7"}
    assert line.HasField("time")
    assert (await whole(served, session_id="b"))[0] == ["work_started"]


async def test_a_worker_is_followed_from_its_start_to_its_end(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        spec = worker_spec(hold=1, epochs=1)
        await host.sessions.start(kind=KIND, spec=spec, session_id="w")
        served = ScriptedHost(host, stub, ScriptedWork())
        texts: list[str] = []
        async with reading(served, session_id="w", follow=True) as stream:
            while "worker_started" not in texts:
                message = await take(stream)
                assert message is not None
                texts += [line.text for line in message.lines]
            Log(settings, "w").output("native\n")
            while "native" not in texts:
                message = await take(stream)
                assert message is not None
                texts += [line.text for line in message.lines]
            (settings.folder / "sessions" / "w" / "go").touch()
            while (message := await take(stream)) is not None:
                texts += [line.text for line in message.lines]
            assert await stream.code() == grpc.StatusCode.OK
        assert texts == ["worker_started", "native", "worker ends: complete"]
        assert (await whole(served, session_id="w", follow=True))[0].count("worker ends: complete") == 1


async def test_an_offset_goes_on_where_the_last_answer_ended_also_after_a_restart(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a")
        log = Log(settings, "a")
        log.entry("one")
        log.output("printed\n")
        texts, offset, _ = await whole(served, session_id="a")
        assert texts[-2:] == ["one", "printed"]
        assert (await whole(served, session_id="a", offset=offset))[0] == []
        log.entry("two")
    async with scripted_host(settings) as served:
        await served.work.working("a")
        assert (await whole(served, session_id="a", offset=offset))[0] == ["two", "work_started"]
        await served.complete("a")
        assert (await whole(served, session_id="a", offset=offset, follow=True))[0] == ["two", "work_started"]


async def test_lines_that_rotation_removed_are_told(served: ScriptedHost, settings: ProbeHostSettings) -> None:
    await served.start("a")
    _, offset, dropped = await whole(served, session_id="a")
    assert not dropped
    log = Log(settings, "a")
    for event in ("one", "two"):
        log.rotate()
        log.entry(event)
    assert await whole(served, session_id="a", offset=offset) == (["one", "two"], await end(served), True)


async def end(served: ScriptedHost) -> str:
    return (await whole(served, session_id="a"))[1]


async def test_only_a_level_and_only_the_end(served: ScriptedHost, settings: ProbeHostSettings) -> None:
    await served.start("a")
    log = Log(settings, "a")
    for number in range(3_000):
        log.entry(f"e{number}", level="error" if number % 1_000 == 7 else "debug")
    log.output("native\n")
    errors = ["e7", "e1007", "e2007", "native"]
    level = host_pb2.LOG_LEVEL_ERROR
    assert (await whole(served, session_id="a", min_level=level))[0] == errors
    assert (await whole(served, session_id="a", min_level=level, tail_lines=2))[0] == errors[-2:]
    assert (await whole(served, session_id="a", tail_lines=3))[0] == ["e2998", "e2999", "native"]


async def test_long_logs_come_in_messages_of_a_bounded_size(served: ScriptedHost, settings: ProbeHostSettings) -> None:
    await served.start("a")
    log = Log(settings, "a")
    with log.folder.log.open("w") as file:
        file.writelines(f"{number} {'x' * 1_000}\n" for number in range(2_000))
        file.write("y" * 1_000_000)
        file.write("\nlast\n")
    sizes, numbers = [], []
    async with reading(served, session_id="a") as stream:
        while (message := await take(stream)) is not None:
            sizes.append(message.ByteSize())
            numbers += [line.text.split()[0][:20] for line in message.lines]
    assert max(sizes) < 300_000
    assert numbers[1:] == [*(str(number) for number in range(2_000)), "y" * 20, "last"]


async def test_a_session_that_waits_for_its_turn_has_an_empty_log(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings.model_copy(update={"slots": 1})) as served:
        await served.start("a")
        await served.host.sessions.start(kind=KIND, spec=Struct(), session_id="b")
        assert (await whole(served, session_id="b"))[0] == []
        async with reading(served, session_id="b", follow=True) as stream:
            first = await take(stream)
            assert first is not None
            assert not first.lines
            await served.complete("a")
            message = await take(stream)
            assert message is not None
            assert [line.text for line in message.lines] == ["work_started"]


async def test_errors(served: ScriptedHost) -> None:
    await served.start("a")
    await served.start("b")
    _, of_b, _ = await whole(served, session_id="b")

    async def refused(**fields: Any) -> tuple[grpc.StatusCode, str]:
        stream = served.stub.ReadLog(host_pb2.ReadLogRequest(**fields))
        refused = await refusal(stream.read())
        assert len(refused.message) > 20
        return refused.code, refused.reason

    assert await refused(session_id="none") == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert await refused(session_id="a", offset="nonsense") == (invalid, "LOG_OFFSET_INVALID")
    assert await refused(session_id="a", offset=of_b) == (invalid, "LOG_OFFSET_INVALID")
    assert await refused(session_id="b", offset=of_b, tail_lines=3) == (invalid, "INVALID_REQUEST")
    assert await refused(session_id="a", min_level=77) == (invalid, "INVALID_REQUEST")
    async with reading(served, session_id="a", follow=True) as one, reading(served, session_id="a", follow=True) as two:
        await take(one)
        await take(two)
        exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await refused(session_id="a") == (exhausted, "TOO_MANY_WATCHES")
        assert await refused(session_id="a", follow=True) == (exhausted, "TOO_MANY_WATCHES")


async def test_a_cancelled_stream_gives_its_place_back(served: ScriptedHost) -> None:
    await served.start("a")
    for _ in range(5):
        async with reading(served, session_id="a", follow=True) as stream:
            await take(stream)

    async def free() -> bool:
        with contextlib.suppress(grpc.aio.AioRpcError):
            return bool(await whole(served, session_id="a"))
        return False

    await eventually(free)


async def test_the_host_ends_its_streams_with_ok(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a")
        async with reading(served, session_id="a", follow=True) as stream:
            assert await take(stream) is not None
            await served.host.begin_stop()
            assert await take(stream) is None
            assert await stream.code() == grpc.StatusCode.OK


async def test_a_failed_task_leaves_its_traceback_in_its_log(served: ScriptedHost) -> None:
    await served.start("a")
    served.work.fail("a", ValueError("boom"))
    await eventually(lambda: served.host.sessions.find("a").settled)
    await served.start("b")
    served.work.fail("b", ServiceError(ErrorReason.ERROR_REASON_TOO_FEW_BARS, available=3, needed=200))
    await eventually(lambda: served.host.sessions.find("b").settled)
    async with reading(served, session_id="a", follow=True) as stream:
        message = await take(stream)
    assert message is not None
    assert message.lines[1].text == "work_failed"
    assert message.lines[1].fields["exception"].endswith("ValueError: boom")


async def test_a_folder_that_was_removed_has_an_empty_log(served: ScriptedHost, settings: ProbeHostSettings) -> None:
    await served.start("a")
    await served.complete("a")
    Log(settings, "a").move(settings.folder / "elsewhere")
    assert (await whole(served, session_id="a", follow=True))[0] == []


async def test_the_log_of_a_session_that_another_process_has_opened_is_empty(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        with await asyncio.to_thread(OpenedSession, settings.home):
            reader = stub_reader(served.stub)
            await reader.until(lambda each: "mine" in each.sessions)
            assert await whole(served, session_id="mine", follow=True, tail_lines=3) == (
                [],
                served_empty("mine"),
                False,
            )


def served_empty(session_id: str) -> str:
    return LogPosition().encode(session_id)


async def test_a_worker_whose_log_cannot_be_written_does_its_work(settings: ProbeHostSettings) -> None:
    async with served_host(settings.model_copy(update={"slots": 1})) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(hold=1, epochs=1), session_id="first")
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2), session_id="second")
        Log(settings, "second").obstruct()
        (settings.folder / "sessions" / "first" / "go").touch()
        await eventually(lambda: host.sessions.find("second").settled)
        assert host.sessions.get("second").state == Session.STATE_COMPLETED
        served = ScriptedHost(host, stub, ScriptedWork())
        texts, _, _ = await whole(served, session_id="second", follow=True, tail_lines=3)
        assert texts == ["(the log cannot be read: Is a directory)"]
