"""Calls that change operations."""

import uuid
from collections.abc import Mapping, Sequence

from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.topics.connection import Connection
from ktrdr_client.verdicts import parse_verdict_kind


class SteeringCalls(Connection):
    """Stops, retries, labels, judges and deletes operations."""

    async def cancel(self, operation_id: str, *, reason: str = "", now: bool = False) -> pb.Operation:
        """Ask an operation to stop, and return it as it is then; one that has ended stays as it is.

        Args:
            operation_id: Its complete id.
            reason: Why, for people.
            now: Do not wait for the worker to stop by itself.

        Raises:
            NotFound: There is no such operation.
        """
        request = pb.CancelOperationRequest(operation_id=operation_id, reason=reason, now=now)
        answer = await self._call(self._stub.CancelOperation, request)
        return answer.operation

    async def retry(
        self,
        operation_id: str,
        *,
        from_checkpoint: bool = False,
        overrides: Mapping[str, str] | None = None,
        host: str = "",
        request_id: str | None = None,
    ) -> pb.Operation:
        """Try an operation that has ended again: the same operation, with one attempt more.

        Args:
            operation_id: Its complete id.
            from_checkpoint: Go on from the last checkpoint of the latest attempt, on the host that has it.
            overrides: Changes to the strategy, over those that it has: {"training.epochs": "20"}.
            host: Host to run on; empty lets the service choose, the same again if it can.
            request_id: Makes the call repeatable from another process; by default each call is its own.

        Returns:
            The operation with its new attempt.

        Raises:
            NotFound: There is no such operation.
            FailedPrecondition: It has not ended, has no checkpoint or too many attempts, or no host takes it.
            InvalidArgument: The changes break the format's rules; `fields` has each fault.
            AlreadyExists: The request id was used for something else.
        """
        request = pb.RetryOperationRequest(
            operation_id=operation_id,
            request_id=request_id or str(uuid.uuid4()),
            from_checkpoint=from_checkpoint,
            overrides=overrides or {},
            host=host,
        )
        return (await self._call(self._stub.RetryOperation, request)).operation

    async def update(
        self,
        operation_id: str,
        *,
        set_labels: Mapping[str, str] | None = None,
        remove_labels: Sequence[str] = (),
        notes: str | None = None,
        name: str | None = None,
    ) -> pb.Operation:
        """Change what people keep with an operation, and return it; what is not given stays.

        Args:
            operation_id: Its complete id.
            set_labels: Labels to set.
            remove_labels: Keys of labels to remove; those that are not there are ignored.
            notes: New notes, up to 10,000 characters; "" removes them.
            name: New name; "" removes it.

        Raises:
            NotFound: There is no such operation.
            InvalidArgument: A label, the notes or the name is too long; `fields` says which.
        """
        request = pb.UpdateOperationRequest(
            operation_id=operation_id,
            set_labels=set_labels or {},
            remove_labels=remove_labels,
            notes=notes,
            display_name=name,
        )
        return await self._call(self._stub.UpdateOperation, request)

    async def delete(self, operation_id: str, *, keep_sessions: bool = False) -> None:
        """Remove an operation that has ended, with its history; asking again is no error.

        Args:
            operation_id: Its complete id.
            keep_sessions: Leave journal, log and artifacts on its hosts, for as long as they keep them.

        Raises:
            NotFound: There is no such operation.
            FailedPrecondition: It has not ended.
        """
        request = pb.DeleteOperationRequest(operation_id=operation_id, keep_sessions=keep_sessions)
        await self._call(self._stub.DeleteOperation, request)

    async def diagnose(
        self,
        operation_id: str,
        *,
        attempt: int = 0,
        thresholds: Mapping[str, float] | None = None,
        kinds: Sequence[str] = (),
    ) -> pb.DiagnoseOperationResponse:
        """Look for trends in the history of an attempt, with other thresholds if wanted; nothing is kept.

        Args:
            operation_id: Its complete id.
            attempt: 0 for the latest.
            thresholds: Thresholds to use instead of the configured ones, by name: {"plateau_epochs": 5}.
            kinds: Only these verdicts: "nan", "plateau", …; empty for all.

        Returns:
            The verdicts, with the thresholds that were used and the number of points that were looked at.

        Raises:
            NotFound: There is no such operation.
            InvalidArgument: A threshold does not exist, or is out of range.
            ValueError: A word of `kinds` names no verdict.
        """
        request = pb.DiagnoseOperationRequest(
            operation_id=operation_id,
            attempt=attempt,
            thresholds=thresholds or {},
            kinds=[parse_verdict_kind(word) for word in kinds],
        )
        return await self._call(self._stub.DiagnoseOperation, request)
