"""Train and judge the folds of a run, one after the other."""

from collections.abc import Callable

import structlog
import torch
from ktrdr_bridge import Cancelled
from torch import nn

from services.host.worker import Interrupted
from services.training_host.checkpoints.checkpoint import Checkpoint, FinishedFold
from services.training_host.checkpoints.files import CheckpointHead
from services.training_host.checkpoints.refusal import checkpoint_not_found
from services.training_host.checkpoints.schedule import CheckpointSchedule
from services.training_host.dataset import Dataset, Fold
from services.training_host.evaluation.judgement import FoldOutcome, judge
from services.training_host.evaluation.predictions import predict_parts
from services.training_host.fold_progress import FoldProgress
from services.training_host.loop.determinism import make_deterministic
from services.training_host.loop.objective import build_objective
from services.training_host.loop.samples import Samples
from services.training_host.loop.training import TrainingLoop
from services.training_host.model.network import build_network
from services.training_host.progress import Progress
from services.training_host.split.chronological import PARTS
from services.training_host.strategy.strategy import Strategy

_LOG = structlog.get_logger(__name__)


class FoldRuns:
    """The folds of one run.

    Args:
        strategy: What to train.
        dataset: The samples.
        device: Where.
        threads: Threads inside one operation.
        progress: Told about everything.
        schedule: Writes checkpoints.
        describe: Returns the head of a checkpoint in this fold after so many epochs of all folds.
    """

    def __init__(
        self,
        strategy: Strategy,
        dataset: Dataset,
        *,
        device: torch.device,
        threads: int,
        progress: Progress,
        schedule: CheckpointSchedule,
        describe: Callable[[int, int], CheckpointHead],
    ) -> None:
        self._strategy = strategy
        self._dataset = dataset
        self._device = device
        self._threads = threads
        self._progress = progress
        self._schedule = schedule
        self._describe = describe
        self._finished: list[FinishedFold] = []

    def run(self, earlier: Checkpoint | None) -> tuple[list[FoldOutcome], nn.Module]:
        """Train all folds, or those that a checkpoint has not finished.

        Returns:
            What became of each fold, oldest first, and the network of the last one.

        Raises:
            ktrdr_bridge.Cancelled: A stop was asked for; the state is in a checkpoint, if that could be written.
            ServiceError: STRATEGY_INVALID, if a loss was never a number; CHECKPOINT_NOT_FOUND, if this network cannot
                take the checkpoint's state.
        """
        self._finished = [] if earlier is None else list(earlier.finished)
        folds = self._dataset.folds
        outcomes = [
            judge(self._strategy, self._dataset, fold, finished.history, finished.predictions)
            for fold, finished in zip(folds, self._finished, strict=False)
        ]
        for fold in folds[len(outcomes) :]:
            resumed = earlier if earlier is not None and earlier.head.fold == fold.number else None
            outcome, model = self._train(fold, resumed)
            self._finished.append(FinishedFold(fold.number, outcome.history, outcome.predictions))
            outcomes.append(outcome)
        return outcomes, model

    def _train(self, fold: Fold, resumed: Checkpoint | None) -> tuple[FoldOutcome, nn.Module]:
        loop, model = self._loop(fold)
        if resumed is not None:
            _restore(loop, resumed)

        def state() -> Checkpoint:
            epochs = self._epochs_before + len(loop.history.epochs)
            return Checkpoint(self._describe(fold.number, epochs), loop.state(), list(self._finished))

        try:
            history = loop.run(after_epoch=lambda: self._schedule.after_epoch(state))
            self._progress.set_phase("evaluate")
            predictions = predict_parts(self._strategy, self._dataset, fold, model, self._device)
            self._progress.raise_if_cancelled()
        except Interrupted:
            # The interruption may have come in the middle of a step: the checkpoint before counts.
            raise
        except Cancelled:
            if loop.at_boundary:
                self._schedule.at_stop(state)
            raise
        outcome = judge(self._strategy, self._dataset, fold, history, predictions)
        test = outcome.evaluations["test"]
        _LOG.info(
            "model_evaluated",
            fold=fold.number,
            test_accuracy=test.accuracy,
            majority_accuracy=test.majority_accuracy,
        )
        return outcome, model

    def _loop(self, fold: Fold) -> tuple[TrainingLoop, nn.Module]:
        strategy, dataset, rules = self._strategy, self._dataset, self._strategy.training
        # For each fold anew: none depends on how many random numbers the one before has drawn.
        make_deterministic(rules.seed, threads=self._threads)
        model = build_network(
            strategy.model, inputs=len(dataset.columns), outputs=strategy.outputs, seed=rules.seed
        ).to(self._device)
        inputs = torch.from_numpy(dataset.inputs(fold)).to(self._device)
        targets = dataset.targets(fold)
        samples = {f"{name}_samples": len(fold.split.part(name)) for name in PARTS}
        _LOG.info("fold_begun", fold=fold.number, folds=len(dataset.folds), **samples)
        train, validation = (
            Samples.of_part(inputs, rows=rows, targets=targets, sequence_length=dataset.sequence_length)
            for rows in (fold.split.train, fold.split.validation)
        )
        before = self._epochs_before
        left = len(dataset.folds) - len(self._finished)
        loop = TrainingLoop(
            model,
            training_part=train,
            validation_part=validation,
            objective=build_objective(strategy, targets[fold.split.train], self._device),
            rules=rules,
            progress=FoldProgress(self._progress, fold.number) if len(dataset.folds) > 1 else self._progress,
            epochs_before=before,
            epochs_total=before + left * rules.epochs,
        )
        return loop, model

    @property
    def _epochs_before(self) -> int:
        """Epochs of the folds that are finished."""
        return sum(len(fold.history.epochs) for fold in self._finished)


def _restore(loop: TrainingLoop, checkpoint: Checkpoint) -> None:
    try:
        loop.restore(checkpoint.loop)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        detail = "Its state is not one of this version of the trainer."
        raise checkpoint_not_found(checkpoint.head.session_id, detail) from error
