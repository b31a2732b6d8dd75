"""The command that serves, as a real process: how it starts, refuses to start, and stops."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tomllib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.common.channel import open_channel
from tests.support.eventually import eventually
from tests.support.probe_service import call, stream
from tests.support.process_ends import has_ended

MODULE = "tests.support.probe_service"
ROOT = Path(__file__).resolve().parents[3]


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KTRDR_")}
    return kept | {"PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}", "COLUMNS": "120"} | dict(variables)


async def _begin(*arguments: str, variables: Mapping[str, str] | None = None, **options: Any) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        *arguments,
        env=_environment(variables or {}),
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
        **options,
    )


async def _run(*arguments: str, variables: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    process = await _begin(*arguments, variables=variables)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@contextlib.asynccontextmanager
async def _serving(tmp_path: Path, *arguments: str, **options: Any) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """Start the process, wait until its ready file is there, and end it in any case."""
    ready = tmp_path / "ready.json"
    process = await _begin(
        "--home", str(tmp_path / "home"), "--port", "0", "--ready-file", str(ready), *arguments, **options
    )
    try:
        await eventually(lambda: ready.exists() or process.returncode is not None)
        yield process, json.loads(ready.read_text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def _events(log: bytes) -> list[str]:
    return [str(json.loads(line)["event"]) for line in log.decode().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with _serving(tmp_path, "--name", "probe-1") as (process, ready):
        assert ready == {
            "service": "operations",
            "name": "probe-1",
            "address": ready["address"],
            "pid": process.pid,
        }
        async with open_channel(ready["address"]) as channel:
            assert await call(channel, "Echo", b"up") == b"up"
        process.send_signal(number)
        output, log = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, output) == (0, b"")
    assert _events(log) == ["serving", "stop_requested", "stopping", "stopped"]
    assert not (tmp_path / "ready.json").exists()
    first = json.loads(log.splitlines()[0])
    assert (first["service"], first["name"], first["level"]) == ("operations", "probe-1", "info")


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with (
        _serving(tmp_path, "--grace-seconds", "60") as (process, ready),
        open_channel(ready["address"]) as channel,
        stream(channel, "Stubborn") as opened,
    ):
        assert await opened.read() == b"open"
        process.terminate()
        assert process.stderr is not None
        while b"stopping" not in await process.stderr.readline():
            pass
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGTERM
        with pytest.raises(grpc.aio.AioRpcError):
            await opened.read()


async def test_a_signal_ends_a_start_that_hangs(tmp_path: Path) -> None:
    process = await _begin("--home", str(tmp_path), "--port", "0", "--slow-start")
    assert process.stderr is not None
    assert b"starting_slowly" in await asyncio.wait_for(process.stderr.readline(), 60)
    process.terminate()
    _, log = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert "Traceback" not in log.decode()


async def test_it_stops_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    """A parent between the test and the server holds the lifeline and is killed with SIGKILL."""
    ready = tmp_path / "ready.json"
    code = """
import os, subprocess, sys, time
mine, theirs = os.pipe()
words = [sys.executable, "-m", sys.argv[1], *sys.argv[2:], "--lifeline-fd", str(mine)]
subprocess.Popen(words, pass_fds=[mine], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.close(mine)
time.sleep(60)
"""
    arguments = (MODULE, "--home", str(tmp_path), "--port", "0", "--ready-file", str(ready))
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, env=_environment({}), cwd=ROOT
    )
    await eventually(ready.exists)
    server = json.loads(ready.read_text())["pid"]
    parent.kill()
    await parent.wait()
    await eventually(lambda: not ready.exists())
    await eventually(lambda: has_ended(server))


async def test_with_a_lifeline_ctrl_c_is_left_to_the_parent(tmp_path: Path) -> None:
    mine, theirs = os.pipe()
    async with _serving(tmp_path, "--lifeline-fd", str(mine), pass_fds=[mine]) as (process, ready):
        os.close(mine)
        process.send_signal(signal.SIGINT)
        async with open_channel(ready["address"]) as channel:
            assert await call(channel, "Echo", b"still here") == b"still here"
        os.close(theirs)
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_the_log_can_be_lost_without_harm(tmp_path: Path) -> None:
    async with _serving(tmp_path, "--log-level", "debug") as (process, ready):
        transport: Any = process._transport  # type: ignore[attr-defined]  # the only way to close the reading end
        transport.get_pipe_transport(2).close()
        async with open_channel(ready["address"]) as channel:
            for _ in range(3):
                assert await call(channel, "Echo", b"x") == b"x"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_an_occupied_port_is_one_line_and_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output, errors = await _run("--home", str(tmp_path), "--port", str(port))
    assert (code, output) == (1, "")
    assert errors == (
        f"operations: port {port} on 127.0.0.1 is in use by another process. "
        "Stop that, or choose another port with --port (0 lets the system choose).\n"
    )


async def test_an_unwritable_home_is_one_line_and_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, errors = await _run("--home", str(tmp_path / "file"), "--port", "0")
    assert code == 1
    assert errors.startswith(f"operations: cannot write in {tmp_path}/file/operations: Not a directory. ")
    assert errors.count("\n") == 1


async def test_an_unwritable_ready_file_is_one_line_and_code_1(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "ready.json"
    code, _, errors = await _run("--home", str(tmp_path), "--port", "0", "--ready-file", str(missing))
    assert code == 1
    assert errors == f"operations: cannot write the ready file {missing}: No such file or directory.\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--port", "x"),
            "port = x (from --port): it should be a valid integer, unable to parse string as an integer.",
        ),
        (("--port", "70000"), "port = 70000 (from --port): it should be less than or equal to 65535."),
        (
            ("--bind", "0.0.0.0"),
            (
                "bind = 0.0.0.0: other machines could reach the server without encryption or authentication. "
                "Use 127.0.0.1, or allow it with --insecure on a network that you trust."
            ),
        ),
        (
            ("--log-level", "loud"),
            "log_level = loud (from --log-level): it should be 'debug', 'info', 'warning' or 'error'.",
        ),
        (("--lifeline-fd", "99"), "--lifeline-fd 99 is no open pipe: Bad file descriptor."),
        (("--config", "/missing.toml"), "cannot read the configuration file /missing.toml: No such file or directory."),
    ],
)
async def test_a_wrong_flag_is_one_line_and_code_2(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    code, output, errors = await _run("--home", str(tmp_path), *arguments)
    assert (code, output, errors) == (2, "", f"operations: {line}\n")


async def test_wrong_variables_and_files_are_named_with_their_place(tmp_path: Path) -> None:
    code, _, errors = await _run(variables={"KTRDR_HOME": str(tmp_path), "KTRDR_OPERATIONS_PORT": "-1"})
    assert (code, errors) == (
        2,
        "operations: port = -1 (from KTRDR_OPERATIONS_PORT): it should be greater than or equal to 0.\n",
    )
    (tmp_path / "ktrdr.toml").write_text("[operations]\nprot = 1\n")
    code, _, errors = await _run(variables={"KTRDR_HOME": str(tmp_path)})
    assert (code, errors) == (
        2,
        f"operations: {tmp_path}/ktrdr.toml [operations]: there is no setting prot; did you mean port?\n",
    )
    assert tomllib.loads((tmp_path / "ktrdr.toml").read_text())


async def test_help_names_each_flag_with_its_variable_and_default(tmp_path: Path) -> None:
    code, output, _ = await _run("--help", variables={"KTRDR_HOME": str(tmp_path)})
    words = " ".join(output.replace("│", " ").split())
    assert code == 0
    assert "Serve a probe that answers what it is sent." in words
    assert "--host NAME=HOST:PORT Hosts to follow. (KTRDR_OPERATIONS_HOSTS;" in words
    assert "default 5003" in words
    assert "--lifeline-fd" not in words
