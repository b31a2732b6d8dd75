"""What is shown of operations that are followed."""

import io
import math

import pytest
from ktrdr.ib.v1.bars_pb2 import BAR_SIZE_1_DAY
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.cli.display import LineDisplay, SilentDisplay
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.live import LiveDisplay, OperationView
from ktrdr_client.cli.plot import print_plot
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.summary import summary_lines
from ktrdr_client.cli.words import progress_words, title
from ktrdr_client.metrics import gather
from rich.console import Console
from rich.text import Text

from tests.support.finished_operations import cancelled, completed, failed, history, running_training

ID = "op0000000000"


def at(fraction: float, step: str) -> Operation:
    operation = running_training(ID)
    operation.progress.fraction = fraction
    operation.progress.step = step
    return operation


def lines_of(*operations: Operation, prefixed: bool = False, ends: bool = True) -> list[str]:
    lines: list[str] = []

    def take(line: str | Text) -> None:
        lines.append(line if isinstance(line, str) else line.plain)

    with LineDisplay(take, prefixed=prefixed, ends=ends) as display:
        for operation in operations:
            display.update(operation)
    return lines


def test_lines_tell_every_tenth_part_once() -> None:
    steps = [at(step / 100, f"epoch {step}/100") for step in range(1, 101)]
    lines = lines_of(*steps)
    assert len(lines) == 11
    assert lines[1] == "RUNNING  train 10 %, epoch 10/100 · val loss 0.7500"


def test_seconds_that_count_down_are_no_news() -> None:
    waiting = [Operation(id=ID, state=Operation.STATE_PENDING, wait_reason=f"again in {n} s") for n in (3, 2, 1)]
    assert lines_of(*waiting) == ["PENDING  again in 3 s"]


def test_the_end_is_left_to_the_summary_where_one_follows() -> None:
    ended = completed(running_training(ID))
    assert lines_of(ended, ends=False) == []
    assert lines_of(ended, prefixed=True) == [f"{ID}  swing  COMPLETED  test accuracy 47.1 % (majority 44.0 %)"]


def test_a_host_that_does_not_answer_is_told_and_nothing_is_said_of_its_death() -> None:
    operation = running_training(ID)
    operation.liveness = pb.LIVENESS_UNREACHABLE
    (line,) = lines_of(operation)
    assert line.endswith("host training-host does not answer (unreachable); the work may go on there")


def test_silence() -> None:
    with SilentDisplay() as display:
        display.update(running_training(ID))
        display.history(ID, gather(ID, 1, []))
        display.note("x")


def picture(view: OperationView, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get().splitlines()


def test_a_picture_has_phase_bar_losses_and_curve_within_80_columns() -> None:
    view = OperationView()
    for phase in ("bars", "features", "train"):
        operation = at(0.5, "epoch 30/60, batch 12/35")
        operation.progress.phase = phase
        operation.progress.eta.FromSeconds(75)
        view.take(operation)
    view.curves = gather(ID, 1, [history("val_loss", [1.0, 0.6, 0.8, math.nan])])
    lines = picture(view)
    assert len(lines) == 5
    assert "RUNNING  training swing" in lines[0]
    assert "▸ train" in lines[1]
    assert "50 %" in lines[2]
    assert "best 0.6000 at 2" in lines[3]
    assert "█" in lines[4]
    assert all(len(line) <= 80 for line in lines)


def test_the_newest_value_counts_for_the_best() -> None:
    view = OperationView()
    view.take(running_training(ID))
    view.curves = gather(ID, 1, [history("val_loss", [1.0, 0.9])])
    assert "best 0.7500 at 2" in "\n".join(picture(view))


def test_a_picture_of_what_waits_says_why() -> None:
    view = OperationView()
    view.take(Operation(id=ID, state=Operation.STATE_QUEUED, wait_reason="2nd in line"))
    assert "2nd in line" in "\n".join(picture(view))


def test_what_ends_leaves_its_picture_behind() -> None:
    output = io.StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system=None)
    with LiveDisplay(console) as display:
        display.update(running_training(ID))
        display.update(running_training("op0000000001"))
        display.note("the stream was lost")
        display.update(completed(running_training(ID)))
        display.history("op0000000001", gather(ID, 1, [history("val_loss", [1.0])]))
    assert "COMPLETED  training swing" in output.getvalue()
    assert "the stream was lost" in output.getvalue()


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (
            completed(running_training(ID)),
            ["3,270 of AAPL", "REPLAY", "4, best 3", "0.7123", "44.0 %", "/models/swing"],
        ),
        (failed(running_training(ID), message="killed by SIGKILL"), ["FAILED", "killed by SIGKILL  [WORKER_KILLED]"]),
        (cancelled(running_training(ID)), ["CANCELLED", "stopped on request"]),
    ],
)
def test_a_summary_says_what_came_of_it(operation: Operation, words: list[str]) -> None:
    text = "\n".join(line.plain for line in summary_lines(operation))
    assert all(word in text for word in words)


def test_what_was_interrupted_is_told_to_go_on_and_what_was_wrong_to_begin_anew() -> None:
    def next_steps(operation: Operation) -> list[str]:
        lines = [line.plain for line in summary_lines(operation)]
        return [line.split("ktrdr ")[1] for line in lines if "ktrdr ops" in line]

    stopped = running_training(ID)
    going_on = f"ops retry {ID} --from-checkpoint"
    assert next_steps(failed(stopped)) == [f"ops logs {ID} --tail 50", going_on]
    assert next_steps(cancelled(stopped)) == [going_on]
    assert next_steps(failed(stopped, reason="STRATEGY_INVALID"))[-1] == f"ops retry {ID} --set KEY=VALUE"
    assert next_steps(failed(stopped, reason="CHECKPOINT_NOT_FOUND"))[-1] == f"ops retry {ID}"
    assert next_steps(failed(stopped, reason="INSTRUMENT_NOT_FOUND")) == [f"ops logs {ID} --tail 50"]
    stopped.ClearField("latest_metrics")
    assert next_steps(failed(stopped))[-1] == f"ops retry {ID}"
    assert next_steps(cancelled(stopped)) == []
    stopped.attached = True
    assert next_steps(failed(stopped)) == []


def test_operations_without_a_name_are_called_by_what_they_work_on() -> None:
    unnamed = running_training(ID, name="")
    assert title(unnamed) == "swing"
    load = Operation(id=ID)
    load.data_load.instruments.add(symbol="AAPL")
    load.data_load.bar_size = BAR_SIZE_1_DAY
    assert title(load) == "AAPL 1d"
    assert title(Operation(id=ID, session_id="their-own")) == "their-own"
    assert progress_words(Operation(id=ID, state=Operation.STATE_RUNNING)) == "starting"


def test_curves_are_drawn_without_colours_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = gather(ID, 1, [history("val_loss", [1.0, math.nan, 0.5]), history("other", [math.nan])])
    print_plot(Printer(Invocation(server="")), metrics, "swing", chosen=False)
    shown = capsys.readouterr().out
    assert "swing: loss" in shown
    assert "\x1b" not in shown
