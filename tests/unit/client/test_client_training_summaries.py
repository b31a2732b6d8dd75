"""What a training brought, in lines for people."""

from ktrdr.training.v1.training_pb2 import Backtest, ClassScore, Evaluation, Fold, TrainingResult
from ktrdr_client.cli.training_summary import training_lines
from ktrdr_client.cli.words import result_words

from tests.support.finished_operations import completed, running_training

BACKTEST = Backtest(
    bars=475, total_return=0.031, sharpe_ratio=0.354, max_drawdown=0.042, hold_total_return=-0.072,
    hold_max_drawdown=0.2, trades=61, exposure=0.4, costs=0.0305,
)  # fmt: skip


def result() -> TrainingResult:
    result = TrainingResult()
    result.CopyFrom(completed(running_training("op")).training_result)
    return result


def told(result: TrainingResult) -> dict[str, str]:
    """Return the lines by their labels; further lines of a label follow it."""
    lines: dict[str, str] = {}
    label = ""
    for line in training_lines(result):
        label = line.plain[2:17].strip() or label
        lines[label] = f"{lines[label]}\n{line.plain[17:]}" if label in lines else line.plain[17:]
    return lines


def test_a_model_is_shown_beside_the_majority_and_beside_holding() -> None:
    full = result()
    scores = [ClassScore(name=name, samples=samples) for name, samples in (("down", 200), ("flat", 100), ("up", 175))]
    full.test.CopyFrom(
        Evaluation(
            samples=475, accuracy=0.471, balanced_accuracy=0.352, decided=0.5, decided_accuracy=0.48, classes=scores
        )
    )
    full.backtest.CopyFrom(BACKTEST)
    lines = told(full)
    assert lines["test accuracy"] == "47.1 %   always the largest class: 44.0 %"
    assert lines["balanced"] == "35.2 %   by chance: 33.3 %"
    assert lines["decisions"] == "50.0 % of the answers, with the right class in 48.0 %"
    followed, activity = lines["backtest"].split("\n")
    assert followed == "+3.1 %, Sharpe 0.35, deepest fall 4.2 %"
    assert activity == "61 trades, 3.0 % costs, a position in 40 % of 475 bars"
    held, what_it_is = lines["holding"].split("\n")
    assert held == "-7.2 %, deepest fall 20.0 %"
    assert "no slippage" in what_it_is


def test_a_model_that_never_trades_has_no_return() -> None:
    full = result()
    full.backtest.CopyFrom(Backtest(bars=475, hold_total_return=0.1))
    full.folds.add(number=1, backtest=full.backtest)
    lines = told(full)
    assert lines["backtest"] == "no trades in 475 bars"
    assert lines["folds"].endswith(", no trades, holding +10.0 %")


def test_a_regression_is_shown_beside_the_more_frequent_sign() -> None:
    full = result()
    full.test.CopyFrom(Evaluation(samples=475, accuracy=0.471, mean_absolute_error=0.0123, r_squared=-0.02))
    lines = told(full)
    assert lines["sign accuracy"] == "47.1 %   always the more frequent sign: 44.0 %"
    assert lines["returns"] == "1.23 % mean absolute error, R² -0.020"
    assert lines["decisions"] == "none reaches the strategy's threshold"
    assert "balanced" not in lines
    operation = completed(running_training("op"))
    operation.training_result.CopyFrom(full)
    assert result_words(operation) == "sign accuracy 47.1 % (majority 44.0 %)"


def test_folds_are_told_one_by_one_and_many_are_counted() -> None:
    full = result()
    for number in range(1, 13):
        fold = full.folds.add()
        fold.CopyFrom(Fold(number=number, test=Evaluation(accuracy=0.35, majority_accuracy=0.372), backtest=BACKTEST))
        fold.first_test_time.FromJsonString("2004-01-02T00:00:00Z")
        fold.last_test_time.FromJsonString("2006-03-01T00:00:00Z")
    lines = told(full)
    first, *_, last = lines["folds"].split("\n")
    assert first == "1: 2004-01-02 … 2006-03-01  35.0 % (majority 37.2 %), backtest +3.1 %, holding -7.2 %"
    assert last == "and 2 more"
    assert lines["epochs"] == "4 in 12 folds, best of the last one 3"


def test_many_symbols_are_counted_and_several_lengths_of_bars_are_told() -> None:
    full = result()
    assert told(full)["bars"].startswith("3,270 of AAPL, 2000-03-01")
    del full.symbols[:]
    full.symbols.extend(f"S{number}" for number in range(1, 12))
    full.timeframes.extend(["1d", "1w"])
    assert told(full)["bars"].startswith("3,270 of S1 S2 S3 S4 S5 S6 S7 S8 and 3 more (1d, 1w), 2000-03-01")


def test_epochs_from_a_checkpoint_are_told() -> None:
    full = result()
    full.resumed_epochs = 2
    assert told(full)["epochs"] == "4, best 3, 2 taken over from a checkpoint"


def test_results_of_older_hosts_are_shown_as_far_as_they_go() -> None:
    assert set(told(result())) == {"bars", "epochs", "best val loss", "test accuracy", "model"}
