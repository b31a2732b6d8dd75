"""IB's codes and texts mean what its documentation says, and travel as the catalogue's errors."""

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.ib_host.requests.classify import classify, is_notice
from services.ib_host.requests.failures import FailureKind, GatewayFailure, as_service_error, printable

HMDS = "Historical Market Data Service error message:"


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (162, f"{HMDS}Historical data request pacing violation", FailureKind.PACING),
        (162, f"{HMDS}HMDS query returned no data: AAPL@SMART Trades", FailureKind.NO_DATA),
        (162, f"{HMDS}No market data permissions for ISLAND STK", FailureKind.NO_PERMISSION),
        (162, f"{HMDS}Trading TWS session is connected from a different IP address", FailureKind.COMPETING_SESSION),
        (162, f"{HMDS}invalid step", FailureKind.REFUSED),
        (162, f"{HMDS}API historical data query cancelled: 7", FailureKind.CANCELLED),
        (162, f"{HMDS}API historical data query canceled: 7", FailureKind.CANCELLED),
        (162, f"{HMDS}something new", FailureKind.SERVICE_TROUBLE),
        (420, "Invalid Real-time Query: Pacing violation", FailureKind.PACING),
        (100, "Max rate of messages per second has been exceeded", FailureKind.PACING),
        (200, "No security definition has been found for the request", FailureKind.UNKNOWN_INSTRUMENT),
        (200, "The contract description specified for X is ambiguous.", FailureKind.AMBIGUOUS_INSTRUMENT),
        (320, "Error reading request.", FailureKind.REFUSED),
        (321, "Error validating request.", FailureKind.REFUSED),
        (322, "Duplicate ticker id", FailureKind.REFUSED),
        (322, "Only 50 simultaneous API historical data requests allowed.", FailureKind.PACING),
        (354, "Requested market data is not subscribed.", FailureKind.NO_PERMISSION),
        (366, "No historical data query found for ticker id:7", FailureKind.LINK_LOST),
        (502, "Couldn't connect to TWS.", FailureKind.DISCONNECTED),
        (504, "Not connected", FailureKind.DISCONNECTED),
        (507, "Bad message length", FailureKind.STREAM_BROKEN),
        (10187, f"{HMDS}No market data permissions", FailureKind.NO_PERMISSION),
        (10197, "No market data during competing live session", FailureKind.COMPETING_SESSION),
        (10314, "End Date/Time: invalid", FailureKind.REFUSED),
        (10339, "Setting end date/time for continuous future is not allowed", FailureKind.REFUSED),
        (99_999, "a code of tomorrow", FailureKind.SERVICE_TROUBLE),
    ],
)
def test_code_and_text_decide(code: int, text: str, kind: FailureKind) -> None:
    assert not is_notice(code)
    assert classify(code, text) is kind
    assert classify(code, text.upper()) is kind


@pytest.mark.parametrize("code", [165, 2100, 2104, 2106, 2108, 2110, 2158, 2174])
def test_notices_end_no_request(code: int) -> None:
    assert is_notice(code)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_is_an_error_of_the_catalogue_with_the_gateways_words(kind: FailureKind) -> None:
    error = as_service_error(
        GatewayFailure(kind, "as IB put it", code=162), gateway="127.0.0.1:4002", instrument="AAPL"
    )
    assert error.reason != ErrorReason.ERROR_REASON_UNSPECIFIED
    assert "IB says: as IB put it (code 162)" in error.message
    assert "(unknown)" not in error.message


def test_a_gateways_text_is_made_printable_and_bounded() -> None:
    assert printable("one\ntwo\x00three\t four\x1b[31m") == "one two three four [31m"
    assert len(printable("x" * 10_000)) == 300
    assert printable("x" * 10_000).endswith("…")
