"""Logs of real work over real processes: live, once each, whatever is killed meanwhile."""

import json
from pathlib import Path

import pytest

from tests.integration.system.conftest import Registry, StartSystem
from tests.support.followed_logs import logs
from tests.support.registry_calls import State

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]
EPOCHS = 800
"""More than ten seconds of training: an epoch a second is logged."""


def test_epochs_are_followed_live_and_once_each_while_services_are_killed(
    start_system: StartSystem, registry: Registry, aapl_bars: Path
) -> None:
    system = start_system()
    with registry(system) as calls:
        operation_id = calls.train(aapl_bars, epochs=EPOCHS)
        events: list[str] = []
        epochs: list[int] = []
        with logs(system, "last", "--follow") as lines:
            for line in lines:
                record = json.loads(line)
                events.append(record["text"])
                if record["text"] != "epoch_ended":
                    continue
                epochs.append(int(record["fields"]["epoch"]))
                if len(epochs) == 2:
                    assert calls.get(operation_id).state == State.STATE_RUNNING
                    system.operations.kill()
                    system.operations.start()
                if len(epochs) == 4:
                    system.training_host.kill()
                    system.training_host.start()
        with logs(system, "last") as lines:
            kept = [record for line in lines if (record := json.loads(line))["text"] == "epoch_ended"]
        assert epochs == [int(record["fields"]["epoch"]) for record in kept]
        assert len(epochs) > 4
        assert (epochs[0], epochs[-1]) == (1, EPOCHS)
        operation = calls.wait_for_end(operation_id)
        assert operation.state == State.STATE_COMPLETED, operation.error
    first = ["worker_started", "training_started", "bars_read", "dataset_prepared"]
    assert events[: len(first)] == first
    assert events[-3:] == ["all_epochs_ended", "model_evaluated", "model_written"]
