"""The words of the contract, as people write them."""

from typing import Final

from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.ib.v1 import bars_pb2
from ktrdr.ib.v1.ib_pb2 import DataLoadSpec
from ktrdr.operations.v1 import operations_pb2
from ktrdr.operations.v1.operations_pb2 import HostRecord, Operation

FINAL_STATES: Final = frozenset({Operation.STATE_COMPLETED, Operation.STATE_FAILED, Operation.STATE_CANCELLED})
"""States that never change again, but by another attempt."""


def is_final(operation: Operation) -> bool:
    """Say whether the operation has ended."""
    return operation.state in FINAL_STATES


def state_name(operation: Operation) -> str:
    """Return the state: "RUNNING"."""
    return Operation.State.Name(operation.state).removeprefix("STATE_")


def type_name(operation: Operation) -> str:
    """Return the kind of work: "training" or "data_load"."""
    return operations_pb2.OperationType.Name(operation.type).removeprefix("OPERATION_TYPE_").lower()


def liveness_name(operation: Operation) -> str:
    """Return how well the registry sees it: "FRESH"; "" where that says nothing."""
    if operation.liveness == operations_pb2.LIVENESS_UNSPECIFIED:
        return ""
    return operations_pb2.Liveness.Name(operation.liveness).removeprefix("LIVENESS_")


def host_state_name(record: HostRecord) -> str:
    """Return how a host's last polls went: "UP"; "NEW" before the first one."""
    if record.state == HostRecord.STATE_UNSPECIFIED:
        return "NEW"
    return HostRecord.State.Name(record.state).removeprefix("STATE_")


def host_kind_name(kind: "HostKind.ValueType") -> str:
    """Return the kind of a host: "training" or "ib"; "" while it is not known."""
    return "" if not kind else HostKind.Name(kind).removeprefix("HOST_KIND_").lower()


def source_name(source: "bars_pb2.Source.ValueType") -> str:
    """Return where bars come from: "IB", "REPLAY" or "IMPORTED"; "" where it is not said."""
    return "" if not source else bars_pb2.Source.Name(source).removeprefix("SOURCE_")


def what_to_show_name(what: "bars_pb2.WhatToShow.ValueType") -> str:
    """Return what the prices of bars are made of: "TRADES"."""
    return "TRADES" if not what else bars_pb2.WhatToShow.Name(what).removeprefix("WHAT_TO_SHOW_")


def parse_source(text: str) -> "bars_pb2.Source.ValueType":
    """Return the source that "ib", "replay" or "imported" names; unspecified for "".

    Raises:
        ValueError: It is none of them.
    """
    if not text:
        return bars_pb2.SOURCE_UNSPECIFIED
    return bars_pb2.Source.Value(f"SOURCE_{_word(text, ('IB', 'REPLAY', 'IMPORTED'), 'source')}")


def parse_what_to_show(text: str) -> "bars_pb2.WhatToShow.ValueType":
    """Return what "trades", "midpoint", "bid", "ask" or "adjusted_last" names.

    Raises:
        ValueError: It is none of them.
    """
    allowed = ("TRADES", "MIDPOINT", "BID", "ASK", "ADJUSTED_LAST")
    return bars_pb2.WhatToShow.Value(f"WHAT_TO_SHOW_{_word(text, allowed, 'kind of prices')}")


def parse_load_mode(text: str) -> "DataLoadSpec.Mode.ValueType":
    """Return what "range", "tail", "backfill", "full" or "local" names.

    Raises:
        ValueError: It is none of them.
    """
    allowed = ("RANGE", "TAIL", "BACKFILL", "FULL", "LOCAL")
    return DataLoadSpec.Mode.Value(f"MODE_{_word(text, allowed, 'mode')}")


def parse_security_type(text: str) -> "bars_pb2.SecurityType.ValueType":
    """Return the kind of instrument that "stock", "forex", "future" or "index" names; unspecified for "".

    Raises:
        ValueError: It is none of them.
    """
    if not text:
        return bars_pb2.SECURITY_TYPE_UNSPECIFIED
    allowed = ("STOCK", "FOREX", "FUTURE", "INDEX")
    return bars_pb2.SecurityType.Value(f"SECURITY_TYPE_{_word(text, allowed, 'kind of instrument')}")


def _word(text: str, allowed: tuple[str, ...], what: str) -> str:
    word = text.strip().upper().replace("-", "_")
    if word not in allowed:
        message = f"{text!r} is no {what}; choose from {', '.join(each.lower() for each in allowed)}"
        raise ValueError(message)
    return word


def security_type_name(kind: "bars_pb2.SecurityType.ValueType") -> str:
    """Return the kind of an instrument: "stock"."""
    return "stock" if not kind else bars_pb2.SecurityType.Name(kind).removeprefix("SECURITY_TYPE_").lower()
