"""Say what a training brought: how it went, and what the network is worth beside what needs none."""

from ktrdr.training.v1.training_pb2 import Backtest, Evaluation, Fold, TrainingResult
from rich.text import Text

from ktrdr_client.cli.facts import fact, source_note
from ktrdr_client.cli.words import date_text, is_regression, number, percent

_SHOWN_SYMBOLS = 8
_SHOWN_FOLDS = 10
"""Folds that are told one by one."""


def training_lines(result: TrainingResult) -> list[Text]:
    """Return what a training brought."""
    bars = f"{result.bars:,} of {_series(result)}, {date_text(result.first_bar_time)} … "
    bars += date_text(result.last_bar_time) + source_note(result.source)
    lines = [
        fact("bars", bars),
        fact("epochs", _epochs(result)),
        fact("best val loss", number(result.best_validation_loss)),
        *_evaluation_lines(result),
    ]
    if result.HasField("backtest"):
        lines += _backtest_lines(result.backtest)
    lines += [fact("folds" if index == 0 else "", text) for index, text in enumerate(_folds(result))]
    return [*lines, fact("model", result.artifact_folder)]


def _series(result: TrainingResult) -> str:
    """Return "AAPL MSFT IBM", with the lengths of the bars where there are several, and the number of what is left."""
    symbols = " ".join(result.symbols[:_SHOWN_SYMBOLS])
    left = len(result.symbols) - _SHOWN_SYMBOLS
    symbols += f" and {left} more" if left > 0 else ""
    return f"{symbols} ({', '.join(result.timeframes)})" if len(result.timeframes) > 1 else symbols


def _epochs(result: TrainingResult) -> str:
    folds = f" in {len(result.folds)} folds, best of the last one" if result.folds else ", best"
    text = f"{result.epochs}{folds} {result.best_epoch}"
    if result.resumed_epochs:
        text += f", {result.resumed_epochs} taken over from a checkpoint"
    return text + (" (stopped early: no better for a while)" if result.stopped_early else "")


def _evaluation_lines(result: TrainingResult) -> list[Text]:
    test, regression = result.test, is_regression(result.test)
    label, same = ("sign accuracy", "sign") if regression else ("test accuracy", "class")
    against = f"{percent(result.test_accuracy, 1)}   always the "
    against += f"{'more frequent sign' if regression else 'largest class'}: {percent(result.majority_accuracy, 1)}"
    lines = [fact(label, against)]
    if not result.HasField("test"):
        return lines
    if test.classes:
        chance = 1 / max(1, sum(score.samples > 0 for score in test.classes))
        lines.append(fact("balanced", f"{percent(test.balanced_accuracy, 1)}   by chance: {percent(chance, 1)}"))
    if regression:
        error = f"{percent(test.mean_absolute_error, 2)} mean absolute error"
        error += f", R² {test.r_squared:.3f}" if test.HasField("r_squared") else ""
        lines.append(fact("returns", error))
    return [*lines, fact("decisions", _decided(test, same))]


def _decided(test: Evaluation, same: str) -> str:
    if not test.HasField("decided_accuracy"):
        return "none reaches the strategy's threshold"
    return f"{percent(test.decided, 1)} of the answers, with the right {same} in {percent(test.decided_accuracy, 1)}"


def _backtest_lines(backtest: Backtest) -> list[Text]:
    followed = _performance(
        backtest.total_return,
        backtest.sharpe_ratio if backtest.HasField("sharpe_ratio") else None,
        backtest.max_drawdown,
    )
    held = _performance(
        backtest.hold_total_return,
        backtest.hold_sharpe_ratio if backtest.HasField("hold_sharpe_ratio") else None,
        backtest.hold_max_drawdown,
    )
    activity = f"{backtest.trades:,} trades, {percent(backtest.costs, 1)} costs, a position in "
    activity += f"{percent(backtest.exposure)} of {backtest.bars:,} bars"
    traded = [followed, activity] if backtest.trades else [f"no trades in {backtest.bars:,} bars"]
    return [
        *(fact("" if index else "backtest", text) for index, text in enumerate(traded)),
        fact("holding", held),
        fact("", "over closes, after costs; no slippage, no margin, no compounding"),
    ]


def _performance(total: float, sharpe: float | None, drawdown: float) -> str:
    ratio = "" if sharpe is None else f", Sharpe {sharpe:.2f}"
    return f"{percent(total, 1, signed=True)}{ratio}, deepest fall {percent(drawdown, 1)}"


def _folds(result: TrainingResult) -> list[str]:
    lines = [_fold(fold) for fold in result.folds[:_SHOWN_FOLDS]]
    left = len(result.folds) - len(lines)
    return lines + ([f"and {left} more"] if left else [])


def _fold(fold: Fold) -> str:
    """Return one fold: "1: 2004-01-02 … 2006-03-01  35.1 % (majority 37.2 %), backtest +1.0 %, holding +3.4 %"."""
    span = f"{fold.number}: {date_text(fold.first_test_time)} … {date_text(fold.last_test_time)}"
    accuracy = f"{percent(fold.test.accuracy, 1)} (majority {percent(fold.test.majority_accuracy, 1)})"
    traded = fold.backtest.trades
    followed = f"backtest {percent(fold.backtest.total_return, 1, signed=True)}" if traded else "no trades"
    held = f"holding {percent(fold.backtest.hold_total_return, 1, signed=True)}"
    return f"{span}  {accuracy}, {followed}, {held}"
