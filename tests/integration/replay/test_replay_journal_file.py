"""What a gateway tells that runs as a process of its own: its ready line, its journal, and what is wrong."""

import json
import socket
from pathlib import Path

import pytest

from services.ib_host.replay.command import command
from services.ib_host.replay.framing import encode_frame
from services.ib_host.replay.journal_file import read_summary
from tests.integration.replay.conftest import Start, dial, wait_until_ready
from tests.support.eventually import eventually_sync


def send(connection: socket.socket, *fields: object) -> None:
    connection.sendall(encode_frame([str(field) for field in fields]))


def test_the_journal_tells_what_came_and_what_happened_also_after_a_kill(start: Start, tmp_path: Path) -> None:
    ready, journal = tmp_path / "ready.json", tmp_path / "journal.jsonl"
    flags = ("--fault", "silent:nth=2", "--pacing", "strict", "--journal", str(journal), "--ready-file", str(ready))
    process = start("--port", "0", *flags)
    address = wait_until_ready(ready, process)["address"]
    assert process.stdout is not None
    assert process.stdout.readline() == (
        f"REPLAY gateway on {address}: AAPL, FB, GOOG, IBM, MSFT; its time is 2013-03-02 00:00:00 UTC; "
        "1 rule of faults, pacing strict. Ctrl-C stops it.\n"
    )
    contract = (0, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
    with dial(address) as connection:
        connection.sendall(b"API\0\0\0\0\x09v157..176")
        send(connection, 71, 2, 4, "")
        for request_id, days in ((1, 5), (2, 6), (3, 6)):
            send(connection, 20, request_id, *contract, 0, "", "1 day", f"{days} D", 1, "TRADES", 2, 0, "")
        eventually_sync(lambda: len(journal.read_text().splitlines()) >= 9)
        process.kill()
        process.wait(timeout=60)
    summary = read_summary(journal)
    assert summary.requests == {"start_api": 1, "historical_data": 3}
    assert summary.violations == {"identical": 1}
    assert summary.faults == {"silent": 1}
    assert (summary.queries, summary.open) == ({"opened": 2, "answered": 1}, 1)
    kinds = [json.loads(line)["kind"] for line in journal.read_text().splitlines()]
    assert {"frame", "fault", "violation", "query"} == set(kinds)


def test_a_wrong_file_is_told_with_its_line_and_what_to_do(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("[[rule]]\non = 20\naction = 'cut'\nsize = 0\n")
    _, line = (process := start("--port", "0", "--faults", str(path))).communicate(timeout=60)
    assert process.returncode == 2
    assert line == (
        f"replay-gateway: faults = {path}:4: rule 1: size = 0: Input should be greater than or equal to 1. "
        "Change it as docs/replay-gateway.md describes, or leave out --faults.\n"
    )


def test_help_has_only_what_counts_here(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"], prog_name="replay-gateway")
    text = capsys.readouterr().out
    for flag in ("--data", "--faults", "--fault", "--pacing", "--pacing-scale", "--speed", "--journal", "--port"):
        assert f"{flag} " in text
    for word in ("grpc", "watch", "call-limit", "grace", "channelz"):
        assert word not in text.lower()
