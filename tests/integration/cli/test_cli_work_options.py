"""Flags that say what work gets to work with, and what hosts have for it, as people call and see them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1.host_pb2 import Device, Disk, Host
from ktrdr.host.v1.session_pb2 import SessionOptions
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr_client.cli.main import main

from tests.support.ktrdr_command import Ktrdr
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

Served = tuple[SimulatedRegistry, Ktrdr]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with simulated_operations() as (registry, address):
        yield registry, Ktrdr(address, tmp_path)


async def test_train_and_load_send_what_they_are_told(served: Served) -> None:
    registry, ktrdr = served
    flags = "--gpus 2 --threads 4 --memory 8GiB --niceness 5 --time-limit 2h30m"
    trained, plain, loaded = await asyncio.gather(
        ktrdr("train", "-", "--detach", "--name", "limited", *flags.split(), stdin="name: x\n"),
        ktrdr("train", "-", "--detach", "--name", "plain", stdin="name: x\n"),
        ktrdr(
            *[
                "data",
                "load",
                "AAPL",
                "1d",
                "--start",
                "2000-03-01",
                "--detach",
                "--name",
                "load",
                "--time-limit",
                "90s",
            ]
        ),
    )
    assert {trained.code, plain.code, loaded.code} == {0}
    requests = {each.display_name: each for each in registry.requests if isinstance(each, pb.CreateOperationRequest)}
    assert requests["limited"].options == SessionOptions(
        gpus=2, threads=4, memory_limit_bytes=2**33, niceness=5, timeout=Duration(seconds=9000)
    )
    assert not requests["plain"].HasField("options")
    assert requests["load"].options == SessionOptions(timeout=Duration(seconds=90))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("train x.yaml --memory 8", "8GiB"),
        ("train x.yaml --memory 0GiB", "no limit"),
        ("train x.yaml --time-limit soon", "1h30m"),
        ("train x.yaml --time-limit 0", "no limit"),
        ("train x.yaml --gpus -1", "--gpus"),
        ("train x.yaml --threads 0", "--threads"),
        ("train x.yaml --niceness 20", "19"),
        ("data load AAPL 1d --start 2000-03-01 --time-limit 5parsecs", "1h30m"),
    ],
)
def test_wrong_limits_are_wrong_usage(
    words: str, hint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(words.split(), {"KTRDR_SERVER": "127.0.0.1:1", "KTRDR_HOME": str(tmp_path)}) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert hint in shown.err


async def test_a_host_tells_who_has_its_devices_and_what_it_keeps(served: Served) -> None:
    registry, ktrdr = served
    host = Host(
        name="gpu-1",
        slots=2,
        queue_limit=100,
        running_sessions=1,
        finished_sessions=37,
        attached_sessions=3,
        disk=Disk(total_bytes=100 * 2**30, free_bytes=30 * 2**30, sessions_bytes=7 * 2**30),
        devices=[
            Device(name="cpu", description="16 cores"),
            Device(name="cuda:0", description="a card", session_id="aa0000000000-1"),
            Device(name="cuda:1", description="a card"),
        ],
    )
    registry.hosts.append(pb.HostRecord(name="gpu-1", address="h:1", state=pb.HostRecord.STATE_UP, host=host))
    shown, as_json = await asyncio.gather(ktrdr("hosts", "get", "gpu-1"), ktrdr("hosts", "get", "gpu-1", "-o", "json"))
    assert "1 running, 0 queued; 2 slots, 100 places in the queue" in shown.out
    assert "37 finished" in shown.out
    assert "3 opened by processes of their own" in shown.out
    assert "30 GiB free of 100 GiB; sessions take 7 GiB" in shown.out
    assert "cuda:0: a card, used by session aa0000000000-1" in shown.out
    assert "cuda:1: a card\n" in shown.out
    assert json.loads(as_json.out)["host"]["devices"][1]["session_id"] == "aa0000000000-1"
