"""A training that is left at any batch and taken up again elsewhere is the same training, bit for bit."""

import json
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr_bridge import Cancelled

from services.training_host.loop import gradient, score
from services.training_host.loop.state import LoopState, from_json_value, json_value
from tests.support.training_loops import Recipe, RecordedProgress, differences, through_bytes, without_times

SCHEDULES: dict[str, dict[str, Any] | None] = {
    "none": None,
    "plateau": {"type": "plateau", "patience": 0, "factor": 0.5},
    "step": {"type": "step", "step_epochs": 1},
    "exponential": {"type": "exponential", "factor": 0.9},
    "cosine": {"type": "cosine"},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.01},
    "sgd": {"optimizer": "sgd"},
    "sgd with momentum": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.5},
}
STOPPING = {"early_stopping": {"patience": 2, "min_delta": 0.01}}
RECIPES = {
    **{
        f"{optimizer}, {schedule}": Recipe(
            changes={"epochs": 2, "lr_scheduler": SCHEDULES[schedule], **OPTIMIZERS[optimizer]}
        )
        for optimizer in OPTIMIZERS
        for schedule in SCHEDULES
    },
    "gru": Recipe(kind="gru", changes={"epochs": 2, **STOPPING}),
    "lstm, focal": Recipe(kind="lstm", objective="focal", changes={"epochs": 2}),
    "huber, accumulation": Recipe(objective="huber", samples=70, changes={"epochs": 3, "gradient_accumulation": 3}),
    "classes, accumulation": Recipe(samples=70, changes={"epochs": 2, "gradient_accumulation": 2, **STOPPING}),
    "plateau that waits": Recipe(
        changes={"epochs": 4, "learning_rate": 1e-6, "lr_scheduler": {"type": "plateau", "patience": 1, "factor": 0.1}}
    ),
    "early stop": Recipe(changes={"epochs": 9, "learning_rate": 1e-9, **STOPPING}),
}


def unbroken(recipe: Recipe) -> tuple[LoopState, RecordedProgress]:
    progress = RecordedProgress()
    torch.manual_seed(7)
    loop, _ = recipe.loop(progress)
    loop.run()
    return loop.state(), progress


def interrupted(recipe: Recipe, *stops: int) -> LoopState:
    """Train, stopping each life of the training at the question with that number; return the state of its end."""
    torch.manual_seed(7)
    state: LoopState | None = None
    for stop in (*stops, None):
        progress = RecordedProgress(stop_at=[] if stop is None else [stop])
        loop, _ = recipe.loop(progress)
        if state is not None:
            torch.manual_seed(99)  # what another process would have
            loop.restore(state)
        try:
            loop.run()
        except Cancelled:
            assert loop.at_boundary
        state = through_bytes(loop.state())
    assert state is not None
    return state


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_can_be_left_at_every_batch(name: str) -> None:
    recipe = RECIPES[name]
    expected, progress = unbroken(recipe)
    for stop in range(1, progress.asked + 1):
        assert not differences(interrupted(recipe, stop), expected), f"stopped at question {stop}"


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(RECIPES)), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_training_can_be_left_again_and_again(name: str, stops: list[int]) -> None:
    assert not differences(interrupted(RECIPES[name], *stops), unbroken(RECIPES[name])[0])


def test_sums_that_are_made_several_times_in_an_epoch_are_cut_at_the_same_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score, "SETTLED_SAMPLES", 48)
    monkeypatch.setattr(gradient, "NORMS_AT_ONCE", 3)
    recipe = Recipe(samples=120, changes={"epochs": 1})
    expected, progress = unbroken(recipe)
    for stop in range(1, progress.asked + 1):
        assert not differences(interrupted(recipe, stop), expected), f"stopped at question {stop}"


def test_the_generators_of_numpy_and_python_go_on() -> None:
    loop, _ = Recipe().loop(RecordedProgress())
    state = through_bytes(loop.state())
    expected = (np.random.rand(3).tolist(), random.random(), torch.rand(1).item())
    loop.restore(state)
    assert (np.random.rand(3).tolist(), random.random(), torch.rand(1).item()) == expected


def test_the_same_loop_can_go_on_too() -> None:
    expected, _ = unbroken(RECIPES["gru"])
    progress = RecordedProgress(stop_at=[2, 5, 8])
    torch.manual_seed(7)
    loop, _ = RECIPES["gru"].loop(progress)
    for _ in range(3):
        with pytest.raises(Cancelled):
            loop.run()
    loop.run()
    assert not differences(loop.state(), expected)


def test_a_state_of_each_epochs_end_leads_to_the_same_end() -> None:
    recipe = RECIPES["early stop"]
    torch.manual_seed(7)
    loop, _ = recipe.loop(RecordedProgress())
    states: list[LoopState] = []
    loop.run(after_epoch=lambda: states.append(through_bytes(loop.state())))
    assert [len(state.document["history"]) for state in states] == [1, 2, 3]
    for state in states:
        again, _ = recipe.loop(RecordedProgress())
        again.restore(state)
        again.run()
        assert not differences(again.state(), loop.state())


def test_a_training_that_had_ended_returns_at_once_with_its_best_weights() -> None:
    recipe = Recipe(changes={"epochs": 4, "learning_rate": 0.5})
    torch.manual_seed(7)
    loop, model = recipe.loop(RecordedProgress())
    history = loop.run()
    assert history.best_epoch < 4  # or the best weights and the last ones would be the same
    progress = RecordedProgress()
    again, model_again = recipe.loop(progress)
    again.restore(through_bytes(loop.state()))
    assert again.run() == history
    assert progress.calls == [("set_phase", "train", 4, "epoch"), ("advance", 4)]
    assert all(torch.equal(model.state_dict()[name], weight) for name, weight in model_again.state_dict().items())


def test_more_epochs_go_on_from_the_last_weights_and_not_from_the_best() -> None:
    few, more = (Recipe(changes={"epochs": epochs, "learning_rate": 0.5}) for epochs in (4, 6))
    torch.manual_seed(7)
    loop, _ = few.loop(RecordedProgress())
    assert loop.run().best_epoch < 4
    state = loop.state()
    again, _ = more.loop(RecordedProgress())
    again.restore(state)
    again.run()
    assert not differences(again.state(), unbroken(more)[0])


def test_a_cosine_spans_the_epochs_of_the_new_rules() -> None:
    few, more = (Recipe(changes={"epochs": epochs, "lr_scheduler": {"type": "cosine"}}) for epochs in (2, 4))
    loop, _ = few.loop(RecordedProgress())
    loop.run()
    again, _ = more.loop(RecordedProgress())
    again.restore(loop.state())
    rates = [epoch["learning_rate"] for epoch in again.run().epochs]
    assert rates[:2] == [0.01, pytest.approx(0.005)]
    assert rates[3] == pytest.approx(rates[2] * (1 + math.cos(math.pi * 3 / 4)) / (1 + math.cos(math.pi * 2 / 4)))


def test_a_state_does_not_follow_the_loop_that_gave_it_or_took_it() -> None:
    recipe = RECIPES["adam, plateau"]
    progress = RecordedProgress(stop_at=[3])
    loop, _ = recipe.loop(progress)
    with pytest.raises(Cancelled):
        loop.run()
    state = loop.state()
    kept = through_bytes(state)
    taker, _ = recipe.loop(RecordedProgress())
    taker.restore(state)
    taker.run()
    loop.run()
    assert not differences(state, kept)


def test_progress_of_a_later_fold_counts_on() -> None:
    progress = RecordedProgress(stop_at=[5])
    loop, _ = Recipe().loop(progress, epochs_before=8, epochs_total=12)
    with pytest.raises(Cancelled):
        loop.run()
    loop.run()
    assert progress.calls == [
        ("set_phase", "train", 12, "epoch"),
        ("advance", 8),
        ("on_epoch", 9),
        ("set_phase", "train", 12, "epoch"),
        ("advance", 9),
        *(("on_epoch", epoch) for epoch in (10, 11, 12)),
    ]


def test_a_loop_is_not_at_a_boundary_while_it_computes() -> None:
    seen = []

    class Watching(RecordedProgress):
        def on_epoch(self, epoch: int, metrics: Any) -> None:
            seen.append(("epoch", loop.at_boundary))
            super().on_epoch(epoch, metrics)

        def raise_if_cancelled(self) -> None:
            seen.append(("batch", loop.at_boundary))

    def note(module: torch.nn.Module, *_: Any) -> None:
        if module.training:
            seen.append(("training", loop.at_boundary))

    loop, model = Recipe(changes={"epochs": 1}).loop(Watching())
    model.register_forward_hook(note)
    loop.run()
    assert set(seen) == {("batch", True), ("training", False), ("epoch", False)}


def test_epoch_seconds_count_the_time_before_the_stop() -> None:
    times = iter(range(10_000))
    recipe = Recipe(changes={"epochs": 1})
    loop, _ = recipe.loop(RecordedProgress(stop_at=[3]), clock=lambda: next(times))
    with pytest.raises(Cancelled):
        loop.run()
    before = loop.state().document["epoch_seconds"]
    again, _ = recipe.loop(RecordedProgress(), clock=lambda: next(times) * 1000)
    again.restore(loop.state())
    assert again.run().epochs[0]["epoch_seconds"] > before + 1000


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.tensors.pop("model.0.weight"),
        lambda state: state.tensors.pop("best.0.weight"),
        lambda state: state.tensors.pop("shuffle.generator"),
        lambda state: state.tensors.pop("random.torch"),
        lambda state: state.tensors.pop("epoch.order"),
        lambda state: state.tensors.update({"epoch.order": torch.arange(3)}),
        lambda state: state.tensors.update({"epoch.outputs": torch.zeros(3, 1)[:0]}) or state.document.clear(),
        lambda state: state.tensors.update({"model.0.weight": torch.zeros(2, 2)}),
        lambda state: state.tensors.update({"optimizer.0.exp_avg": torch.zeros(2, 2)}),
        lambda state: state.tensors.update({"optimizer.77.exp_avg": torch.zeros(2, 2)}),
        lambda state: state.tensors.update({"optimizer.x.exp_avg": torch.zeros(2, 2)}),
        lambda state: state.document.pop("history"),
        lambda state: state.document.update(history="none"),
        lambda state: state.document.update(history=[3]),
        lambda state: state.document.update(best=[]),
        lambda state: state.document.update(patience=None),
        lambda state: state.document.update(learning_rate={"value": "fast", "schedule": {}}),
        lambda state: state.document["epoch"].update(next_batch=99),
        lambda state: state.document["epoch"].pop("samples"),
        lambda state: state.document["random"].update(python=[1]),
    ],
)
def test_a_state_that_does_not_fit_is_refused(damage: Any) -> None:
    recipe = RECIPES["adam, plateau"]
    loop, _ = recipe.loop(RecordedProgress(stop_at=[6]))
    with pytest.raises(Cancelled):
        loop.run()
    state = through_bytes(loop.state())
    damage(state)
    with pytest.raises((KeyError, RuntimeError, TypeError, ValueError)):
        recipe.loop(RecordedProgress())[0].restore(state)


def test_a_state_of_another_network_or_of_other_samples_is_refused() -> None:
    loop, _ = Recipe().loop(RecordedProgress(stop_at=[2]))
    with pytest.raises(Cancelled):
        loop.run()
    for other in (Recipe(kind="gru"), Recipe(objective="huber"), Recipe(samples=41)):
        with pytest.raises((RuntimeError, ValueError)):
            other.loop(RecordedProgress())[0].restore(loop.state())


def test_a_state_of_another_kind_of_device_is_taken() -> None:
    loop, _ = Recipe().loop(RecordedProgress())
    loop.run()
    state = loop.state()
    state.tensors["random.cuda"] = torch.zeros(16, dtype=torch.uint8)
    again, _ = Recipe().loop(RecordedProgress())
    again.restore(state)
    assert "random.cuda" not in again.state().tensors


def test_json_values_come_back() -> None:
    value = {"a": [math.inf, -math.inf, 1.5, None, True], "b": {"c": math.nan}, "d": "text"}
    read = from_json_value(json.loads(json.dumps(json_value(value), allow_nan=False)))
    assert math.isnan(read["b"].pop("c"))
    assert read == {**value, "b": {}}


def test_numbers_that_are_none_survive() -> None:
    class Breaking(torch.nn.Module):
        """Its output is no number from the second epoch on."""

        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner
            self.calls = 0

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            answers: torch.Tensor = self.inner(inputs) * (math.nan if self.calls == 5 else 1.0)
            return answers

    loop, model = Recipe().loop(RecordedProgress())
    breaking = Breaking(model)
    loop._model = loop._steps._model = loop._pass._model = breaking
    history = loop.run()
    assert math.isnan(history.epochs[-1]["train_loss"])
    again, model = Recipe().loop(RecordedProgress())
    again._model = again._steps._model = again._pass._model = Breaking(model)
    again.restore(through_bytes(loop.state()))
    resumed = again.run()
    assert [without_times(epoch) for epoch in resumed.epochs] == [without_times(epoch) for epoch in history.epochs]
    assert resumed.stopped_early
