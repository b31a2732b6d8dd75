"""`ktrdr up` and the demo with the real services: what they start, show, stop, and never leave behind."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ktrdr_client.local import Ports

from tests.support.eventually import eventually
from tests.support.free_ports import free_offset
from tests.support.ktrdr_command import Ktrdr, Outcome, ended
from tests.support.process_ends import has_ended

STRATEGY = Path(__file__).parents[3] / "examples" / "strategies" / "aapl_daily_swing.yaml"
ENDLESS = ("--set", "training.epochs=100000", "--set", "training.early_stopping.patience=100000")


@dataclass
class Up:
    """A running `ktrdr up`."""

    process: asyncio.subprocess.Process
    services: dict[str, dict[str, object]]
    ktrdr: Ktrdr

    def pid(self, name: str) -> int:
        return int(str(self.services[name]["pid"]))

    async def stop(self, number: int = signal.SIGINT) -> Outcome:
        self.process.send_signal(number)
        return await ended(self.process)

    async def gone(self) -> None:
        """Wait until no service is left."""
        pids = [self.pid(name) for name in self.services]
        await eventually(lambda: all(has_ended(pid) for pid in pids))


async def start_up(home: Path, *words: str) -> Up:
    offset = free_offset(list(vars(Ports()).values()))
    server = f"127.0.0.1:{5003 + offset}"
    ktrdr = Ktrdr(server, home)
    process = await ktrdr.start("up", "--port-offset", str(offset), "-o", "jsonl", *words)
    assert process.stdout is not None
    services = {}
    for _ in range(4):
        line = await process.stdout.readline()
        if not line:
            raise AssertionError((await ended(process)).err)
        record = json.loads(line)
        services[record["name"]] = record
    return Up(process, services, ktrdr)


@pytest.fixture
async def starting() -> AsyncIterator[Callable[..., Awaitable[Up]]]:
    """Start `ktrdr up` as `start_up` does; what a failed test leaves is ended."""
    running: list[Up] = []

    async def start(home: Path, *words: str) -> Up:
        running.append(await start_up(home, *words))
        return running[-1]

    yield start
    for each in running:
        if each.process.returncode is None:
            each.process.kill()
            await ended(each.process)
        await each.gone()


@pytest.fixture
async def up(starting: Callable[..., Awaitable[Up]], tmp_path: Path) -> Up:
    return await starting(tmp_path / "home")


async def test_a_killed_up_leaves_no_service_behind(up: Up) -> None:
    outcome = await up.stop(signal.SIGKILL)
    assert outcome.code == -signal.SIGKILL
    await up.gone()


async def test_a_service_that_dies_is_named_with_its_log(up: Up) -> None:
    os.kill(up.pid("ib-host"), signal.SIGKILL)
    outcome = await ended(up.process)
    assert outcome.code == 1
    assert "ib-host" in outcome.err
    assert "SIGKILL" in outcome.err
    assert "ib-host.log" in outcome.err
    await up.gone()


async def test_a_second_ctrl_c_ends_everything_at_once(up: Up) -> None:
    os.kill(up.pid("operations"), signal.SIGSTOP)  # it cannot be asked what runs: the stop waits for it
    up.process.send_signal(signal.SIGINT)
    assert up.process.stderr is not None
    while b"Ctrl-C again" not in await up.process.stderr.readline():
        pass
    outcome = await up.stop()
    assert outcome.code == 130
    assert "ended at once" in outcome.err
    await up.gone()


@pytest.mark.timeout(600)
async def test_the_demo_and_what_a_user_does_with_what_it_leaves(
    starting: Callable[..., Awaitable[Up]], tmp_path: Path
) -> None:
    """One story, because each of its steps is dear: demo, look around, start work, leave it, find it again, stop it."""
    home = tmp_path / "home"
    demo = await ended(await Ktrdr("127.0.0.1:1", home).start_python("-m", "examples.demo", "--home", str(home)))
    assert demo.code == 0, demo
    assert demo.err == ""
    for words in ("3,270 AAPL 1d, 2000-03-01 … 2013-03-01  (REPLAY)", "best val loss", "test accuracy", "ops metrics"):
        assert words in demo.out

    first = await starting(home, "--on-exit", "leave")
    await look_around(first.ktrdr)
    await ask_for_the_impossible(first.ktrdr)
    started = await first.ktrdr("train", str(STRATEGY), *ENDLESS, "--name", "endless", "--detach")
    operation_id = started.out.strip()
    before = await until_training(first.ktrdr, operation_id)
    left = await first.stop()
    assert left.code == 0, left
    assert f"{operation_id} on training-host: goes on without the services" in left.err
    await first.gone()

    second = await starting(home)
    await until_training(second.ktrdr, operation_id, beyond=before)
    stopped = await second.stop()
    assert stopped.code == 0, stopped
    assert f"{operation_id} on training-host: CANCELLED" in stopped.err
    await second.gone()


async def look_around(ktrdr: Ktrdr) -> None:
    listed, bars, hosts, metrics, loaded = await asyncio.gather(
        ktrdr("ops", "list", "--filter", "state = COMPLETED", "--order-by", "create_time", "-o", "json"),
        ktrdr("data", "show", "AAPL", "1d", "--end", "2000-03-07", "-o", "csv"),
        ktrdr("hosts", "-o", "json"),
        ktrdr("ops", "metrics", "--name", "aapl_daily_swing", "--series", "val_loss", "-o", "csv"),
        ktrdr("data", "load", "MSFT", "1d", "--start", "2000-03-01", "--end", "2013-03-01"),
    )
    operations = json.loads(listed.out)["operations"]
    assert [each["type"] for each in operations[:2]] == ["OPERATION_TYPE_DATA_LOAD", "OPERATION_TYPE_TRAINING"]
    assert len(bars.out.splitlines()) == 6
    assert bars.out.count("REPLAY") == 5
    assert {each["state"] for each in json.loads(hosts.out)["hosts"]} == {"STATE_UP"}
    assert len(metrics.out.splitlines()) == operations[1]["training_result"]["epochs"] + 1
    assert loaded.code == 0, loaded
    assert "MSFT 1d: 3,270, 2000-03-01 … 2013-03-01  (REPLAY)" in loaded.out
    assert "bars 100 %" in loaded.err or "bars 9" in loaded.err


async def ask_for_the_impossible(ktrdr: Ktrdr) -> None:
    invalid, unknown, backwards = await asyncio.gather(
        ktrdr("train", str(STRATEGY), "--set", "training.epoch=2"),
        ktrdr("data", "load", "NOSUCH", "1d", "--start", "2000-03-01", "--end", "2013-03-01"),
        ktrdr("data", "load", "AAPL", "1d", "--start", "2013-03-01", "--end", "2000-03-01"),
    )
    assert (invalid.code, "training.epoch" in invalid.err) == (2, True), invalid
    assert (unknown.code, "NOSUCH" in unknown.out) == (3, True), unknown
    assert (backwards.code, "end_time" in backwards.err) == (2, True), backwards


async def until_training(ktrdr: Ktrdr, operation_id: str, *, beyond: int = 0) -> int:
    """Return the number of points of a training once there are more than so many."""

    async def points() -> int:
        outcome = await ktrdr("ops", "get", operation_id, "-o", "json")
        record = json.loads(outcome.out)
        assert record["state"] in {"STATE_PENDING", "STATE_QUEUED", "STATE_RUNNING"}, record
        count = int(record["metric_points"])
        return count if count > beyond else 0

    return await eventually(points, timeout_seconds=150)


async def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    offset = free_offset(list(vars(Ports()).values()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 5002 + offset))
        taken.listen()
        outcome = await Ktrdr("127.0.0.1:1", tmp_path)("up", "--port-offset", str(offset), "-q")
    assert outcome.code == 1
    assert f"port {5002 + offset} (training-host)" in outcome.err
    assert "--port-offset" in outcome.err
    assert not (tmp_path / "logs").exists()


async def test_a_home_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    offset = free_offset(list(vars(Ports()).values()))
    outcome = await Ktrdr("127.0.0.1:1", tmp_path)("up", "--port-offset", str(offset), "--home", str(tmp_path / "file"))
    assert outcome.code == 1
    assert "cannot be used" in outcome.err
