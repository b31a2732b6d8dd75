"""The datasets that a session reads: written down by its worker, told by its host."""

from collections.abc import Sequence

from ktrdr.host.v1.session_pb2 import DatasetUse

from services.common.files import write_atomically
from services.host.folder import SessionFolder
from services.host.records import InputRecord, InputsRecord


def write_inputs(session: SessionFolder, inputs: Sequence[DatasetUse]) -> None:
    """Record what a session reads, as soon as its worker knows it. Whoever changes the phase after it is told of it.

    Args:
        session: The session.
        inputs: All that is known until now.

    Raises:
        OSError: The record cannot be written.
    """
    records = [InputRecord(fingerprint=use.fingerprint, name=use.name, bars=use.bars) for use in inputs]
    write_atomically(session.inputs_record, InputsRecord(inputs=records).to_bytes())


def read_inputs(session: SessionFolder) -> list[DatasetUse]:
    """Return what a session reads, as far as its worker has told; nothing where the record is missing or damaged."""
    try:
        record = InputsRecord.load(session.inputs_record)
    except OSError:
        return []
    return [] if record is None else [DatasetUse(**each.model_dump()) for each in record.inputs]
