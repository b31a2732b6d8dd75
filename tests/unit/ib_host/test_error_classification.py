"""IB's codes and texts mean what its documentation says, and travel as the catalogue's errors: the whole table."""

from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.common.catalogue import CATALOGUE
from services.common.errors import error_info
from services.ib_host.requests.classify import classify, is_notice
from services.ib_host.requests.failures import FailureKind, GatewayFailure, as_service_error, printable
from services.ib_host.requests.language import is_english

HMDS = "Historical Market Data Service error message:"
STATUS = grpc.StatusCode


TRAVELS_AS = {
    FailureKind.NO_DATA: ("GATEWAY_REFUSED", STATUS.INVALID_ARGUMENT),
    FailureKind.PACING: ("GATEWAY_PACING", STATUS.RESOURCE_EXHAUSTED),
    FailureKind.NO_PERMISSION: ("GATEWAY_NO_PERMISSION", STATUS.PERMISSION_DENIED),
    FailureKind.COMPETING_SESSION: ("GATEWAY_COMPETING_SESSION", STATUS.FAILED_PRECONDITION),
    FailureKind.REFUSED: ("GATEWAY_REFUSED", STATUS.INVALID_ARGUMENT),
    FailureKind.INVALID_STEP: ("GATEWAY_REFUSED", STATUS.INVALID_ARGUMENT),
    FailureKind.UNKNOWN_INSTRUMENT: ("INSTRUMENT_NOT_FOUND", STATUS.NOT_FOUND),
    FailureKind.AMBIGUOUS_INSTRUMENT: ("INSTRUMENT_AMBIGUOUS", STATUS.INVALID_ARGUMENT),
    FailureKind.SERVICE_TROUBLE: ("GATEWAY_SERVICE_TROUBLE", STATUS.UNAVAILABLE),
    FailureKind.QUERY_LOST: ("GATEWAY_QUERY_LOST", STATUS.ABORTED),
    FailureKind.LINK_LOST: ("GATEWAY_UNAVAILABLE", STATUS.UNAVAILABLE),
    FailureKind.DISCONNECTED: ("GATEWAY_UNAVAILABLE", STATUS.UNAVAILABLE),
    FailureKind.TIMEOUT: ("GATEWAY_TIMEOUT", STATUS.DEADLINE_EXCEEDED),
    FailureKind.STREAM_BROKEN: ("GATEWAY_STREAM_BROKEN", STATUS.DATA_LOSS),
}
"""Reason and gRPC status of each kind."""


def retry_of(status: status_pb2.Status) -> timedelta | None:
    info = error_details_pb2.RetryInfo()
    return next((info.retry_delay.ToTimedelta() for detail in status.details if detail.Unpack(info)), None)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (162, f"{HMDS}Historical data request pacing violation", FailureKind.PACING),
        (420, "Invalid Real-time Query: Pacing violation", FailureKind.PACING),
        (100, "Max rate of messages per second has been exceeded", FailureKind.PACING),
        (322, "Only 50 simultaneous API historical data requests allowed.", FailureKind.PACING),
        (162, f"{HMDS}HMDS query returned no data: AAPL@SMART Trades", FailureKind.NO_DATA),
        (162, f"{HMDS}No market data permissions for ISLAND STK", FailureKind.NO_PERMISSION),
        (354, "Requested market data is not subscribed.", FailureKind.NO_PERMISSION),
        (10089, "Requested market data requires additional subscription", FailureKind.NO_PERMISSION),
        (10090, "Part of requested market data is not subscribed.", FailureKind.NO_PERMISSION),
        (10186, "Requested market data is not subscribed.", FailureKind.NO_PERMISSION),
        (10189, "Failed to request tick-by-tick data", FailureKind.NO_PERMISSION),
        (10187, f"{HMDS}No market data permissions", FailureKind.NO_PERMISSION),
        (162, f"{HMDS}Trading TWS session is connected from a different IP address", FailureKind.COMPETING_SESSION),
        (10187, f"{HMDS}Trading TWS session is connected from a different IP address", FailureKind.COMPETING_SESSION),
        (10197, "No market data during competing live session", FailureKind.COMPETING_SESSION),
        (162, f"{HMDS}invalid step: 1 day", FailureKind.INVALID_STEP),
        (162, f"{HMDS}Time length exceed max.", FailureKind.INVALID_STEP),
        (162, f"{HMDS}API historical data query cancelled: 7", FailureKind.QUERY_LOST),
        (162, f"{HMDS}API historical data query canceled: 7", FailureKind.QUERY_LOST),
        (366, "No historical data query found for ticker id:7", FailureKind.QUERY_LOST),
        (162, f"{HMDS}No historical market data for EUR/CASH@FXSUBPIP Last 1d", FailureKind.REFUSED),
        (162, f"{HMDS}something new", FailureKind.SERVICE_TROUBLE),
        (10187, "Failed to request historical ticks: something new", FailureKind.SERVICE_TROUBLE),
        (99_999, "a code of tomorrow", FailureKind.SERVICE_TROUBLE),
        (200, "No security definition has been found for the request", FailureKind.UNKNOWN_INSTRUMENT),
        (200, "The contract description specified for X is ambiguous.", FailureKind.AMBIGUOUS_INSTRUMENT),
        (320, "Error reading request.", FailureKind.REFUSED),
        (321, "Error validating request.", FailureKind.REFUSED),
        (322, "Duplicate ticker id", FailureKind.REFUSED),
        (10314, "End Date/Time: invalid", FailureKind.REFUSED),
        (10339, "Setting end date/time for continuous future is not allowed", FailureKind.REFUSED),
        (502, "Couldn't connect to TWS.", FailureKind.DISCONNECTED),
        (504, "Not connected", FailureKind.DISCONNECTED),
        (1300, "TWS socket port has been reset", FailureKind.DISCONNECTED),
        (507, "Bad message length", FailureKind.STREAM_BROKEN),
    ],
)
def test_code_and_text_decide(code: int, text: str, kind: FailureKind) -> None:
    assert not is_notice(code)
    assert classify(code, text) is kind
    assert classify(code, text.upper()) is kind
    failure = GatewayFailure(kind, text, code=code, request_id=7)
    error = as_service_error(failure, gateway="127.0.0.1:4002", instrument="AAPL")
    reason, status = TRAVELS_AS[kind]
    assert CATALOGUE[error.reason].status is status
    info = error_info(error.status())
    assert info is not None
    assert (info.reason, info.domain) == (reason, "ktrdr")
    assert (info.metadata["code"], info.metadata["reqId"], info.metadata["text"]) == (str(code), "7", text)
    assert text.rstrip(".") in error.message


@pytest.mark.parametrize("code", [165, 2100, 2103, 2104, 2105, 2106, 2107, 2108, 2110, 2119, 2157, 2158, 2174])
def test_notices_end_no_request(code: int) -> None:
    assert is_notice(code)


def test_a_contract_is_not_unknown_while_ibs_own_services_are_down() -> None:
    text = "No security definition has been found for the request"
    assert classify(200, text, outage=True) is FailureKind.SERVICE_TROUBLE
    ambiguous = "The contract description specified for X is ambiguous."
    assert classify(200, ambiguous, outage=True) is FailureKind.AMBIGUOUS_INSTRUMENT


WAITING_HELPS = {
    FailureKind.PACING: timedelta(minutes=10),
    FailureKind.COMPETING_SESSION: timedelta(minutes=1),
    FailureKind.SERVICE_TROUBLE: timedelta(seconds=30),
    FailureKind.QUERY_LOST: timedelta(seconds=1),
    FailureKind.LINK_LOST: timedelta(seconds=5),
    FailureKind.DISCONNECTED: timedelta(seconds=5),
    FailureKind.TIMEOUT: timedelta(seconds=5),
    FailureKind.STREAM_BROKEN: timedelta(seconds=5),
}


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_is_an_error_with_the_gateways_words_and_says_whether_waiting_helps(kind: FailureKind) -> None:
    failure = GatewayFailure(kind, "as IB put it", code=162)
    error = as_service_error(failure, gateway="127.0.0.1:4002", instrument="AAPL")
    assert "IB says: as IB put it (code 162)" in error.message
    assert "(unknown)" not in error.message
    assert retry_of(error.status()) == WAITING_HELPS.get(kind)


def test_a_known_wait_is_told_instead_of_the_usual_one() -> None:
    failure = GatewayFailure(FailureKind.PACING, "too fast", retry_after=timedelta(seconds=15))
    assert retry_of(as_service_error(failure, gateway="gw:1").status()) == timedelta(seconds=15)


@pytest.mark.parametrize(
    ("code", "text", "english"),
    [
        (2104, "Market data farm connection is OK:usfarm", True),
        (2104, "Die Verbindung zur Marktdatenfarm ist OK:usfarm", False),
        (2106, "La conexión con HMDS está bien:ushmds", False),
        (162, f"{HMDS}invalid step", True),
        (162, "Fehlermeldung des historischen Marktdatendienstes: Keine Daten", False),
        (200, "Es wurde keine Wertpapierdefinition gefunden", False),
        (1100, "Connectivity between IB and Trader Workstation has been lost.", True),
        (99_999, "Etwas Neues", None),
    ],
)
def test_another_language_is_noticed(code: int, text: str, english: bool | None) -> None:
    assert is_english(code, text) is english


def test_a_gateways_text_is_made_printable_and_bounded() -> None:
    assert printable("one\ntwo\x00three\t four\x1b[31m") == "one two three four [31m"
    assert len(printable("x" * 10_000)) == 300
    assert printable("x" * 10_000).endswith("…")
