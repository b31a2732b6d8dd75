"""The gateway as a process of its own."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.integration.replay.conftest import Start, dial, wait_until_ready


def greet(connection: socket.socket) -> bytes:
    connection.sendall(b"API\0\0\0\0\x09v157..176")
    return connection.recv(100)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_serves_and_stops_on_a_signal(start: Start, tmp_path: Path, stop: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    process = start("--port", "0", "--ready-file", str(ready))
    record = wait_until_ready(ready, process)
    assert (record["service"], record["pid"]) == ("replay-gateway", process.pid)
    with dial(record["address"]) as connection:
        assert greet(connection) == b"\0\0\0\x1a176\x0020130301 19:00:00 EST\0"
        process.send_signal(stop)
        assert connection.recv(100) == b""
    assert process.wait(timeout=60) == 0
    assert not ready.exists()


def test_it_stops_when_its_parent_has_gone(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    inherited, kept = os.pipe()
    try:
        process = start(
            "--port", "0", "--ready-file", str(ready), "--lifeline-fd", str(inherited), pass_fds=[inherited]
        )
        wait_until_ready(ready, process)
    finally:
        os.close(kept)
        os.close(inherited)
    assert process.wait(timeout=60) == 0


def test_it_comes_back_on_its_port_after_it_was_killed(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    first = start("--port", "0", "--ready-file", str(ready))
    address = wait_until_ready(ready, first)["address"]
    with dial(address) as connection:
        assert greet(connection)
        first.kill()
        first.wait(timeout=60)
        ready.unlink()
        second = start("--port", address.rpartition(":")[2], "--ready-file", str(ready))
        assert wait_until_ready(ready, second)["address"] == address
    with dial(address) as connection:
        assert greet(connection)


def test_an_occupied_port_is_one_line_and_exit_code_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        output, complaint = (process := start("--port", str(port))).communicate(timeout=60)
    assert process.returncode == 1
    assert output == ""
    assert complaint.startswith(f"replay-gateway: port {port} on 127.0.0.1 is in use by another process.")
    assert complaint.count("\n") == 1


def test_a_wrong_setting_is_one_line_that_names_it_and_exit_code_2(start: Start) -> None:
    _, line = (process := start("--port", "0", "--latency-ms", "-1")).communicate(timeout=60)
    assert process.returncode == 2
    assert line.startswith("replay-gateway: latency_ms = -1 (from --latency-ms):")
    assert line.count("\n") == 1


def test_it_misbehaves_by_the_rules_of_a_file(start: Start, tmp_path: Path) -> None:
    ready, rules = tmp_path / "ready.json", tmp_path / "faults.toml"
    rules.write_text('[[rule]]\non = "handshake"\ntimes = 1\naction = "disconnect"\n')
    address = wait_until_ready(ready, start("--port", "0", "--ready-file", str(ready), "--faults", str(rules)))[
        "address"
    ]
    with dial(address) as connection:
        assert greet(connection) == b""
    with dial(address) as connection:
        assert greet(connection).startswith(b"\0\0\0\x1a176")
