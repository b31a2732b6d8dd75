"""Checkpoints made up for tests, and checkpoints that are damaged."""

from pathlib import Path

import numpy as np
import torch

from services.training_host.checkpoints.checkpoint import Checkpoint, FinishedFold
from services.training_host.checkpoints.files import CheckpointHead
from services.training_host.checkpoints.places import checkpoint_folders
from services.training_host.loop.history import TrainingHistory
from services.training_host.loop.state import LoopState
from tests.support.trainings import reference_text


def made_up_checkpoint(*, epochs: int = 3, fold: int = 1, strategy: str | None = None) -> Checkpoint:
    """Return a checkpoint whose numbers depend on `epochs`."""
    random = torch.Generator().manual_seed(epochs)
    tensors = {
        "weights.0.weight": torch.randn(4, 3, generator=random),
        "random.torch": torch.randint(0, 255, (16,), generator=random, dtype=torch.uint8),
        "optimizer.step": torch.tensor(float(epochs)),
    }
    history = TrainingHistory([{"train_loss": 0.1 + epochs, "val_loss": float("nan")}], 1, float("inf"), True)
    predictions = {"test": np.arange(6, dtype=np.float32).reshape(2, 3), "backtest": np.ones((1, 3), np.float32)}
    return Checkpoint(
        head=CheckpointHead(
            session_id="earlier",
            created_at="2024-01-02T00:00:00+00:00",
            strategy=reference_text() if strategy is None else strategy,
            data_sha256="ab" * 32,
            fold=fold,
            epochs=epochs,
            device="cpu",
            threads=1,
            libraries={"torch": "2"},
        ),
        loop=LoopState(tensors, {"epoch": epochs, "best_loss": "inf"}),
        finished=[FinishedFold(number, history, predictions) for number in range(1, fold)],
    )


def cut(folder: Path, *, number: int = -1, part: str = "loop.safetensors") -> Path:
    """Cut one file of a checkpoint to half its length: by default, of the newest one in a session's folder of them."""
    found = checkpoint_folders(folder)
    path = next(each for each in found if number in {-1, int(each.name)}) / part
    content = path.read_bytes()
    # Not in place: the file may be linked into other folders.
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    return path
