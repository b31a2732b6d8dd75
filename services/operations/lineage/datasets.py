"""The datasets that an operation read or left, by their fingerprints."""

from collections.abc import Sequence

from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.ib_pb2 import DataLoadResult
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.changes import Row


def datasets_read(record: pb.Operation) -> list[str]:
    """Return the fingerprints of the datasets that an operation read, over all its attempts."""
    return [each.dataset.fingerprint for each in record.inputs if each.dataset.fingerprint]


def datasets_left(record: pb.Operation) -> list[str]:
    """Return the fingerprints of the datasets as a load left them, over all its attempts, the latest first."""
    found: dict[str, None] = {}
    if record.HasField("data_load_result"):
        found |= dict.fromkeys(_left(record.data_load_result))
    for attempt in reversed(record.past_attempts):
        if attempt.HasField("data_load_result"):
            found |= dict.fromkeys(_left(attempt.data_load_result))
    return list(found)


def use_rows(record: pb.Operation) -> list[Row]:
    """Return the rows of the table of dataset uses."""
    return [{"fingerprint": one, "operation_id": record.id} for one in dict.fromkeys(datasets_read(record))]


def version_rows(record: pb.Operation) -> list[Row]:
    """Return the rows of the table of dataset versions."""
    return [{"fingerprint": one, "operation_id": record.id} for one in datasets_left(record)]


def add_inputs(record: pb.Operation, inputs: Sequence[DatasetUse]) -> bool:
    """Let `record` tell the datasets that a session has read; return whether any is new.

    What earlier attempts read stays: the operation is still to be found by it. A dataset that a session reads again
    after more of it was read tells the number of bars anew.
    """
    changed = False
    for use in inputs:
        known = next((each for each in record.inputs if each.dataset.fingerprint == use.fingerprint), None)
        if known is None:
            record.inputs.add(dataset=use)
            changed = True
        elif known.dataset != use:
            known.dataset.CopyFrom(use)
            changed = True
    return changed


def _left(result: DataLoadResult) -> list[str]:
    return [load.dataset.fingerprint for load in result.loads if load.dataset.fingerprint]
