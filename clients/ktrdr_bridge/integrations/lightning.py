"""Report a PyTorch Lightning training to a session.

from ktrdr_bridge.integrations.lightning import KtrdrCallback

trainer = Trainer(max_epochs=20, callbacks=[KtrdrCallback("my model")])
"""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ktrdr_bridge.bridge import Bridge
from ktrdr_bridge.integrations.training_session import TrainingSession

if "pytorch_lightning" in sys.modules and "lightning" not in sys.modules:
    # The same library under its other name, which this process uses: a trainer takes callbacks of its own package.
    from pytorch_lightning import Callback, LightningModule, Trainer
else:
    from lightning.pytorch import Callback, LightningModule, Trainer

_STEP, _EPOCH = "_step", "_epoch"


class KtrdrCallback(Callback):  # type: ignore[misc]  # the library has no types
    """Reports epochs and batches with their metrics, and stops the training politely when the session is asked to stop.

    An epoch has all metrics that were logged by its end (validation included) under their own names, and `train_loss`:
    the mean loss of its batches, where nothing was logged by that name. Batches have their loss, as `batch_loss`, and
    what was logged for each step, as `batch_…`. Only the process of rank zero reports; all of them stop.

    Args:
        session: Name of the sessions to open, one for each `fit`; or an open bridge, which stays open.
        every_n_batches: Report the metrics of every such batch; None for the trainer's `log_every_n_steps`. To read a
            value from a GPU makes the training wait for it. Progress is reported with each batch.
        labels: Labels of sessions that are opened.
        home: Folder of KTRDR's data, for sessions that are opened; None for the usual one.
    """

    def __init__(
        self,
        session: Bridge | str,
        *,
        every_n_batches: int | None = None,
        labels: Mapping[str, object] | None = None,
        home: Path | str | None = None,
    ) -> None:
        self._session = TrainingSession(session, labels, home)
        self._every = every_n_batches
        self._step_names: list[str] | None = None
        self._loss_sum: Any = 0.0
        self._batches = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - the library's
        """Begin a session."""
        self._step_names = None
        if trainer.is_global_zero:
            epochs = trainer.max_epochs
            self._session.begin(epochs if epochs is not None and epochs >= 0 else None, trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - the library's
        """Begin to add up the loss."""
        self._loss_sum, self._batches = 0.0, 0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002 - the library's, here and below
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Report a batch, and stop if the session was asked to."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None:
            self._loss_sum = self._loss_sum + loss.detach()  # on its device: nobody waits for it
            self._batches += 1
        if self._step_names is None:  # nothing but the first batch has logged anything yet
            self._step_names = [name for name in _scalars(trainer.callback_metrics) if not name.endswith(_EPOCH)]
        every = self._every or max(1, trainer.log_every_n_steps)
        is_reported = (batch_idx + 1) % every == 0 or trainer.is_last_batch
        bridge = self._session.bridge
        if bridge is not None:
            metrics = self._step_metrics(trainer, loss) if is_reported else {}
            bridge.on_batch(batch_idx + 1, _batches(trainer), metrics)
        if trainer.world_size == 1:
            trainer.should_stop = trainer.should_stop or self._session.asked_to_stop
        elif is_reported:  # all processes have to agree, which takes time
            asked = trainer.strategy.reduce_boolean_decision(self._session.asked_to_stop, all=False)
            trainer.should_stop = trainer.should_stop or asked

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - the library's
        """Report an epoch, unless it was cut short."""
        bridge = self._session.bridge
        if bridge is None or not trainer.is_last_batch:
            return
        metrics = _scalars(trainer.callback_metrics)
        found = {
            name: value
            for name, value in metrics.items()
            if not name.endswith(_STEP) and (not name.endswith(_EPOCH) or name.removesuffix(_EPOCH) not in metrics)
        }
        if "train_loss" not in found and self._batches:
            found["train_loss"] = self._loss_sum / self._batches
        bridge.on_epoch(trainer.current_epoch + 1, found)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - the library's
        """End the session."""
        self._session.end()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002 - the library's, here and below
        pl_module: LightningModule,  # noqa: ARG002
        exception: BaseException,
    ) -> None:
        """End the session as failed, or cancelled by Ctrl-C."""
        self._session.end(exception)

    def _step_metrics(self, trainer: Trainer, loss: Any) -> dict[str, Any]:
        logged = _scalars(trainer.callback_metrics)
        names = [name for name in self._step_names or () if name in logged]
        metrics = {f"batch_{name.removesuffix(_STEP)}": logged[name] for name in names}
        if loss is not None:
            metrics.setdefault("batch_loss", loss.detach())
        return metrics


def _batches(trainer: Trainer) -> int:
    """Return how many batches an epoch has; 0 where that is not known."""
    batches = trainer.num_training_batches
    return int(batches) if math.isfinite(batches) else 0


def _scalars(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if getattr(value, "ndim", 0) == 0}
