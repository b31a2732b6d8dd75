"""`ktrdr ops logs` as a process, against a registry and a host whose moves the test decides."""

import asyncio
import csv
import io
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1 import host_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.eventually import eventually
from tests.support.ktrdr_command import Ktrdr, ended
from tests.support.registry_server import RegistryServer, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer
    ktrdr: Ktrdr
    operation_id: str


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A registry with one operation at work whose log has four lines."""
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}") as registry,
    ):
        host.add("s")
        host.print_log(
            "s",
            entry("epoch_ended", host_pb2.LOG_LEVEL_INFO, epoch="3", val_loss="0.5"),
            entry("odd\x1b[31m", host_pb2.LOG_LEVEL_WARNING, what="two\nlines"),
            host_pb2.LogLine(source=host_pb2.LOG_SOURCE_OUTPUT, text="native [brackets]"),
            entry("work_failed", host_pb2.LOG_LEVEL_ERROR, exception="Traceback:\n  at x\nValueError: boom"),
        )
        operation = await registry.found("s")
        yield World(host, registry, Ktrdr(registry.address, tmp_path), operation.id)


def entry(text: str, level: "host_pb2.LogLevel.ValueType", **fields: str) -> host_pb2.LogLine:
    time = Timestamp()
    time.FromDatetime(datetime(2026, 3, 1, 12, 0, 0, 123_456, UTC))
    return host_pb2.LogLine(time=time, level=level, source=host_pb2.LOG_SOURCE_LOG, text=text, fields=fields)


async def test_lines_for_people(world: World) -> None:
    outcome = await world.ktrdr("ops", "logs", "last")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out.splitlines() == [
        "2026-03-01T12:00:00.123Z  INFO      epoch_ended  epoch=3  val_loss=0.5",
        "2026-03-01T12:00:00.123Z  WARNING   odd  what=two⏎lines",
        "                          output    native [brackets]",
        "2026-03-01T12:00:00.123Z  ERROR     work_failed",
        "    Traceback:",
        "      at x",
        "    ValueError: boom",
    ]


async def test_records_for_programs(world: World) -> None:
    lines, table = await asyncio.gather(
        world.ktrdr("ops", "logs", world.operation_id[:6], "-o", "jsonl"),
        world.ktrdr("ops", "logs", "last", "-o", "csv"),
    )
    records = [json.loads(line) for line in lines.out.splitlines()]
    assert records[0] == {
        "time": "2026-03-01T12:00:00.123456Z",
        "level": "info",
        "source": "log",
        "text": "epoch_ended",
        "fields": {"epoch": "3", "val_loss": "0.5"},
    }
    assert (records[2]["time"], records[2]["level"], records[2]["source"]) == ("", "", "output")
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert [row["text"] for row in rows] == [record["text"] for record in records]
    assert lines.code == table.code == 0


async def test_what_is_asked_for_reaches_the_host(world: World) -> None:
    outcome = await world.ktrdr("ops", "logs", "last", "--level", "Warning", "--tail", "7", "--attempt", "1")
    assert outcome.code == 0
    (asked,) = world.host.log_reads
    assert (asked.min_level, asked.tail_lines, asked.follow) == (host_pb2.LOG_LEVEL_WARNING, 7, False)


async def test_following_shows_each_line_as_it_comes_and_ends_with_the_work(world: World) -> None:
    process = await world.ktrdr.start("ops", "logs", "last", "--follow", "-o", "jsonl")
    assert process.stdout is not None
    for _ in range(4):
        await process.stdout.readline()
    world.host.print_log("s", "live")
    assert json.loads(await process.stdout.readline())["text"] == "live"
    world.host.print_log("s", "the last")
    world.host.finish("s")
    outcome = await ended(process)
    assert outcome.code == 0
    assert [json.loads(line)["text"] for line in outcome.out.splitlines()] == ["the last"]


async def test_a_host_that_goes_away_is_told_and_waited_for(world: World) -> None:
    process = await world.ktrdr.start("ops", "logs", "last", "-f")
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(7):
        await process.stdout.readline()
    await world.host.stop()
    assert b"trying again" in await process.stderr.readline()
    await world.host.start()
    world.host.print_log("s", "after")
    world.host.finish("s")
    outcome = await ended(process)
    assert outcome.code == 0
    assert [line.split() for line in outcome.out.splitlines()] == [["after"]]


async def test_ctrl_c_ends_the_following_and_not_the_work(world: World) -> None:
    process = await world.ktrdr.start("ops", "logs", "last", "-f")
    await eventually(lambda: world.host.open_logs == 1)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    outcome = await ended(process)
    assert outcome.code == 130
    assert f"ktrdr ops logs {world.operation_id} --follow" in outcome.err
    assert "Traceback" not in outcome.err
    assert (await world.registry.get(world.operation_id)).state == pb.Operation.STATE_RUNNING
    await eventually(lambda: world.host.open_logs == 0)


async def test_the_exit_code_says_why_there_is_no_log(world: World) -> None:
    unknown, none, wrong_level, no_time, wrong_attempt = await asyncio.gather(
        world.ktrdr("ops", "logs", "zzz"),
        world.ktrdr("ops", "logs"),
        world.ktrdr("ops", "logs", "last", "--level", "loud"),
        world.ktrdr("ops", "logs", "last", "-f", "--timeout", "300ms"),
        world.ktrdr("ops", "logs", "last", "--attempt", "9"),
    )
    assert (unknown.code, none.code, wrong_level.code, no_time.code, wrong_attempt.code) == (1, 2, 2, 6, 2)
    assert "debug, info, warning" in wrong_level.err.replace("\n", " ")
    assert "the work goes on" in no_time.err
    await world.host.stop()
    away = await world.ktrdr("ops", "logs", "last")
    assert away.code == 5
    assert "ktrdr hosts list" in away.err


async def test_ids_are_completed(world: World) -> None:
    extra = {"_KTRDR_COMPLETE": "complete_bash", "COMP_WORDS": "ktrdr ops logs ", "COMP_CWORD": "3"}
    world.ktrdr.environment.update(extra)
    outcome = await world.ktrdr()
    assert world.operation_id in outcome.out
    assert "last" in outcome.out
