"""Find the checkpoint that a run goes on from."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.host.records import RecordDamagedError
from services.training_host.checkpoints.checkpoint import Checkpoint
from services.training_host.checkpoints.files import CheckpointHead
from services.training_host.checkpoints.fit import misfit
from services.training_host.checkpoints.refusal import checkpoint_not_found
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.strategy.strategy import Strategy

_LOG = structlog.get_logger(__name__)
_LIBRARIES: Final = ("ktrdr", "torch", "numpy")
"""What the numbers of a training depend on."""


def library_versions() -> dict[str, str]:
    """Return the versions of what computes, by name."""
    return {name: version(name) for name in _LIBRARIES}


def earlier_checkpoint(
    store: CheckpointStore, strategy: Strategy, *, data_sha256: str, device: str, threads: int
) -> Checkpoint | None:
    """Return the newest checkpoint if the session goes on from one, and None if it begins anew.

    A session that is to go on never begins anew instead: it would be another training than was asked for.

    Args:
        store: The session's checkpoints.
        strategy: What is to be trained.
        data_sha256: Fingerprint of the bars, which were read again.
        device: Where it is to be trained.
        threads: Threads inside one operation.

    Raises:
        ServiceError: CHECKPOINT_NOT_FOUND: none can be read, or bars or strategy are not the same. STORE_CORRUPT: it
            cannot be told whether the session goes on from one.
        OSError: The folder of checkpoints cannot be read.
    """
    try:
        origin = store.origin()
    except RecordDamagedError as error:
        detail = f"It should say which session this one goes on from; {error.cause}."
        raise ServiceError(ErrorReason.ERROR_REASON_STORE_CORRUPT, path=str(error.path), detail=detail) from error
    if not origin:
        return None
    checkpoint = store.newest()
    if checkpoint is None:
        raise checkpoint_not_found(origin, "All that were taken over are damaged.")
    head = checkpoint.head
    if head.data_sha256 != data_sha256:
        detail = (
            f"It was trained on bars with the fingerprint {head.data_sha256[:16]}…, and those that are there now have "
            f"{data_sha256[:16]}…: they were changed since."
        )
        raise checkpoint_not_found(origin, detail)
    if reason := misfit(head.strategy, strategy, fold=head.fold):
        raise checkpoint_not_found(origin, reason)
    _LOG.info("training_resumed", origin=origin, fold=head.fold, epochs=head.epochs)
    _tell_differences(head, {"device": device, "threads": threads, **library_versions()})
    return checkpoint


def _tell_differences(head: CheckpointHead, now: Mapping[str, object]) -> None:
    """Say what keeps the rest from being bit for bit what it would have been."""
    before: dict[str, object] = {"device": head.device, "threads": head.threads, **head.libraries}
    for name, value in now.items():
        if before.get(name) != value:
            _LOG.warning("resumed_elsewhere", what=name, before=before.get(name), now=value)
