"""What a model is worth, beside what needs no model."""

from collections.abc import Mapping, Sequence

from services.training_host.artifacts.card.table import number, percent, table
from services.training_host.backtest.report import WHAT_IT_IS, BacktestReport
from services.training_host.evaluation.judgement import FoldOutcome
from services.training_host.evaluation.report import ClassEvaluation, Evaluation, ReturnEvaluation


def evaluation_lines(evaluations: Mapping[str, Evaluation], test: Evaluation) -> list[str]:
    """Tell how well a network answers.

    Args:
        evaluations: Of the kept network, by part.
        test: Of all folds together: the same as the test part's where there is one fold.
    """
    parts = dict(evaluations)
    if test != parts["test"]:
        parts = {f"{name}, last fold": evaluation for name, evaluation in parts.items()} | {"test, all folds": test}
    # The type of one is that of all.
    by_kind = _class_lines if isinstance(test, ClassEvaluation) else _return_lines
    return [*by_kind(parts, test), _against_chance(test), ""]


def fold_lines(outcomes: Sequence[FoldOutcome]) -> list[str]:
    """Tell the folds of a walk-forward evaluation apart."""
    if len(outcomes) == 1:
        return []
    rows = [
        [
            str(outcome.fold.number),
            f"{outcome.backtest.first_time:%Y-%m-%d}",
            f"{outcome.backtest.last_time:%Y-%m-%d}",
            str(outcome.evaluations["test"].samples),
            percent(outcome.evaluations["test"].accuracy),
            percent(outcome.evaluations["test"].majority_accuracy),
            percent(outcome.backtest.decisions.total_return),
            percent(outcome.backtest.hold.total_return),
        ]
        for outcome in outcomes
    ]
    header = ["fold", "test from", "to", "samples", "accuracy", "always the same", "decisions", "holding"]
    return ["Each fold's network was trained on what is older than its test:", "", *table(header, rows)]


def backtest_lines(report: BacktestReport, *, cost: float) -> list[str]:
    """Tell what following the decisions brought, beside holding."""
    columns = [
        [percent(each.total_return), number(each.sharpe_ratio), percent(each.max_drawdown)]
        for each in (report.decisions, report.hold)
    ]
    names = ["return, summed up", "Sharpe ratio", "deepest fall"]
    rows = [[name, *values] for name, *values in zip(names, *columns, strict=True)]
    held = f"{report.trades:,} changes of the position, a position in {percent(report.exposure)} of the bars, "
    held += f"{percent(report.costs)} of costs at {100 * cost:g} % of the traded value."
    span = f"{report.bars:,} bars, {report.first_time:%Y-%m-%d} to {report.last_time:%Y-%m-%d}:"
    return [span, "", *table(["", "decisions", "holding"], rows), held, "", WHAT_IT_IS, ""]


def _class_lines(parts: Mapping[str, Evaluation], test: Evaluation) -> list[str]:
    header = [
        "part", "samples", "accuracy", "always the same", "balanced", "calibration error", "Brier", "decided", "right",
    ]  # fmt: skip
    rows = [
        [
            *_common(name, each),
            percent(each.balanced_accuracy),
            number(each.calibration_error),
            number(each.brier_score),
            percent(each.decided),
            percent(each.decided_accuracy),
        ]
        for name, each in parts.items()
        if isinstance(each, ClassEvaluation)
    ]
    lines = table(header, rows)
    if isinstance(test, ClassEvaluation):
        scores = [
            [score.name, f"{score.samples:,}", percent(score.precision), percent(score.recall), percent(score.f1)]
            for score in test.classes
        ]
        lines += table(["class, test", "samples", "precision", "recall", "F1"], scores)
    return lines


def _return_lines(parts: Mapping[str, Evaluation], _: Evaluation) -> list[str]:
    header = ["part", "samples", "right sign", "always the same", "MAE", "RMSE", "R²", "decided", "right"]
    rows = [
        [
            *_common(name, each),
            f"{100 * each.mean_absolute_error:.2f} %",
            f"{100 * each.root_mean_squared_error:.2f} %",
            "-" if each.r_squared is None else f"{each.r_squared:.3f}",
            percent(each.decided),
            percent(each.decided_accuracy),
        ]
        for name, each in parts.items()
        if isinstance(each, ReturnEvaluation)
    ]
    return table(header, rows)


def _common(name: str, each: Evaluation) -> list[str]:
    return [name, f"{each.samples:,}", percent(each.accuracy), percent(each.majority_accuracy)]


def _against_chance(test: Evaluation) -> str:
    """Say in words whether the answers beat always giving the same one, and how far chance alone reaches."""
    gain = test.accuracy - test.majority_accuracy
    share = test.majority_accuracy
    error = (share * (1 - share) / test.samples) ** 0.5
    verdict = f"{abs(100 * gain):.1f} points {'above' if gain > 0 else 'below'} that of"
    if gain == 0:
        verdict = "that of"
    return (
        f"On the test part its accuracy is {verdict} always answering the same; one standard error of that is "
        f"{100 * error:.1f} points, and more where labels of neighbouring bars share their future."
    )
