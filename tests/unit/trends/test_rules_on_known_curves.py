"""Each rule on curves with a known answer, and on curves where it must not find anything."""

import math
import random
from collections.abc import Callable, Mapping

import pytest
from ktrdr.operations.v1 import trends_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import Verdict, VerdictKind

from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.series_names import DEFAULT_NAMES
from services.operations.trends.thresholds import DEFAULT_THRESHOLDS, Thresholds
from tests.support.trend_rows import row

BEGAN_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
Epochs = Callable[[int], Mapping[str, float]]


def trends_of(
    epochs: Epochs,
    count: int,
    *,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    seconds: Callable[[int], float] = lambda _: 10.0,
) -> AttemptTrends:
    """Return the trends of a training whose epochs, from 1, have these metrics and take so many seconds."""
    trends, time_ns = AttemptTrends(thresholds, DEFAULT_NAMES), BEGAN_NS
    for epoch in range(1, count + 1):
        time_ns += round(seconds(epoch) * SECOND_NS)
        trends.take("journal", [row(epoch, epoch, time_ns, epochs(epoch))])
    return trends


def found(trends: AttemptTrends, kind: "VerdictKind.ValueType", series: str | None = None) -> Verdict:
    """Return the one verdict of a kind."""
    (verdict,) = [each for each in trends.verdicts(kinds=[kind]) if series in (None, each.series)]
    return verdict


def kinds(trends: AttemptTrends, *, active: bool = True) -> set[str]:
    """Return the kinds of the verdicts that hold, the best epoch apart."""
    verdicts = [each for each in trends.verdicts() if each.kind != pb.VERDICT_KIND_BEST_EPOCH]
    return {VerdictKind.Name(each.kind).removeprefix("VERDICT_KIND_") for each in verdicts if each.active or not active}


def healthy(epoch: int) -> dict[str, float]:
    """Return losses that fall and level off, the validation a little above."""
    noise = random.Random(epoch).gauss(0, 0.005)
    fall = 0.6 * 0.9**epoch
    return {"train_loss": 0.4 + fall, "val_loss": 0.45 + fall + noise, "val_accuracy": 0.8 - fall + noise}


# The best epoch.


def test_the_best_epoch_is_the_first_with_the_lowest_validation_loss() -> None:
    losses = [3.0, 2.0, 1.0, 1.5, 1.0, math.nan, 2.0]
    best = found(trends_of(lambda e: {"train_loss": 1 / e, "val_loss": losses[e - 1]}, 7), pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.series, best.severity, best.active) == ("val_loss", pb.SEVERITY_INFO, True)
    assert (best.figures["best"], best.figures["best_step"], best.figures["epochs_since"]) == (1.0, 3, 4)
    assert best.first_seen.ToNanoseconds() == BEGAN_NS + 30 * SECOND_NS
    assert best.last_seen.ToNanoseconds() == BEGAN_NS + 70 * SECOND_NS
    assert (best.from_step, best.to_step) == (1, 7)


def test_without_a_validation_loss_it_is_told_by_the_accuracy_and_without_that_by_the_training_loss() -> None:
    accuracies = [0.5, 0.7, 0.9, 0.8]
    best = found(trends_of(lambda e: {"loss": 1 / e, "val_acc": accuracies[e - 1]}, 4), pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.series, best.figures["best"], best.figures["best_step"]) == ("val_acc", 0.9, 3)
    best = found(trends_of(lambda e: {"loss": 1 / e}, 4), pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.series, best.figures["best_step"]) == ("loss", 4)


def test_a_validation_loss_that_comes_later_takes_over() -> None:
    every_fifth = trends_of(lambda e: {"train_loss": 1 / e} | ({"val_loss": 1 / e} if e % 5 == 0 else {}), 12)
    best = found(every_fifth, pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.series, best.figures["best_step"]) == ("val_loss", 10)


def test_nothing_but_nan_has_no_best_epoch() -> None:
    trends = trends_of(lambda _: {"val_loss": math.nan}, 5)
    assert kinds(trends) == {"NOT_FINITE"}
    assert not trends.verdicts(kinds=[pb.VERDICT_KIND_BEST_EPOCH])


# Plateau.


def test_a_plateau() -> None:
    trends = trends_of(lambda e: {"val_loss": max(0.5, 1 - 0.1 * e)}, 15)
    plateau = found(trends, pb.VERDICT_KIND_PLATEAU)
    assert (plateau.active, plateau.severity) == (True, pb.SEVERITY_INFO)
    assert (plateau.from_step, plateau.to_step, plateau.figures["reference_step"]) == (5, 15, 5)
    assert plateau.first_seen.ToNanoseconds() == BEGAN_NS + 150 * SECOND_NS
    assert plateau.rule == "no improvement of val_loss by 0.1 % in 10 epochs"
    assert found(trends_of(lambda e: {"val_loss": max(0.5, 1 - 0.1 * e)}, 25), plateau.kind).severity == (
        pb.SEVERITY_WARNING
    )


def test_a_plateau_ends_with_an_improvement() -> None:
    trends = trends_of(lambda e: {"val_loss": 0.5 if e < 16 else 0.4}, 20)
    plateau = found(trends, pb.VERDICT_KIND_PLATEAU)
    assert (plateau.active, plateau.to_step, plateau.figures["epochs"]) == (False, 15, 14)


def test_slow_steady_improvement_is_no_plateau_and_a_crawl_is() -> None:
    assert "PLATEAU" not in kinds(trends_of(lambda e: {"val_loss": 0.99**e}, 60))
    assert "PLATEAU" in kinds(trends_of(lambda e: {"val_loss": 1 - 1e-5 * e}, 60))
    assert "PLATEAU" not in kinds(trends_of(lambda e: {"val_accuracy": 0.5 + 0.005 * e}, 60))


# Overfitting.


def overfitting(epoch: int) -> dict[str, float]:
    """Return a validation loss that turns at epoch 20 while the training loss goes on falling."""
    noise = random.Random(epoch).gauss(0, 0.004)
    return {"train_loss": 0.7 * 0.95**epoch, "val_loss": 0.5 + 0.0005 * (epoch - 20) ** 2 + noise}


def test_overfitting() -> None:
    verdict = found(trends_of(overfitting, 45), pb.VERDICT_KIND_OVERFITTING)
    assert (verdict.active, verdict.series, verdict.severity) == (True, "val_loss", pb.SEVERITY_CRITICAL)
    assert 17 <= verdict.from_step <= 23
    assert verdict.figures["train_last"] < verdict.figures["train_at_best"]
    turned = [n for n in range(20, 46) if "OVERFITTING" in kinds(trends_of(overfitting, n))]
    assert 27 <= turned[0] <= 38
    assert turned == list(range(turned[0], 46))


@pytest.mark.parametrize("seed", range(20))
def test_a_flat_noisy_validation_loss_is_no_overfitting(seed: int) -> None:
    rng = random.Random(seed)
    noise = [rng.gauss(0, 0.05) for _ in range(201)]
    trends = trends_of(lambda e: {"train_loss": 0.7 * 0.99**e, "val_loss": 0.5 + 0.3 * 0.8**e + noise[e]}, 200)
    assert "OVERFITTING" not in kinds(trends, active=False)


def test_both_losses_rising_is_no_overfitting() -> None:
    trends = trends_of(lambda e: {"train_loss": abs(e - 10) / 10 + 0.5, "val_loss": abs(e - 10) / 10 + 0.6}, 30)
    assert "OVERFITTING" not in kinds(trends, active=False)


def test_a_single_bump_is_no_overfitting_and_an_episode_ends() -> None:
    bump = trends_of(lambda e: {"train_loss": 1 / e, "val_loss": 1 / e + (1.0 if e == 20 else 0.0)}, 40)
    assert "OVERFITTING" not in kinds(bump, active=False)
    passing = trends_of(lambda e: {"train_loss": 1 / e, "val_loss": 0.8 if 15 <= e < 30 else 1 / e}, 40)
    verdict = found(passing, pb.VERDICT_KIND_OVERFITTING)
    assert (verdict.active, verdict.figures["best_step"]) == (False, 14)


def test_losses_in_rows_of_their_own_are_compared_all_the_same() -> None:
    trends = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES)
    for epoch in range(1, 46):
        for part, (name, value) in enumerate(overfitting(epoch).items()):
            trends.take("journal", [row(2 * epoch + part, epoch, BEGAN_NS + epoch * SECOND_NS, {name: value})])
    assert "OVERFITTING" in kinds(trends)


# Divergence.


def test_divergence_of_epochs() -> None:
    trends = trends_of(lambda e: {"train_loss": 1 / e if e < 10 else 0.11 * 2 ** (e - 10)}, 16)
    verdict = found(trends, pb.VERDICT_KIND_DIVERGENCE)
    assert (verdict.active, verdict.severity, verdict.from_step) == (True, pb.SEVERITY_CRITICAL, 10)
    assert verdict.figures["ratio"] == pytest.approx(64)


def test_a_loss_that_grows_from_the_start_diverges() -> None:
    assert "DIVERGENCE" in kinds(trends_of(lambda e: {"train_loss": 0.7 * 1.5**e}, 8))


def test_a_spike_or_a_small_rise_near_zero_is_no_divergence() -> None:
    assert "DIVERGENCE" not in kinds(trends_of(lambda e: {"train_loss": 9.0 if e == 9 else 1 / e}, 20), active=False)
    near_zero = trends_of(lambda e: {"train_loss": 0.7 * 0.6**e if e < 12 else 0.02}, 40)
    assert "DIVERGENCE" not in kinds(near_zero, active=False)
    assert "DIVERGENCE" not in kinds(trends_of(overfitting, 60), active=False)  # the training itself is fine


def test_divergence_of_batches() -> None:
    def batches(count: int, loss: Callable[[int], float]) -> AttemptTrends:
        trends, rng = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES), random.Random(3)
        for batch in range(count):
            value = loss(batch) * (1 + rng.gauss(0, 0.2))
            time_ns = BEGAN_NS + batch * SECOND_NS // 10
            trends.take("journal", [row(batch, batch % 100 + 1, time_ns, {"batch_loss": value})])
        return trends

    verdict = found(batches(1000, lambda b: 0.5 if b < 600 else 2.0), pb.VERDICT_KIND_DIVERGENCE)
    assert (verdict.active, verdict.series) == (True, "batch_loss")
    assert kinds(batches(3000, lambda b: 0.3 + 2 * 0.99**b), active=False) == set()


# NaN and infinities.


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number(value: float) -> None:
    trends = trends_of(lambda e: {"train_loss": value if e >= 4 else 1 / e, "val_loss": 1 / e}, 5)
    verdict = found(trends, pb.VERDICT_KIND_NOT_FINITE)
    assert (verdict.series, verdict.active, verdict.severity) == ("train_loss", True, pb.SEVERITY_CRITICAL)
    assert (verdict.from_step, verdict.to_step, verdict.figures["points"]) == (4, 5, 2)


def test_it_ends_with_a_number_and_other_losses_count() -> None:
    trends = trends_of(lambda e: {"actor_loss": math.nan if e == 3 else 1.0, "sharpe": math.nan}, 5)
    verdict = found(trends, pb.VERDICT_KIND_NOT_FINITE)
    assert (verdict.series, verdict.active) == ("actor_loss", False)
    assert verdict.evidence == "nan at 3; numbers again after it"


# No learning.


@pytest.mark.parametrize("seed", range(10))
def test_a_loss_that_does_not_fall(seed: int) -> None:
    rng = random.Random(seed)
    trends = trends_of(lambda _: {"train_loss": 0.693 + rng.gauss(0, 0.002)}, 30)
    verdict = found(trends, pb.VERDICT_KIND_NO_LEARNING)
    assert (verdict.active, verdict.severity, verdict.from_step) == (True, pb.SEVERITY_WARNING, 1)


@pytest.mark.parametrize("series", ["val_accuracy", "val_sign_accuracy"])
def test_an_accuracy_that_stays_the_same_from_the_start(series: str) -> None:
    trends = trends_of(lambda e: {"train_loss": 1 / e, series: 0.52}, 10)
    assert found(trends, pb.VERDICT_KIND_NO_LEARNING).series == series


def test_an_accuracy_that_is_perfect_or_moves_later_is_no_sign_of_not_learning() -> None:
    assert "NO_LEARNING" not in kinds(trends_of(lambda _: {"val_accuracy": 1.0}, 40), active=False)
    later = trends_of(lambda e: {"val_accuracy": 0.52 if e < 15 else 0.6}, 20)
    assert found(later, pb.VERDICT_KIND_NO_LEARNING).active is False


@pytest.mark.parametrize("seed", range(10))
def test_learning_however_slow_or_noisy_is_seen(seed: int) -> None:
    rng = random.Random(seed)
    slow = trends_of(lambda e: {"train_loss": 0.693 - 0.002 * e}, 40)
    assert "NO_LEARNING" not in kinds(slow)
    noisy = trends_of(lambda e: {"train_loss": (0.4 + 0.6 * 0.9**e) * (1 + rng.gauss(0, 0.05))}, 40)
    assert "NO_LEARNING" not in kinds(noisy)
    assert "NO_LEARNING" not in kinds(trends_of(lambda _: {"train_loss": 0.693}, 9), active=False)  # too early to tell


# Stalled.


def test_a_stall_that_is_open_and_one_that_is_over() -> None:
    trends = trends_of(healthy, 20, seconds=lambda _: 20.0)
    assert trends.patience_seconds == 100.0
    assert "STALLED" not in kinds(trends)
    (verdict,) = trends.verdicts(101.0, [pb.VERDICT_KIND_STALLED])
    assert (verdict.active, verdict.from_step, verdict.severity) == (True, 20, pb.SEVERITY_WARNING)
    assert verdict.first_seen.ToNanoseconds() == BEGAN_NS + 500 * SECOND_NS
    over = found(trends_of(healthy, 20, seconds=lambda e: 300.0 if e == 15 else 20.0), pb.VERDICT_KIND_STALLED)
    assert (over.active, over.from_step, over.figures["seconds"]) == (False, 14, 300.0)


def test_evaluations_between_batches_are_usual() -> None:
    trends, time_ns, seq = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES), BEGAN_NS, 0
    for epoch in range(1, 4):
        for batch in range(1, 1001):
            seq, time_ns = seq + 1, time_ns + SECOND_NS // 2
            trends.take("journal", [row(seq, batch, time_ns, {"batch_loss": 1.0})])
        seq, time_ns = seq + 1, time_ns + 300 * SECOND_NS  # an evaluation
        trends.take("journal", [row(seq, epoch, time_ns, {"val_loss": 1.0})])
    assert "STALLED" not in kinds(trends, active=False)
    assert trends.patience_seconds > 600.0
    assert math.isinf(trends_of(healthy, 4).patience_seconds)  # too early to tell


def test_a_new_rhythm_is_learnt() -> None:
    trends = trends_of(healthy, 60, seconds=lambda e: 10.0 if e < 20 else 400.0)
    stall = found(trends, pb.VERDICT_KIND_STALLED)
    assert stall.to_step < 25
    assert trends.patience_seconds == pytest.approx(2000.0, rel=0.5)


# Throughput.


def test_slow_epochs() -> None:
    trends = trends_of(healthy, 30, seconds=lambda e: 10.0 if e < 20 else 25.0)
    verdict = found(trends, pb.VERDICT_KIND_THROUGHPUT_DROP)
    assert (verdict.active, verdict.from_step) == (True, 20)
    assert (verdict.figures["usual_seconds"], verdict.figures["seconds"]) == (10.0, 25.0)
    recovered = trends_of(healthy, 40, seconds=lambda e: 25.0 if 20 <= e < 30 else 10.0)
    assert found(recovered, pb.VERDICT_KIND_THROUGHPUT_DROP).active is False


@pytest.mark.parametrize(
    "seconds",
    [
        lambda e: 10.0 + 5 * (e % 3 == 0),
        lambda e: 60.0 if e in (15, 16) else 10.0,
        lambda e: 60.0 if e == 2 else 10.0,  # the first epochs warm caches up
        lambda e: 0.001 if e < 20 else 0.01,  # too short to mean anything
        lambda e: 10.0 * 1.01**e,
    ],
)
def test_epochs_that_vary_are_no_drop(seconds: Callable[[int], float]) -> None:
    assert "THROUGHPUT_DROP" not in kinds(trends_of(healthy, 60, seconds=seconds), active=False)


# All together.


def test_nothing_is_found_in_a_healthy_training() -> None:
    assert kinds(trends_of(healthy, 40), active=False) - {"PLATEAU"} == set()


def test_a_curve_begins_anew_where_its_steps_go_back() -> None:
    def folds(seq: int) -> dict[str, float]:
        epoch = (seq - 1) % 20 + 1
        return {"train_loss": 1.0 / epoch + (seq - 1) // 20, "val_loss": 1.0 / epoch + (seq - 1) // 20}

    trends = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES)
    for seq in range(1, 61):
        time_ns = BEGAN_NS + seq * SECOND_NS
        trends.take("journal", [row(seq, (seq - 1) % 20 + 1, time_ns, folds(seq))])
    assert kinds(trends, active=False) == set()
    best = found(trends, pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.figures["best"], best.figures["best_step"]) == (2.05, 20)


def test_epochs_of_different_folds_are_never_compared() -> None:
    def folds(epoch: int) -> dict[str, float]:
        # Each fold levels off after four of its eight epochs, and each is harder than the one before.
        fold, within = divmod(epoch - 1, 8)
        loss = 0.1 + 0.3 * fold + 0.1 / (1 + within)
        return {"train_loss": loss, "val_loss": loss, "batch_loss": loss}

    whole = trends_of(folds, 24)
    assert "PLATEAU" in kinds(whole)
    apart = trends_of(lambda epoch: {**folds(epoch), "fold": float((epoch - 1) // 8 + 1)}, 24)
    assert kinds(apart) == set()
    best = found(apart, pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.from_step, best.figures["best_step"]) == (17, 24)


def test_a_verdict_of_an_earlier_fold_stays() -> None:
    trends = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES)
    for seq in range(1, 60):
        step = seq if seq <= 45 else seq - 45
        trends.take("journal", [row(seq, step, BEGAN_NS + seq * SECOND_NS, overfitting(step))])
    assert found(trends, pb.VERDICT_KIND_OVERFITTING).active is False


@pytest.mark.parametrize("names", [("train/loss", "val/loss"), ("loss", "val_loss"), ("train_loss_epoch", "eval_loss")])
def test_names_of_other_libraries(names: tuple[str, str]) -> None:
    trends = trends_of(lambda e: dict(zip(names, overfitting(e).values(), strict=True)), 45)
    assert found(trends, pb.VERDICT_KIND_OVERFITTING).series == names[1]


def test_a_preferred_name_takes_over() -> None:
    trends = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES)
    seq = 0
    for epoch in range(1, 30):
        for batch in range(1, 6):
            seq += 1
            trends.take("j", [row(seq, batch, BEGAN_NS + seq * SECOND_NS, {"loss": 5.0 + batch})])
        seq += 1
        trends.take("j", [row(seq, epoch, BEGAN_NS + seq * SECOND_NS, {"train_loss": 1 / epoch})])
    best = found(trends, pb.VERDICT_KIND_BEST_EPOCH)
    assert (best.series, best.figures["best_step"]) == ("train_loss", 29)
    assert kinds(trends, active=False) == set()
