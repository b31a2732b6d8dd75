"""The catalogue of errors: for each reason the gRPC status it travels with and the public message.

Every message says what happened and what to do next. A template names its parameters in braces; `detail` is a public
sentence that the code which raises the error adds, and may be left out. What is not in a template can't reach a client
in the message; all parameters also travel as text in `ErrorInfo.metadata`.
"""

from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType
from typing import Final, NamedTuple

import grpc
from ktrdr.host.v1.errors_pb2 import ErrorReason

UNKNOWN_PARAMETER: Final = "(unknown)"


class ErrorSpec(NamedTuple):
    """What the catalogue says about one reason."""

    status: grpc.StatusCode
    """Status of the call, or code of the status that is kept with a failed session or operation."""
    message: str
    """Template of the public message."""

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that the template needs; `detail` is always optional and not among them."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.message) if name and name != "detail")

    def render(self, parameters: Mapping[str, str | float]) -> str:
        """Fill the template. A missing parameter reads "(unknown)": an error is never lost over its own wording."""
        known = {name: parameters.get(name, UNKNOWN_PARAMETER) for name in self.parameters}
        detail = str(parameters.get("detail", "")).strip()
        if detail and detail[-1] not in ".!?:":
            detail += "."
        return self.message.format_map(known | {"detail": detail}).replace("  ", " ").strip()


_CODE = grpc.StatusCode
_REASON = ErrorReason

CATALOGUE: Final[Mapping["ErrorReason.ValueType", ErrorSpec]] = MappingProxyType(
    {
        # Requests.
        _REASON.ERROR_REASON_INVALID_REQUEST: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The request is invalid. {detail} Correct the fields that are named and send it again.",
        ),
        _REASON.ERROR_REASON_REQUEST_ID_REUSED: ErrorSpec(
            _CODE.ALREADY_EXISTS,
            "The request_id {request_id!r} was used before with another body. {detail} Use a new request_id for a "
            "new request, "
            "or send the first body again to get its answer.",
        ),
        _REASON.ERROR_REASON_SESSION_EXISTS: ErrorSpec(
            _CODE.ALREADY_EXISTS,
            "A session {session_id!r} exists and was started with another body. {detail} Choose another session_id, "
            "or leave it empty.",
        ),
        _REASON.ERROR_REASON_SESSION_NOT_FOUND: ErrorSpec(
            _CODE.NOT_FOUND,
            "This host has no session {session_id!r}. {detail} HostService.ListSessions shows what it has.",
        ),
        _REASON.ERROR_REASON_OPERATION_NOT_FOUND: ErrorSpec(
            _CODE.NOT_FOUND, "There is no operation {operation_id!r}. {detail} List what there is with: ktrdr ops list"
        ),
        _REASON.ERROR_REASON_HOST_NOT_FOUND: ErrorSpec(
            _CODE.NOT_FOUND, "There is no host {host!r}. {detail} See the configured hosts with: ktrdr hosts list"
        ),
        _REASON.ERROR_REASON_NO_HOST_OF_KIND: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "No {kind} host can take this. {detail} Start one and configure it at the operations service (--host "
            "NAME=HOST:PORT); "
            "see how hosts stand with: ktrdr hosts list",
        ),
        _REASON.ERROR_REASON_HOST_UNREACHABLE: ErrorSpec(
            _CODE.UNAVAILABLE,
            "The host {host!r} cannot be reached. {detail} What runs there goes on; try again, or see how it stands "
            "with: ktrdr hosts list",
        ),
        _REASON.ERROR_REASON_CURSOR_INVALID: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The cursor was not made by this service, or is damaged. {detail} Begin again without a cursor.",
        ),
        _REASON.ERROR_REASON_CURSOR_FILTER_MISMATCH: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The cursor was made for other session_ids. {detail} Use it with those, or begin again without a cursor.",
        ),
        _REASON.ERROR_REASON_PAGE_TOKEN_INVALID: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The page_token was not made by this list, or for other parameters. {detail} Begin again without a "
            "page_token.",
        ),
        _REASON.ERROR_REASON_FILTER_INVALID: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The filter cannot be understood. {detail} Write comparisons joined by AND, such as: state = RUNNING AND "
            "type = TRAINING",
        ),
        _REASON.ERROR_REASON_REVISION_OUT_OF_RANGE: ErrorSpec(
            _CODE.OUT_OF_RANGE,
            "Revision {revision} is not known here; revisions {oldest_revision} to {latest_revision} are. {detail} "
            "Call ListOperations and watch from its revision.",
        ),
        # Training.
        _REASON.ERROR_REASON_STRATEGY_INVALID: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The strategy is invalid. {detail} Correct what is named; try it without starting anything with: ktrdr "
            "strategy check FILE",
        ),
        _REASON.ERROR_REASON_BARS_MISSING: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "There are no stored bars of {symbol} at {bar_size}. {detail} Load them with: {command}",
        ),
        _REASON.ERROR_REASON_TOO_FEW_BARS: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "There are too few bars: {available} of at least {needed}. {detail} Load a longer range, or shorten "
            "indicators, label horizon or split.",
        ),
        _REASON.ERROR_REASON_DEVICE_UNAVAILABLE: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "This machine has no device {device!r}. {detail} Set training.device to one of: {available}.",
        ),
        _REASON.ERROR_REASON_BAR_SOURCE_UNAVAILABLE: ErrorSpec(
            _CODE.UNAVAILABLE,
            "Bars cannot be read from {source}. {detail} Try again when that is put right.",
        ),
        # Gateway.
        _REASON.ERROR_REASON_INSTRUMENT_NOT_FOUND: ErrorSpec(
            _CODE.NOT_FOUND,
            "The gateway knows no instrument {instrument!r}. {detail} Look for it with: ktrdr data find {instrument}",
        ),
        _REASON.ERROR_REASON_INSTRUMENT_AMBIGUOUS: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "{instrument!r} fits several instruments. {detail} Say more (security type, exchange, currency, contract "
            "id); "
            "see them with: ktrdr data find {instrument}",
        ),
        _REASON.ERROR_REASON_GATEWAY_UNAVAILABLE: ErrorSpec(
            _CODE.UNAVAILABLE,
            "The gateway at {gateway} is not connected. {detail} Start it and log in, or correct the IB host's "
            "--gateway; see how it stands with: ktrdr gateway",
        ),
        _REASON.ERROR_REASON_GATEWAY_REFUSED: ErrorSpec(
            _CODE.INVALID_ARGUMENT, "The gateway refused the request. {detail} Change what it names and try again."
        ),
        _REASON.ERROR_REASON_GATEWAY_PACING: ErrorSpec(
            _CODE.RESOURCE_EXHAUSTED,
            "IB limits how fast history may be requested, and the limit was reached. {detail} Wait, and let no other "
            "program use the account's history requests.",
        ),
        _REASON.ERROR_REASON_GATEWAY_NO_PERMISSION: ErrorSpec(
            _CODE.PERMISSION_DENIED,
            "The account may not read this market data. {detail} Subscribe to it in IB's client portal, or ask for "
            "other data.",
        ),
        _REASON.ERROR_REASON_GATEWAY_COMPETING_SESSION: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "Another login of the same account takes the market data. {detail} Log out there, then try again.",
        ),
        _REASON.ERROR_REASON_GATEWAY_TIMEOUT: ErrorSpec(
            _CODE.DEADLINE_EXCEEDED,
            "The gateway did not answer in time. {detail} Try again; see how it stands with: ktrdr gateway",
        ),
        _REASON.ERROR_REASON_GATEWAY_STREAM_BROKEN: ErrorSpec(
            _CODE.DATA_LOSS,
            "The gateway's answer could not be understood, or broke off. {detail} Try again; if it stays, restart "
            "the gateway.",
        ),
        _REASON.ERROR_REASON_GATEWAY_QUERY_LOST: ErrorSpec(
            _CODE.ABORTED,
            "The gateway lost the query while it was under way. {detail} Try again; see how it stands with: "
            "ktrdr gateway",
        ),
        _REASON.ERROR_REASON_GATEWAY_SERVICE_TROUBLE: ErrorSpec(
            _CODE.UNAVAILABLE,
            "IB's data service has trouble of its own. {detail} Try again in a minute; see how its data farms stand "
            "with: ktrdr gateway",
        ),
        # Bars.
        _REASON.ERROR_REASON_DATASET_NOT_FOUND: ErrorSpec(
            _CODE.NOT_FOUND, "There is no dataset {dataset}. {detail} Load it with: {command}"
        ),
        _REASON.ERROR_REASON_DATASET_AMBIGUOUS: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "More than one stored dataset fits {dataset}. {detail} Say which one is meant.",
        ),
        _REASON.ERROR_REASON_DATASET_BUSY: ErrorSpec(
            _CODE.ABORTED, "Another process is writing {dataset}. {detail} Try again when it is done."
        ),
        _REASON.ERROR_REASON_LOAD_INCOMPLETE: ErrorSpec(
            _CODE.UNAVAILABLE,
            "Some of the load failed; what did arrive is stored. {detail} Run the same load again: it fetches what "
            "is missing.",
        ),
        # Work.
        _REASON.ERROR_REASON_WORKER_KILLED: ErrorSpec(
            _CODE.ABORTED,
            "The worker was ended by {signal}. {detail} Points written before it are kept; the end of its log comes "
            "with this error. Start the work again once the cause is mended.",
        ),
        _REASON.ERROR_REASON_WORKER_EXITED: ErrorSpec(
            _CODE.INTERNAL,
            "The worker ended with exit code {exit_code} and without a result. {detail} Its log in the session's "
            "folder says why.",
        ),
        _REASON.ERROR_REASON_WORKER_LOST: ErrorSpec(
            _CODE.UNKNOWN,
            "The worker is gone and left no record of its end, as after a power cut. {detail} Points written before "
            "it are kept; start the work again.",
        ),
        _REASON.ERROR_REASON_CANCELLED: ErrorSpec(
            _CODE.CANCELLED, "Cancelled on request. {detail} Start it again to run it to its end."
        ),
        _REASON.ERROR_REASON_WRONG_STATE: ErrorSpec(
            _CODE.FAILED_PRECONDITION, "The state {state} does not allow this. {detail} Wait until the state allows it."
        ),
        _REASON.ERROR_REASON_INVALID_SPEC: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The host {host!r} refused the operation because its spec is invalid. {detail} Correct what is named and "
            "create it again.",
        ),
        _REASON.ERROR_REASON_HOST_LOST_SESSION: ErrorSpec(
            _CODE.DATA_LOSS,
            "The host {host!r} no longer knows the session {session_id!r}. {detail} Points "
            "read before are kept; start the work again.",
        ),
        _REASON.ERROR_REASON_WORKER_OUT_OF_MEMORY: ErrorSpec(
            _CODE.RESOURCE_EXHAUSTED,
            "The worker ran out of memory; it held {memory} at most. {detail} Points written before it are kept. Use "
            "a smaller batch or model, or allow it more memory.",
        ),
        _REASON.ERROR_REASON_TIME_LIMIT: ErrorSpec(
            _CODE.DEADLINE_EXCEEDED,
            "The session ran over its time limit of {limit} and was stopped. {detail} Points written before it are "
            "kept; start it again with a longer one.",
        ),
        _REASON.ERROR_REASON_HOST_STOPPED: ErrorSpec(
            _CODE.CANCELLED, "Stopped together with its host. {detail} Start it again when the host is back."
        ),
        _REASON.ERROR_REASON_ATTACHED_PROCESS_ENDED: ErrorSpec(
            _CODE.ABORTED,
            "The process {pid} that had opened the session ended without closing it. {detail} Points written before "
            "it are kept; what the process printed says why.",
        ),
        _REASON.ERROR_REASON_ATTACHED_WORK_FAILED: ErrorSpec(
            _CODE.ABORTED,
            "The loop that had opened the session failed with {exception}. {detail} Points written before it are "
            "kept; what its process printed says more.",
        ),
        _REASON.ERROR_REASON_TOO_FEW_DEVICES: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "GPUs asked for: {asked}; this host has {available}. {detail} Ask for fewer, or name another host; see "
            "what one has with: ktrdr hosts get NAME",
        ),
        _REASON.ERROR_REASON_HOST_NAME_TAKEN: ErrorSpec(
            _CODE.ALREADY_EXISTS,
            "The name {host!r} belongs to another host. {detail} Give one of the two another name; see who has it "
            "with: ktrdr hosts list",
        ),
        _REASON.ERROR_REASON_CHECKPOINT_NOT_FOUND: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "There is no checkpoint of session {session_id!r} that this training can go on from. {detail} Retry "
            "without --from-checkpoint to begin anew.",
        ),
        _REASON.ERROR_REASON_ARTIFACT_NOT_FOUND: ErrorSpec(
            _CODE.NOT_FOUND,
            "Session {session_id!r} has no {artifact}. {detail} See which models there are with: ktrdr models list",
        ),
        _REASON.ERROR_REASON_ARTIFACT_CHANGED: ErrorSpec(
            _CODE.ABORTED,
            "The file {name!r} of session {session_id!r} is another one than the download began with. {detail} "
            "Download it again from its beginning.",
        ),
        _REASON.ERROR_REASON_ARTIFACT_OFFSET_OUT_OF_RANGE: ErrorSpec(
            _CODE.OUT_OF_RANGE,
            "Offset {offset} is beyond the end of the file {name!r}, which has {size_bytes} bytes. {detail} Download "
            "it again from its beginning.",
        ),
        _REASON.ERROR_REASON_TOO_MANY_ATTEMPTS: ErrorSpec(
            _CODE.FAILED_PRECONDITION,
            "The operation {operation_id!r} has {limit} attempts, the most that one may have. {detail} Create a new "
            "operation.",
        ),
        _REASON.ERROR_REASON_LOG_OFFSET_INVALID: ErrorSpec(
            _CODE.INVALID_ARGUMENT,
            "The offset was not made by this log. {detail} Begin again without an offset.",
        ),
        # Servers.
        _REASON.ERROR_REASON_STOPPING: ErrorSpec(
            _CODE.UNAVAILABLE, "The server is stopping and takes no new work. {detail} Try again when it is back."
        ),
        _REASON.ERROR_REASON_QUEUE_FULL: ErrorSpec(
            _CODE.RESOURCE_EXHAUSTED,
            "All slots and places in the queue are taken ({running} running, {queued} queued). {detail} Wait for one "
            "to end, or cancel one: ktrdr ops list",
        ),
        _REASON.ERROR_REASON_TOO_MANY_WATCHES: ErrorSpec(
            _CODE.RESOURCE_EXHAUSTED,
            "Too many watches are open on this server (limit {limit}). {detail} Close watches that are not read, or "
            "try again later.",
        ),
        _REASON.ERROR_REASON_STORE_CORRUPT: ErrorSpec(
            _CODE.DATA_LOSS,
            "{path} cannot be read as what it should be. {detail} Restore it from a backup, or move it away and "
            "fetch its content again.",
        ),
        _REASON.ERROR_REASON_STORAGE_FULL: ErrorSpec(
            _CODE.RESOURCE_EXHAUSTED,
            "Files cannot be written in {path}. {detail} Free space or correct its permissions, then try again.",
        ),
        _REASON.ERROR_REASON_DEADLINE: ErrorSpec(
            _CODE.DEADLINE_EXCEEDED,
            "The call ran past its deadline of {deadline_seconds} s. {detail} Ask for less, or try again when the "
            "server is less busy.",
        ),
        _REASON.ERROR_REASON_INTERNAL: ErrorSpec(
            _CODE.INTERNAL, "The server failed. Look for request id {request_id} in its log."
        ),
    }
)
