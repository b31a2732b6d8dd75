"""The log has an epoch a second at most, always the last one, and the numbers of the best."""

import structlog

from services.training_host.loop.epoch_log import EpochLog
from services.training_host.loop.history import TrainingHistory


def entries(seconds_an_epoch: float, epochs: int, best: int) -> list[int]:
    now = 0.0
    with structlog.testing.capture_logs() as logged:
        log = EpochLog(("val_loss",), lambda: now)
        history = TrainingHistory(best_epoch=best, best_validation_loss=1 / best)
        for epoch in range(1, epochs + 1):
            now += seconds_an_epoch
            history.epochs.append({"val_loss": 1 / epoch})
            log.epoch_ended(epoch, history.epochs[-1])
        log.training_ended(history)
    assert logged[-1] == {
        "event": "all_epochs_ended", "log_level": "info", "epochs": epochs, "best_epoch": best,
        "best_val_loss": float(f"{1 / best:.6g}"),
    }  # fmt: skip
    return [entry["epoch"] for entry in logged[:-1]]


def test_slow_epochs_are_all_logged() -> None:
    assert entries(1.0, 4, best=2) == [1, 2, 3, 4]


def test_fast_epochs_are_logged_once_a_second_and_the_last_always() -> None:
    assert entries(0.25, 10, best=3) == [1, 5, 9, 10]
    assert entries(0.001, 10, best=10) == [1, 10]
