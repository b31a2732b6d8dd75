"""The state of a run, and its files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from services.training_host.checkpoints.files import (
    HEAD,
    PREDICTIONS,
    STATE,
    TENSORS,
    CheckpointDamaged,
    CheckpointHead,
    parse_head,
    read_manifest,
    read_part,
)
from services.training_host.loop.history import TrainingHistory
from services.training_host.loop.state import LoopState, from_json_value, json_value


@dataclass(frozen=True, eq=False)
class FinishedFold:
    """A fold whose training has ended: what judging it needs.

    Attributes:
        number: Its number, from 1.
        history: Its curve.
        predictions: What its network answers, float32 [samples, outputs] by part.
    """

    number: int
    history: TrainingHistory
    predictions: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a run at a boundary between two batches.

    Attributes:
        head: What it belongs to.
        loop: State of the fold that was being trained.
        finished: The folds before it, oldest first.
    """

    head: CheckpointHead
    loop: LoopState
    finished: list[FinishedFold]

    def to_files(self) -> dict[str, bytes]:
        """Return the files but the manifest, by name: tensors, numbers and text; nothing that reading would execute."""
        folds = [{"number": fold.number, "history": json_value(asdict(fold.history))} for fold in self.finished]
        predictions = {
            f"{fold.number}.{part}": np.ascontiguousarray(answers)
            for fold in self.finished
            for part, answers in fold.predictions.items()
        }
        return {
            HEAD: self.head.to_bytes(),
            STATE: json.dumps({"loop": self.loop.document, "folds": folds}, allow_nan=False).encode(),
            TENSORS: safetensors.torch.save(self.loop.tensors),
            PREDICTIONS: safetensors.numpy.save(predictions),
        }


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, every byte of which is checked before it is used.

    Raises:
        CheckpointDamaged: It is not what was written.
    """
    manifest = read_manifest(folder)
    contents = {name: read_part(folder, name, manifest) for name in manifest.parts}
    try:
        state: dict[str, Any] = json.loads(contents[STATE])
        loop = LoopState(safetensors.torch.load(contents[TENSORS]), state["loop"])
        predictions = safetensors.numpy.load(contents[PREDICTIONS])
        finished = [
            FinishedFold(
                fold["number"],
                TrainingHistory(**from_json_value(fold["history"])),
                _of_fold(predictions, fold["number"]),
            )
            for fold in state["folds"]
        ]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointDamaged(f"its content is none of this version ({type(error).__name__})") from error
    return Checkpoint(parse_head(contents[HEAD]), loop, finished)


def _of_fold(predictions: Mapping[str, NDArray[np.float32]], number: int) -> dict[str, NDArray[np.float32]]:
    prefix = f"{number}."
    return {name.removeprefix(prefix): answers for name, answers in predictions.items() if name.startswith(prefix)}
