"""What work gets to work with: from what people write to the contract, and back into words."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1.session_pb2 import CancelStage, Session, SessionOptions, Thinning
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.cli.ops_table import detail_lines
from ktrdr_client.cli.words import progress_words
from ktrdr_client.cli.worker_lines import option_words
from ktrdr_client.sizes import parse_size, size_text
from ktrdr_client.work_options import session_options

from tests.support.finished_operations import completed, running_training


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("8 gb", 8 * 10**9), ("1.5MiB", 3 * 2**19), ("512B", 512), ("0kb", 0), ("2TiB", 2**41)],
)
def test_sizes_are_understood(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "8", "GiB", "8 gibibytes", "-1GiB", "8GiB 5MiB", "1e3MB", "0x10MB"])
def test_what_is_no_size_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="8GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2**30 * 100, "100 GiB"),
        (2**20 - 1, "1.0 MiB"),
        (2**50 * 3, "3,072 TiB"),
    ],
)
def test_sizes_are_told_in_the_unit_that_fits(size: int, text: str) -> None:
    assert size_text(size) == text


def test_nothing_asked_for_is_no_options() -> None:
    assert session_options() is None
    assert session_options(gpus=0) == SessionOptions(gpus=0)


@pytest.mark.parametrize("limit", [timedelta(minutes=90), 5400, 5400.0, "1h30m"])
def test_options_are_taken_as_people_have_them(limit: timedelta | float | str) -> None:
    options = session_options(gpus=2, threads=4, memory="8GiB", niceness=5, time_limit=limit)
    assert options == SessionOptions(
        gpus=2, threads=4, memory_limit_bytes=2**33, niceness=5, timeout=Duration(seconds=5400)
    )
    assert option_words(options) == "2 GPUs, 4 threads, 8 GiB memory, niceness 5, time limit 1 h 30 min"


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"gpus": -1}, "gpus"),
        ({"threads": 0}, "threads"),
        ({"memory": 0}, "memory"),
        ({"memory": "much"}, "8GiB"),
        ({"niceness": 20}, "19"),
        ({"niceness": -1}, "niceness"),
        ({"time_limit": 0}, "time"),
        ({"time_limit": timedelta(-1)}, "time"),
        ({"time_limit": "soon"}, "1h30m"),
    ],
)
def test_what_is_not_possible_is_said(fields: dict[str, int], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        session_options(**fields)


def stopping() -> Operation:
    """Return a training that is asked to stop, with everything that can be told of its worker."""
    operation = running_training("aa0000000000")
    operation.state = Operation.STATE_CANCELLING
    operation.cancel_requested = True
    operation.cancel_stage = CancelStage.CANCEL_STAGE_ASKED
    operation.cancel_grace_left.seconds = 12
    operation.worker_liveness = Session.WORKER_LIVENESS_ALIVE
    operation.worker_pid = 4711
    operation.devices.extend(["cuda:0", "cuda:1"])
    operation.options.CopyFrom(SessionOptions(gpus=2))
    operation.time_left.seconds = 4300
    operation.thinning.CopyFrom(Thinning(generation=2, complete_from_seq=120_000, rows_left_out=60_000))
    operation.attached = True
    return operation


def details(operation: Operation) -> dict[str, str]:
    """Return what the details of an operation say, by label."""
    lines = [line.plain for line in detail_lines(operation)]
    assert all(len(line) <= 80 for line in lines)
    return {line[2:17].strip(): line[17:] for line in lines[1:]}


def test_details_tell_of_the_worker() -> None:
    told = details(stopping())
    assert told["progress"] == "train 50 %, epoch 2/4"
    assert told["worker"] == "pid 4711, alive"
    assert told["stop"] == "asked to stop, interrupted in 12 s"
    assert told["devices"] == "cuda:0 cuda:1"
    assert told["options"] == "2 GPUs"
    assert told["time left"] == "1 h 11 min"
    assert told["thinned"] == "60,000 rows left out in 2 rounds; complete from row 120,000 on"
    assert "never signalled" in told["attached"]


def test_a_worker_that_cannot_be_seen_is_not_called_dead() -> None:
    operation = stopping()
    operation.worker_liveness = Session.WORKER_LIVENESS_STALE
    assert "nothing proves" in details(operation)["worker"]


def test_what_has_ended_tells_how_it_was_made_to() -> None:
    operation = completed(stopping())
    operation.cancel_stage = CancelStage.CANCEL_STAGE_KILLED
    told = details(operation)
    assert told["stop"] == "killed (SIGKILL)"
    assert "worker" not in told
    operation.cancel_stage = CancelStage.CANCEL_STAGE_ASKED
    assert "stop" not in details(operation)


def test_a_plain_operation_says_nothing_of_all_that() -> None:
    assert not {"worker", "stop", "devices", "options", "time left", "thinned", "attached"} & set(
        details(running_training("aa0000000000"))
    )


def test_lists_say_how_far_a_stop_has_gone() -> None:
    operation = stopping()
    assert progress_words(operation) == "asked to stop, interrupted in 12 s, train 50 %, epoch 2/4"
    operation.cancel_stage = CancelStage.CANCEL_STAGE_INTERRUPTED
    assert progress_words(operation).startswith("interrupted (SIGTERM), killed in 12 s")
