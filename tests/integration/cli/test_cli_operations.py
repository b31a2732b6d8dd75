"""`ktrdr ops`, `train` and `data load` as processes against a served registry: output, messages, exit codes."""

import asyncio
import csv
import io
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.operations_pb2 import Operation

from tests.support.eventually import eventually
from tests.support.finished_operations import cancelled, completed, failed, history, running_training
from tests.support.ktrdr_command import Ktrdr, ended
from tests.support.simulated_operations import SimulatedRegistry, rich_status, simulated_operations

FIRST, SECOND, THIRD = "aa0000000000", "ab0000000000", "cc0000000000"
Served = tuple[SimulatedRegistry, Ktrdr]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with simulated_operations() as (registry, address):
        yield registry, Ktrdr(address, tmp_path)


@pytest.fixture
async def filled(served: Served) -> Served:
    registry, _ = served
    await registry.put(running_training(FIRST, "first"))
    await registry.put(completed(running_training(SECOND, "second")))
    await registry.put(failed(running_training(THIRD, "third")))
    return served


async def test_list_as_table_and_as_data(filled: Served) -> None:
    _, ktrdr = filled
    table, as_json, lines, as_csv = await asyncio.gather(
        ktrdr("ops", "list"),
        ktrdr("--output", "json", "ops", "list", "--limit", "2"),
        ktrdr("ops", "list", "-o", "jsonl", "--order-by", "name"),
        ktrdr("ops", "list", "-o", "csv", "--filter", "state = RUNNING"),
    )
    rows = table.out.splitlines()
    assert rows[0].split() == ["ID", "NAME", "TYPE", "STATE", "AGE", "PROGRESS"]
    assert [row.split()[0] for row in rows[1:]] == [THIRD, SECOND, FIRST]
    assert "train 50 %, epoch 2/4" in rows[3]
    page = json.loads(as_json.out)
    assert [each["id"] for each in page["operations"]] == [THIRD, SECOND]
    assert page["next_page_token"] in as_json.err
    assert [json.loads(line)["id"] for line in lines.out.splitlines()] == [FIRST, SECOND, THIRD]
    (record,) = csv.DictReader(io.StringIO(as_csv.out))
    assert (record["id"], record["state"]) == (FIRST, "STATE_RUNNING")
    assert {table.code, as_json.code, lines.code, as_csv.code} == {0}


async def test_operations_are_found_by_prefix_name_and_last(filled: Served) -> None:
    _, ktrdr = filled
    by_prefix, by_name, last, ambiguous, unknown, none = await asyncio.gather(
        ktrdr("ops", "get", "cc", "-o", "json"),
        ktrdr("ops", "get", "--name", "second", "-o", "json"),
        ktrdr("ops", "get", "last", "-o", "json"),
        ktrdr("ops", "get", "a"),
        ktrdr("ops", "get", "zz"),
        ktrdr("ops", "get"),
    )
    assert [json.loads(each.out)["id"] for each in (by_prefix, by_name, last)] == [THIRD, SECOND, THIRD]
    assert ambiguous.code == 2
    assert FIRST in ambiguous.err
    assert SECOND in ambiguous.err
    assert (unknown.code, none.code) == (1, 2)
    assert "ktrdr ops list" in unknown.err
    assert "--name NAME" in none.err


async def test_get_tells_everything_in_words(filled: Served) -> None:
    _, ktrdr = filled
    done, broken = await asyncio.gather(ktrdr("ops", "get", SECOND), ktrdr("ops", "get", THIRD))
    for words in ("47.1 %", "44.0 %", "/models/swing", "REPLAY", "0.7123"):
        assert words in done.out
    assert "WORKER_KILLED" in broken.out
    assert done.code == broken.code == 0


@pytest.mark.parametrize(("end", "code"), [(completed, 0), (failed, 3), (cancelled, 4)])
async def test_the_exit_code_of_wait_says_how_it_ended(served: Served, end: object, code: int) -> None:
    registry, ktrdr = served
    operation = await registry.put(running_training(FIRST))
    process = await ktrdr.start("ops", "wait", FIRST)
    await eventually(lambda: registry.open_watches == 1)
    assert callable(end)
    await registry.put(end(operation))
    outcome = await ended(process)
    assert outcome.code == code
    assert Operation.State.Name(registry.operations[FIRST].state).removeprefix("STATE_") in outcome.out
    assert "RUNNING" in outcome.err


async def test_a_wait_that_takes_too_long_says_that_the_work_goes_on(filled: Served) -> None:
    _, ktrdr = filled
    outcome = await ktrdr("ops", "wait", FIRST, "--timeout", "200ms")
    assert outcome.code == 6
    assert "the work goes on" in outcome.err
    assert f"ktrdr ops cancel {FIRST}" in outcome.err


async def test_ctrl_c_stops_the_waiting_and_prints_the_cancel_command(filled: Served) -> None:
    registry, ktrdr = filled
    process = await ktrdr.start("ops", "watch", FIRST)
    await eventually(lambda: registry.open_watches == 1)
    process.send_signal(signal.SIGINT)
    outcome = await ended(process)
    assert outcome.code == 130
    assert f"ktrdr ops cancel {FIRST}" in outcome.err
    assert "Traceback" not in outcome.err
    assert registry.operations[FIRST].state == Operation.STATE_RUNNING
    await eventually(lambda: registry.open_watches == 0)


async def test_a_watch_of_everything_streams_each_change(served: Served) -> None:
    registry, ktrdr = served
    process = await ktrdr.start("ops", "watch", "-o", "jsonl")
    assert process.stdout is not None
    await eventually(lambda: registry.open_watches == 1)
    operation = await registry.put(running_training(FIRST))
    first = json.loads(await process.stdout.readline())
    await registry.put(completed(operation))
    second = json.loads(await process.stdout.readline())
    process.send_signal(signal.SIGINT)
    outcome = await ended(process)
    assert (first["state"], second["state"]) == ("STATE_RUNNING", "STATE_COMPLETED")
    assert second["training_result"]["epochs"] == 4
    assert outcome.code == 130


async def test_a_lost_stream_is_told_and_gone_on_with(filled: Served) -> None:
    registry, ktrdr = filled
    process = await ktrdr.start("ops", "wait", FIRST)
    await eventually(lambda: registry.open_watches == 1)
    await registry.end_streams()
    await eventually(lambda: len(registry.watch_requests) >= 2)
    await registry.put(completed(registry.operations[FIRST]))
    outcome = await ended(process)
    assert outcome.code == 0
    assert "trying again" in outcome.err


async def test_metrics_as_table_data_and_picture(filled: Served) -> None:
    registry, ktrdr = filled
    registry.history[FIRST] = [history("train_loss", [0.9, 0.8, float("nan")]), history("val_loss", [1.0, 0.7, 0.75])]
    table, as_csv, as_json, plot, unknown = await asyncio.gather(
        ktrdr("ops", "metrics", FIRST),
        ktrdr("ops", "metrics", FIRST, "-o", "csv", "--series", "val_loss"),
        ktrdr("ops", "metrics", FIRST, "-o", "json"),
        ktrdr("ops", "metrics", FIRST, "--plot"),
        ktrdr("ops", "metrics", FIRST, "--series", "nonsense"),
    )
    assert "0.7000 at 2" in table.out
    points = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert [(point["step"], point["value"]) for point in points] == [("1", "1.0"), ("2", "0.7"), ("3", "0.75")]
    assert json.loads(as_json.out)["series"]["train_loss"]["values"] == [0.9, 0.8, "NaN"]
    assert "val_loss" in plot.out
    assert "\x1b" not in plot.out
    assert unknown.code == 1
    assert "no series nonsense" in unknown.err


async def test_metrics_of_an_attempt_that_went_on_say_where_those_before_are(filled: Served) -> None:
    registry, ktrdr = filled
    registry.history[FIRST] = [history("val_loss", [0.7, 0.75])]
    operation = registry.operations[FIRST]
    operation.attempt, operation.checkpoint_session_id = 2, f"{FIRST}-1"
    latest, earlier = await asyncio.gather(
        ktrdr("ops", "metrics", FIRST), ktrdr("ops", "metrics", FIRST, "--attempt", "1")
    )
    assert f"what was before:  ktrdr ops metrics {FIRST} --attempt 1" in latest.err
    assert "goes on from a checkpoint" not in earlier.err


async def test_cancel_asks_and_says_how_to_wait(filled: Served) -> None:
    registry, ktrdr = filled
    outcome = await ktrdr("ops", "cancel", FIRST, "--reason", "wrong seed", "--now")
    assert outcome.code == 0
    assert f"ktrdr ops wait {FIRST}" in outcome.err
    assert registry.operations[FIRST].cancel_reason == "wrong seed"


async def test_train_sends_the_text_and_follows_it(served: Served, tmp_path: Path) -> None:
    registry, ktrdr = served
    strategy = tmp_path / "s.yaml"
    strategy.write_text("name: swing\n")
    process = await ktrdr.start(
        "train", str(strategy), "--set", "training.epochs=4", "--label", "a=b", "--source", "replay"
    )
    await eventually(lambda: registry.open_watches == 1)
    (operation,) = registry.operations.values()
    assert operation.training.strategy == "name: swing\n"
    assert dict(operation.training.overrides) == {"training.epochs": "4"}
    assert operation.labels["a"] == "b"
    await registry.put(completed(running_training(operation.id)))
    outcome = await ended(process)
    assert outcome.code == 0
    assert "test accuracy" in outcome.out
    assert f"ktrdr ops metrics {operation.id} --plot" in outcome.out


async def test_detached_starts_print_the_id_alone(served: Served) -> None:
    registry, ktrdr = served
    outcome = await ktrdr("train", "-", "--detach", "--name", "piped", stdin="name: x\n")
    (operation,) = registry.operations.values()
    assert outcome.out == f"{operation.id}\n"
    assert operation.display_name == "piped"
    assert f"ktrdr ops watch {operation.id}" in outcome.err


async def test_a_detached_start_that_waits_says_for_what(served: Served) -> None:
    registry, ktrdr = served
    registry.wait_reason = "host gpu is drained"
    outcome = await ktrdr("train", "-", "--detach", stdin="name: x\n")
    assert outcome.code == 0
    assert "it waits:   host gpu is drained" in outcome.err
    assert "started" not in outcome.err


async def test_a_load_says_what_it_asks_for(served: Served) -> None:
    registry, ktrdr = served
    words = ("data", "load", "aapl", "msft", "1h", "--start", "2000-03-01", "--end", "2000-03-02", "--no-rth")
    outcome = await ktrdr(*words, "--detach")
    assert outcome.code == 0
    (operation,) = registry.operations.values()
    spec = operation.data_load
    assert [each.symbol for each in spec.instruments] == ["AAPL", "MSFT"]
    assert spec.end_time.ToJsonString() == "2000-03-03T00:00:00Z"
    assert not spec.use_rth


async def test_an_invalid_strategy_is_wrong_usage_and_names_each_field(served: Served) -> None:
    registry, ktrdr = served
    fields = [("training.epochs", "must be at least 1"), ("model.typ", "unknown key")]
    registry.refusals.append(
        rich_status(grpc.StatusCode.INVALID_ARGUMENT, "STRATEGY_INVALID", "the strategy has 2 faults", fields=fields)
    )
    outcome = await ktrdr("train", "-", stdin="name: x\n")
    assert outcome.code == 2
    assert all(f"{name}: {text}" in outcome.err for name, text in fields)
    assert not outcome.out


async def test_missing_bars_are_refused_with_the_command_that_loads_them(served: Served) -> None:
    registry, ktrdr = served
    message = "no bars of AAPL 1d; load them: ktrdr data load AAPL 1d --start 2000-03-01 --end 2013-03-01"
    registry.refusals.append(rich_status(grpc.StatusCode.FAILED_PRECONDITION, "BARS_MISSING", message))
    outcome = await ktrdr("train", "-", stdin="name: x\n")
    assert outcome.code == 1
    assert message in outcome.err


async def test_a_wrong_filter_or_override_is_wrong_usage(served: Served) -> None:
    _, ktrdr = served
    wrong_filter, wrong_override = await asyncio.gather(
        ktrdr("ops", "list", "--filter", "nonsense"), ktrdr("train", "-", "--set", "epochs", stdin="name: x\n")
    )
    assert (wrong_filter.code, "operator is missing" in wrong_filter.err) == (2, True)
    assert (wrong_override.code, "KEY=VALUE" in wrong_override.err) == (2, True)


async def test_a_strategy_file_that_is_not_there_is_named(served: Served) -> None:
    _, ktrdr = served
    outcome = await ktrdr("train", "/nowhere/s.yaml")
    assert (outcome.code, outcome.err) == (2, "error: /nowhere/s.yaml cannot be read: No such file or directory\n")


async def test_a_service_that_is_not_there_says_how_to_start_it(tmp_path: Path) -> None:
    outcome = await Ktrdr("127.0.0.1:1", tmp_path)("ops", "list")
    assert outcome.code == 5
    assert "127.0.0.1:1" in outcome.err
    assert "ktrdr up" in outcome.err


async def test_quiet_says_nothing_but_errors(filled: Served) -> None:
    _, ktrdr = filled
    started, broken = await asyncio.gather(
        ktrdr("train", "-", "--detach", "-q", stdin="name: x\n"), ktrdr("ops", "get", "zz", "--quiet")
    )
    assert started.err == ""
    assert "there is no operation" in broken.err


async def test_the_server_can_come_from_the_configuration_file(served: Served, tmp_path: Path) -> None:
    registry, ktrdr = served
    await registry.put(running_training(FIRST))
    file = tmp_path / "mine.toml"
    file.write_text('[client]\nserver = "127.0.0.1:1"\n')
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[client]\nsrever = 1\n")
    from_environment, missing, misspelt = await asyncio.gather(
        ktrdr("ops", "list", "--config", str(file)),
        ktrdr("ops", "list", "--config", "/nowhere.toml"),
        ktrdr("ops", "list", "--config", str(wrong)),
    )
    assert (from_environment.code, missing.code, misspelt.code) == (0, 2, 2)
    assert "/nowhere.toml" in missing.err
    assert "[client] has only the key server" in misspelt.err


async def test_hosts_are_listed_shown_and_drained(served: Served) -> None:
    registry, ktrdr = served
    record = pb.HostRecord(name="gpu-1", address="h:1", state=pb.HostRecord.STATE_UNREACHABLE, problem="refused")
    registry.hosts.append(record)
    listed, shown, drained, unknown = await asyncio.gather(
        ktrdr("hosts"), ktrdr("hosts", "get", "gpu-1"), ktrdr("hosts", "drain", "gpu-1"), ktrdr("hosts", "get", "gpu-2")
    )
    assert "UNREACHABLE" in listed.out
    assert "refused" in shown.out
    assert "ktrdr hosts drain gpu-1 --undo" in drained.err
    assert registry.hosts[0].draining
    assert (unknown.code, "gpu-1" in unknown.err) == (1, True)


async def test_ids_are_completed_in_the_shell(filled: Served) -> None:
    _, ktrdr = filled
    ktrdr.environment.update(_KTRDR_COMPLETE="complete_bash", COMP_WORDS="ktrdr ops get a", COMP_CWORD="3")
    assert (await ktrdr()).out.split() == [SECOND, FIRST]
    ktrdr.environment["KTRDR_SERVER"] = "127.0.0.1:1"
    nothing = await ktrdr()
    assert (nothing.out.strip(), nothing.err) == ("", "")
