"""A PyTorch Lightning training, followed by KTRDR through a callback.

    python examples/lightning_loop.py [--epochs 20]

Needs the extra `integrations`. While it runs, `ktrdr ops list` shows it, and `ktrdr ops cancel last` asks it to stop,
which it does after the batch that it is at.
"""

import argparse
import tempfile
import time
from typing import Any

import torch
from ktrdr_bridge.integrations.lightning import KtrdrCallback
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset


class NextDay(LightningModule):  # type: ignore[misc]  # Lightning has no types
    """Tells whether the next day goes up.

    Args:
        pause_seconds: Time to look at it, in each validation.
    """

    def __init__(self, pause_seconds: float) -> None:
        super().__init__()
        self.network = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
        self.pause_seconds = pause_seconds

    def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return torch.nn.functional.binary_cross_entropy_with_logits(self.network(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor], _index: int) -> None:
        """Log what the callback reports with each epoch."""
        logits = self.network(batch[0])
        self.log("val_loss", torch.nn.functional.binary_cross_entropy_with_logits(logits, batch[1]))
        self.log("val_accuracy", ((logits > 0) == (batch[1] > 0)).float().mean())
        time.sleep(self.pause_seconds)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return what learns."""
        return torch.optim.Adam(self.parameters(), lr=0.003)


def main() -> None:
    """Train on returns of nothing real."""
    parser = argparse.ArgumentParser(description="A PyTorch Lightning training, followed by KTRDR.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--pause-seconds", type=float, default=0.1, help="time to look at it, in each epoch")
    options = parser.parse_args()

    torch.set_num_threads(1)  # a model of this size gains nothing from more
    seed_everything(7, verbose=False)
    days = (torch.randn(2_010) * 0.01).unfold(0, 11, 1)
    bars = TensorDataset(days[:, :10] * 100, (days[:, 10:] > 0).float())
    training, validation = torch.utils.data.random_split(bars, [1_600, 400])

    quiet: dict[str, Any] = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar"], False)
    print("in another terminal: ktrdr ops list")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=options.epochs,
            accelerator="cpu",
            enable_model_summary=False,
            default_root_dir=folder,
            callbacks=[KtrdrCallback("Lightning loop", every_n_batches=1)],
            **quiet,
        )
        trainer.fit(
            NextDay(options.pause_seconds),
            DataLoader(training, batch_size=100, shuffle=True),
            DataLoader(validation, batch_size=400),
        )
    print("done; ktrdr ops get last")


if __name__ == "__main__":
    main()
