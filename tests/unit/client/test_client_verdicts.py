"""How verdicts are shown."""

import io

import pytest
from ktrdr.operations.v1 import trends_pb2 as trends
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.cli.display import LineDisplay
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.cli.live import OperationView
from ktrdr_client.cli.ops_diagnose import parse_verdict_words
from ktrdr_client.cli.ops_table import detail_lines
from ktrdr_client.cli.verdict_lines import verdict_lines
from ktrdr_client.verdicts import VERDICT_WORDS
from rich.console import Console
from rich.text import Text

from tests.support.finished_operations import running_training

ID = "op0000000000"


def judged(**fields: object) -> Operation:
    """Return a training with a serious verdict, and one that is good to know."""
    operation = running_training(ID)
    operation.verdicts.add(
        kind=trends.VERDICT_KIND_BEST_EPOCH,
        severity=trends.SEVERITY_INFO,
        series="val_loss",
        evidence="0.4 at epoch 7",
        active=True,
    )
    serious = operation.verdicts.add(
        kind=trends.VERDICT_KIND_OVERFITTING,
        severity=trends.SEVERITY_WARNING,
        series="val_loss",
        evidence="from 0.4 at epoch 7 to 0.5 at 20",
        active=True,
    )
    serious.MergeFrom(trends.Verdict(**fields))  # type: ignore[arg-type]  # fields of it
    operation.stop_on.append(trends.VERDICT_KIND_NOT_FINITE)
    return operation


def test_lines_of_one_operation() -> None:
    lines = [line.plain for line in detail_lines(judged())][-3:]
    assert lines[0] == "  verdicts       best-epoch (val_loss): 0.4 at epoch 7"
    assert lines[1] == "                 overfitting (val_loss): from 0.4 at epoch 7 to 0.5 at 20"
    assert lines[2] == "  stops on       nan"
    assert verdict_lines([]) == []
    (stalled,) = verdict_lines([trends.Verdict(kind=trends.VERDICT_KIND_STALLED, evidence="80 s without a point")])
    assert stalled.plain == "  verdicts       stalled: 80 s without a point; no longer"


def test_what_is_serious_is_told_while_it_is_followed() -> None:
    lines: list[str] = []
    display = LineDisplay(lambda line: lines.append(Text(str(line)).plain), prefixed=False)
    over = judged()
    over.verdicts[1].active = False
    for operation in (running_training(ID), judged(), judged(), over):
        display.update(operation)
    assert [line.endswith(" · overfitting") for line in lines] == [False, True, False]
    view = OperationView()
    view.take(judged())
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(view)
    assert "overfitting: from 0.4 at epoch 7 to 0.5 at 20" in capture.get()
    assert "best-epoch" not in capture.get()


def test_words_of_flags() -> None:
    assert parse_verdict_words(["nan,divergence", " No_Learning "], "--stop-on") == ["nan", "divergence", "no-learning"]
    assert parse_verdict_words(list(VERDICT_WORDS), "--kind") == list(VERDICT_WORDS)
    with pytest.raises(UsageProblem, match=r"--stop-on: 'overfit' is no verdict; choose from best-epoch, plateau"):
        parse_verdict_words(["overfit"], "--stop-on")
