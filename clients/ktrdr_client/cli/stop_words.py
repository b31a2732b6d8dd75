"""Say how far a request to stop has gone."""

from typing import Final

from ktrdr.host.v1.session_pb2 import CancelStage
from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.times import duration_text

_STAGES: Final = {
    CancelStage.CANCEL_STAGE_ASKED: "asked to stop",
    CancelStage.CANCEL_STAGE_INTERRUPTED: "interrupted (SIGTERM)",
    CancelStage.CANCEL_STAGE_KILLED: "killed (SIGKILL)",
}
_NEXT: Final = {CancelStage.CANCEL_STAGE_ASKED: "interrupted", CancelStage.CANCEL_STAGE_INTERRUPTED: "killed"}


def stop_words(operation: Operation) -> str:
    """Return how far a request to stop has gone: "asked to stop, interrupted in 12 s"; "" where there is none."""
    stage = operation.cancel_stage
    words = _STAGES.get(stage, "")
    if words and stage in _NEXT and operation.HasField("cancel_grace_left"):
        words += f", {_NEXT[stage]} in {duration_text(operation.cancel_grace_left.ToTimedelta())}"
    return words
