"""The callback for Hugging Face's Trainer, with the real library and tiny trainings."""

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ktrdr_bridge import open_session, request_stop

from tests.support.recorded_session import recorded_session

Train = Callable[..., Any]
STEPS = 4


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train a tiny model and return its Trainer: `train(session, epochs, before_step=…)`."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at the import, of the library's own use of others
        from ktrdr_bridge.integrations.transformers import KtrdrCallback
        from transformers import Trainer, TrainerCallback, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            predicted = self.layer(x)
            return {"loss": ((predicted - labels) ** 2).mean(), "logits": predicted}

    class BeforeStep(TrainerCallback):  # type: ignore[misc]  # its types are not followed
        def __init__(self, call: Callable[[int], None]) -> None:
            self.call = call

        def on_step_begin(self, args: Any, state: Any, control: Any, **_kwargs: Any) -> None:  # noqa: ARG002
            self.call(state.global_step + 1)

    def train(
        session: Any, *, epochs: int = 2, before_step: Callable[[int], None] = lambda _: None, **arguments: Any
    ) -> Any:
        torch.manual_seed(7)
        data = [{"x": torch.randn(4), "labels": torch.randn(1)} for _ in range(16)]
        trainer = Trainer(
            Model(),
            TrainingArguments(
                output_dir=str(tmp_path / "out"), num_train_epochs=epochs, per_device_train_batch_size=4, use_cpu=True,
                save_strategy="no", report_to=[], disable_tqdm=True, dataloader_pin_memory=False,
                **{"logging_steps": 2, "eval_strategy": "epoch"} | arguments,
            ),
            train_dataset=data,
            eval_dataset=data,
            callbacks=[BeforeStep(before_step), KtrdrCallback(session, home=tmp_path)],
        )  # fmt: skip
        trainer.train()
        return trainer

    return train


def logged(trainer: Any, name: str) -> list[tuple[float, float]]:
    """Return what the Trainer itself has logged: (epoch, value)."""
    return [(entry["epoch"], entry[name]) for entry in trainer.state.log_history if name in entry]


def test_epochs_steps_and_evaluations_are_reported(train: Train, tmp_path: Path) -> None:
    trainer = train("a training")
    session = recorded_session(tmp_path)
    assert session.opened["display_name"] == "a training"
    assert (session.progress.phase, session.progress.completed, session.progress.total) == ("train", 2.0, 2)
    losses = [value for _, value in logged(trainer, "loss")]
    assert session.points["batch_loss"] == list(zip([2, 4, 2, 4], losses, strict=True))
    assert session.values("train_loss") == [sum(losses[:2]) / 2, sum(losses[2:]) / 2]
    assert session.points["val_loss"] == [(int(epoch), value) for epoch, value in logged(trainer, "eval_loss")]
    assert session.values("learning_rate") == [value for _, value in logged(trainer, "learning_rate")][1::2]
    assert set(session.points) == {
        "batch_loss", "batch_grad_norm", "batch_learning_rate", "train_loss", "grad_norm", "learning_rate", "val_loss"
    }  # fmt: skip
    assert session.result["outcome"] == "completed"


def test_what_is_logged_once_an_epoch_is_the_epochs_own(train: Train, tmp_path: Path) -> None:
    trainer = train("a training", logging_strategy="epoch", eval_strategy="no", epochs=3)
    session = recorded_session(tmp_path)
    assert session.points["train_loss"] == [(int(epoch), value) for epoch, value in logged(trainer, "loss")]
    assert len(session.values("train_loss")) == 3
    assert "batch_loss" not in session.points


def test_evaluations_within_an_epoch(train: Train, tmp_path: Path) -> None:
    trainer = train("a training", eval_strategy="steps", eval_steps=3, epochs=3)
    session = recorded_session(tmp_path)
    found = [value for _, value in logged(trainer, "eval_loss")]
    assert session.points["batch_val_loss"] == list(zip([3, 2, 1, 4], found, strict=True))  # steps 3, 6, 9 and 12
    assert session.values("val_loss")[0] == found[0]


def test_progress_goes_on_between_logs(train: Train, tmp_path: Path) -> None:
    seen = []

    def look(step: int) -> None:
        if step > 1:
            seen.append(recorded_session(tmp_path).progress.step)

    train("a training", epochs=1, logging_steps=100, before_step=look)
    assert seen == ["epoch 1/1, batch 1/4", "epoch 1/1, batch 2/4", "epoch 1/1, batch 3/4"]


def test_a_request_stops_the_training_within_the_epoch(train: Train, tmp_path: Path) -> None:
    def ask(step: int) -> None:
        if step == STEPS + 2:
            request_stop(recorded_session(tmp_path).folder / "control", reason="enough")

    trainer = train("stopped", epochs=5, before_step=ask)
    session = recorded_session(tmp_path)
    assert trainer.state.global_step == STEPS + 2
    assert [step for step, _ in session.points["train_loss"]] == [1]
    assert session.result["outcome"] == "cancelled"


def test_a_training_that_is_cut_off_has_failed_once_its_trainer_is_gone(train: Train, tmp_path: Path) -> None:
    def fail(step: int) -> None:
        if step == 3:
            raise ValueError("no bars for AAPL")

    with pytest.raises(ValueError, match="no bars"):
        train("failing", before_step=fail)
    gc.collect()
    result = recorded_session(tmp_path).result
    assert result["outcome"] == "failed"
    assert result["error"]["parameters"] == {"exception": "the training was cut off before its end"}


def test_a_bridge_that_is_given_tells_the_exception(train: Train, tmp_path: Path) -> None:
    def fail(step: int) -> None:
        if step == STEPS + 1:
            raise ValueError("no bars for AAPL")

    with pytest.raises(ValueError, match="no bars"), open_session("mine", home=tmp_path) as bridge:
        train(bridge, before_step=fail)
    session = recorded_session(tmp_path)
    assert session.result["error"]["parameters"] == {"exception": "ValueError: no bars for AAPL"}
    assert len(session.values("val_loss")) == 1
