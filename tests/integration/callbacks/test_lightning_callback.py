"""The callback for PyTorch Lightning, with the real library and tiny trainings."""

import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ktrdr_bridge import open_session, request_stop
from torch.utils.data import DataLoader, TensorDataset

from tests.support.recorded_session import recorded_session, recorded_sessions

pytestmark = [
    # Lightning's own use of a function of torch that has a new name.
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*is deprecated:FutureWarning"),
    # On a machine with more cores Lightning would have the loaders use more processes.
    pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning"),
]

Fit = Callable[..., Any]
BATCHES = 4


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """Train a tiny model and return it: `fit(session, epochs, before_batch=…)`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at the import, of the library's own use of others
        from ktrdr_bridge.integrations.lightning import KtrdrCallback
        from lightning.pytorch import LightningModule, Trainer

    class Model(LightningModule):  # type: ignore[misc]  # the library has no types
        def __init__(self, before_batch: Callable[[int, int], None]) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)
            self.losses: list[list[float]] = []
            self.validated: list[float] = []
            self.before_batch = before_batch

        def loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
            return torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            self.before_batch(self.current_epoch + 1, index + 1)
            loss = self.loss(batch)
            if index == 0:
                self.losses.append([])
            self.losses[-1].append(loss.item())
            self.log("margin", float(index), on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: list[torch.Tensor], _index: int) -> None:
            loss = self.loss(batch)
            self.validated.append(loss.item())
            self.log("val_loss", loss)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    def fit(
        session: Any, *, epochs: int = 2, before_batch: Callable[[int, int], None] = lambda *_: None, **options: Any
    ) -> Any:
        torch.manual_seed(7)
        data = TensorDataset(torch.randn(16, 4), torch.randn(16, 1))
        trainer = Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path,
            callbacks=[KtrdrCallback(session, home=tmp_path, **options)],
        )  # fmt: skip
        model = Model(before_batch)
        trainer.fit(model, DataLoader(data, batch_size=4), DataLoader(data, batch_size=16))
        return model

    return fit


def test_epochs_batches_and_validation_are_reported(fit: Fit, tmp_path: Path) -> None:
    model = fit("a fit", every_n_batches=2, labels={"by": "test"})
    session = recorded_session(tmp_path)
    assert (session.opened["display_name"], session.opened["labels"]) == ("a fit", {"by": "test"})
    assert (session.progress.phase, session.progress.completed, session.progress.total) == ("train", 2.0, 2)
    assert session.progress.unit == "epochs"
    assert [step for step, _ in session.points["train_loss"]] == [1, 2]
    assert session.values("train_loss") == pytest.approx([sum(each) / BATCHES for each in model.losses])
    assert session.values("val_loss") == pytest.approx(model.validated)
    assert session.values("margin") == [1.5, 1.5]
    expected = [(batch, loss) for epoch in model.losses for batch, loss in enumerate(epoch, 1) if batch % 2 == 0]
    assert [step for step, _ in session.points["batch_loss"]] == [step for step, _ in expected]
    assert session.values("batch_loss") == pytest.approx([loss for _, loss in expected])
    assert session.points["batch_margin"] == [(2, 1.0), (4, 3.0)] * 2
    assert set(session.points) == {"train_loss", "val_loss", "margin", "batch_loss", "batch_margin"}
    assert session.result["outcome"] == "completed"


def test_each_fit_is_a_session_of_its_own(fit: Fit, tmp_path: Path) -> None:
    fit("one", epochs=1)
    fit("two", epochs=1)
    assert [each.opened["display_name"] for each in recorded_sessions(tmp_path)] == ["one", "two"]


def test_a_request_stops_the_training_within_the_epoch(fit: Fit, tmp_path: Path) -> None:
    def ask(epoch: int, batch: int) -> None:
        if (epoch, batch) == (2, 2):
            request_stop(recorded_session(tmp_path).folder / "control", reason="enough")

    model = fit("stopped", epochs=5, before_batch=ask)
    session = recorded_session(tmp_path)
    assert [len(each) for each in model.losses] == [BATCHES, 2]
    assert [step for step, _ in session.points["train_loss"]] == [1]  # the epoch that was cut short is none
    assert session.result["outcome"] == "cancelled"


def test_an_exception_is_told_with_its_text(fit: Fit, tmp_path: Path) -> None:
    def fail(epoch: int, _batch: int) -> None:
        if epoch == 2:
            raise ValueError("no bars for AAPL")

    with pytest.raises(ValueError, match="no bars"):
        fit("failing", before_batch=fail)
    result = recorded_session(tmp_path).result
    assert result["outcome"] == "failed"
    assert result["error"]["parameters"] == {"exception": "ValueError: no bars for AAPL"}


def test_ctrl_c_is_a_cancellation(fit: Fit, tmp_path: Path) -> None:
    def interrupt(_epoch: int, _batch: int) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)  # Lightning takes the signal for itself while it shuts down
    try:
        with pytest.raises(SystemExit):
            fit("interrupted", before_batch=interrupt)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert recorded_session(tmp_path).result["outcome"] == "cancelled"


def test_a_bridge_that_is_given_stays_open(fit: Fit, tmp_path: Path) -> None:
    with open_session("mine", home=tmp_path) as bridge:
        fit(bridge, epochs=1)
        assert recorded_session(tmp_path).result == {}
        bridge.set_phase("evaluate")
    session = recorded_session(tmp_path)
    assert session.result["outcome"] == "completed"
    assert len(session.values("val_loss")) == 1
    assert session.progress.phase == "evaluate"
