"""What a training comes to."""

from dataclasses import dataclass
from pathlib import Path

from services.training_host.artifacts.listing import ArtifactFile
from services.training_host.bars.loaded import LoadedBars
from services.training_host.dataset import Dataset
from services.training_host.evaluation.judgement import FoldOutcome
from services.training_host.strategy.strategy import Strategy


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training produced.

    Attributes:
        strategy: What was trained.
        loaded: On what.
        dataset: The samples.
        outcomes: What became of each fold, oldest first; the model is that of the last one.
        device: Where it was trained.
        parameters: Trainable numbers in the network.
        folder: Where the model lies.
        artifacts: Its files.
        version: What it is known by: SHA-256, hexadecimal.
        resumed_epochs: Epochs, of all folds, that were taken over from a checkpoint.
    """

    strategy: Strategy
    loaded: LoadedBars
    dataset: Dataset
    outcomes: list[FoldOutcome]
    device: str
    parameters: int
    folder: Path
    artifacts: list[ArtifactFile]
    version: str
    resumed_epochs: int
