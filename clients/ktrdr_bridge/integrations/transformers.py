"""Report a training with Hugging Face's Trainer to a session.

from ktrdr_bridge.integrations.transformers import KtrdrCallback

trainer = Trainer(model, arguments, train_dataset=bars, callbacks=[KtrdrCallback("my model")])
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ktrdr_bridge.bridge import Bridge
from ktrdr_bridge.integrations.training_session import TrainingSession

_EVALUATION = "eval_"
_NO_METRICS = ("_runtime", "_per_second", "epoch", "total_flos", "_loss_total")


class KtrdrCallback(TrainerCallback):  # type: ignore[misc]  # its types are not followed
    """Reports epochs and steps with their metrics, and stops the training politely when the session is asked to stop.

    Metrics have the names that other trainings use. A step has what is logged with it (`logging_steps`), as
    `batch_loss` and `batch_…`. An epoch has `train_loss`, the mean of the losses that were logged in it, what else was
    logged last, and what its evaluation found, as `val_…`. Only the process of rank zero reports; all of them stop.

    The Trainer tells its callbacks nothing of exceptions. A training that ends with one is failed when its Trainer is
    gone or the process ends; to have it told at once, and with its text, open the session yourself and give it to the
    callback::

        with open_session("my model") as bridge:
            Trainer(..., callbacks=[KtrdrCallback(bridge)]).train()

    Args:
        session: Name of the sessions to open, one for each `train`; or an open bridge, which stays open.
        labels: Labels of sessions that are opened.
        home: Folder of KTRDR's data, for sessions that are opened; None for the usual one.
    """

    def __init__(
        self,
        session: Bridge | str,
        *,
        labels: Mapping[str, object] | None = None,
        home: Path | str | None = None,
    ) -> None:
        self._session = TrainingSession(session, labels, home)
        self._epoch_began_at = 0
        self._ended_epoch: int | None = None
        self._latest: dict[str, float] = {}
        self._losses: list[float] = []

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the library's
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_kwargs: Any,
    ) -> None:
        """Begin a session."""
        self._ended_epoch, self._latest, self._losses = None, {}, []
        self._epoch_began_at = state.global_step
        if state.is_world_process_zero:
            self._session.begin(math.ceil(state.num_train_epochs) or None, math.floor(state.epoch or 0))

    def on_epoch_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the library's
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_kwargs: Any,
    ) -> None:
        """Report the epoch before, to which nothing can be added any more."""
        self._report_epoch()
        self._epoch_began_at = state.global_step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Report a step, and stop if the session was asked to."""
        if not control.should_log:  # else it is reported with what is logged
            self._report_step(args, state, kwargs, {})
        if args.world_size == 1:
            asked = self._session.asked_to_stop
        elif state.global_step % max(1, state.logging_steps) == 0:  # all processes have to agree, which takes time
            asked = _any_process(self._session.asked_to_stop)
        else:
            asked = False
        control.should_training_stop = control.should_training_stop or asked
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the library's
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Report what was logged with a step, and keep it for the epoch."""
        logs = logs or {}
        if "train_runtime" in logs or any(name.startswith(_EVALUATION) for name in logs):
            return  # the summary at the end; or an evaluation, which comes as such
        metrics = _metrics(logs)
        if "loss" in metrics:
            self._losses.append(metrics["loss"])
        self._latest.update(metrics)
        if self._ended_epoch is None:
            self._report_step(args, state, kwargs, metrics)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the library's
        metrics: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Report what an evaluation found: with the epoch that it ends, or with the step that it follows."""
        found = _metrics(metrics or {})
        self._latest.update(found)
        if self._ended_epoch is not None:
            self._report_epoch()
        else:
            self._report_step(args, state, kwargs, found)

    def on_epoch_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the library's
        **kwargs: Any,
    ) -> None:
        """Keep an epoch in mind, unless it was cut short: its last log and its evaluation are still to come."""
        if state.global_step - self._epoch_began_at >= _steps(args, kwargs) or state.global_step >= state.max_steps:
            self._ended_epoch = round(state.epoch or 0)

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the library's
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_kwargs: Any,
    ) -> None:
        """Report the last epoch and end the session."""
        self._report_epoch()
        self._session.end()

    def _report_epoch(self) -> None:
        bridge = self._session.bridge
        if bridge is not None and self._ended_epoch is not None:
            self._latest.pop("loss", None)
            mean = {"train_loss": sum(self._losses) / len(self._losses)} if self._losses else {}
            bridge.on_epoch(self._ended_epoch, {**mean, **self._latest})
        self._ended_epoch, self._latest, self._losses = None, {}, []

    def _report_step(
        self, args: TrainingArguments, state: TrainerState, kwargs: Mapping[str, Any], metrics: dict[str, float]
    ) -> None:
        bridge = self._session.bridge
        step = state.global_step - self._epoch_began_at
        if bridge is not None and step > 0:
            named = {f"batch_{name}": value for name, value in metrics.items()}
            bridge.on_batch(step, _steps(args, kwargs), named)


def _steps(args: TrainingArguments, kwargs: Mapping[str, Any]) -> int:
    """Return how many steps an epoch has; 0 where that is not known."""
    try:
        batches: int = len(kwargs["train_dataloader"])
    except (KeyError, TypeError):
        return 0
    return max(1, math.ceil(batches / int(args.gradient_accumulation_steps)))


def _metrics(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return what of a log is a metric; those of an evaluation by the names that other trainings use."""
    return {
        f"val_{name.removeprefix(_EVALUATION)}" if name.startswith(_EVALUATION) else name: float(value)
        for name, value in logs.items()
        if isinstance(value, int | float) and not name.endswith(_NO_METRICS)
    }


def _any_process(asked: bool) -> bool:
    """Return whether it is so in any of the processes that train together."""
    return any(gather_object([asked]))
