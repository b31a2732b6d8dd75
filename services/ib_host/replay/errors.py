"""Refusals in the words of IB's gateways.

Clients classify code 162 by its text, so the texts are part of the protocol. Where a gateway's exact words are not
publicly known, the text says plainly what is wrong.
"""

from collections.abc import Sequence

NOT_A_REQUEST = -1
"""The request id of errors and notices that belong to the connection."""


class RequestRefused(Exception):
    """A request ends with an error message.

    Args:
        code: IB's error code.
        text: what the client gets to read.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def invalid_request(cause: str) -> RequestRefused:
    """321: the request contradicts the rules, whatever the market data."""
    return RequestRefused(321, f"Error validating request.-'bH' : cause - {cause}")


def unreadable_request(message_id: str, cause: str) -> RequestRefused:
    """320: a field is missing or not of its type."""
    return RequestRefused(320, f"Error reading request. Message id {message_id}. {cause}")


def unknown_message() -> RequestRefused:
    """505: a message that this gateway does not know."""
    return RequestRefused(505, "Fatal Error: Unknown message id.")


def unknown_contract() -> RequestRefused:
    """200: the contract does not exist here."""
    return RequestRefused(200, "No security definition has been found for the request")


def ambiguous_contract(symbol: str) -> RequestRefused:
    """200: several contracts fit where one is needed."""
    return RequestRefused(200, f"The contract description specified for {symbol} is ambiguous.")


def historical_service(message: str) -> RequestRefused:
    """162: what the historical data service has to say; the text decides what it means."""
    return RequestRefused(162, f"Historical Market Data Service error message:{message}")


def no_data(symbol: str, exchange: str, what: str) -> RequestRefused:
    """162: the window asked for holds no bars."""
    return historical_service(f"HMDS query returned no data: {symbol}@{exchange} {what.capitalize()}")


def no_trades(symbol: str, security_type: str, bar_size: str) -> RequestRefused:
    """162: trades of currencies are told to nobody."""
    last = {"1 day": "1d"}.get(bar_size, bar_size)
    return historical_service(f"No historical market data for {symbol}/{security_type}@FXSUBPIP Last {last}")


def end_date_for_continuous_future() -> RequestRefused:
    """10339: a continuous future has no history but the one up to now."""
    return RequestRefused(10339, "Setting end date/time for continuous future security type is not allowed.")


def invalid_step(bar_size: str) -> RequestRefused:
    """162: the duration is too short for bars of this size."""
    return historical_service(f"invalid step: {bar_size}")


def query_cancelled(request_id: int) -> RequestRefused:
    """162: the client has cancelled its query."""
    return historical_service(f"API historical data query cancelled: {request_id}")


def unknown_query(request_id: int) -> RequestRefused:
    """366: a cancel for a query that is not open."""
    return RequestRefused(366, f"No historical data query found for ticker id:{request_id}")


def duplicate_query() -> RequestRefused:
    """322: the id is still that of an open query."""
    return RequestRefused(322, "Error processing request.-'bH' : cause - Duplicate ticker id")


def client_id_taken() -> RequestRefused:
    """326: another connection has this client id; the gateway closes the new one."""
    return RequestRefused(326, "Unable to connect as the client id is already in use. Retry with a unique client id.")


def invalid_end_date() -> RequestRefused:
    """10314: the end date is not a date."""
    return RequestRefused(
        10314,
        "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss "
        "xx/xxxx where yyyymmdd and xx/xxxx are optional. E.g.: 20031126 15:59:00 US/Eastern  Note that there is "
        "a space between the date and time, and between the time and time-zone.  If no date is specified, "
        "current date is assumed. If no time-zone is specified, local time-zone is assumed(deprecated).  You can "
        "also provide yyyymmddd-hh:mm:ss time is in UTC. Note that there is a dash between the date and time in "
        "UTC notation.",
    )


def zone_missing() -> RequestRefused:
    """2174, a warning: the end date names no zone."""
    return RequestRefused(
        2174,
        "Warning: You submitted request with date-time attributes without explicit time zone. Please switch to "
        "use yyyymmdd-hh:mm:ss in UTC or use instrument time zone, like US/Eastern. Implied time zone "
        "functionality will be removed in the next API release",
    )


def pacing_violation() -> RequestRefused:
    """162: too much history was asked for in a time."""
    return historical_service("Historical data request pacing violation")


def too_many_open(most: int) -> RequestRefused:
    """322: more requests for history wait for an answer than a gateway takes."""
    return RequestRefused(
        322, f"Error processing request.-'bH' : cause - Only {most} simultaneous API historical data requests allowed."
    )


def message_rate(*, most: int, received: int, strike: int) -> RequestRefused:
    """100: too many messages in a second; the last strike ends the connection."""
    return RequestRefused(
        100, f"Max rate of messages per second has been exceeded:max={most} rec={received} ({strike})"
    )


def illegal_bar_size(legal: Sequence[str]) -> RequestRefused:
    """321: no gateway has bars of this size."""
    return invalid_request(f"Historical data bar size setting is invalid. Legal ones are: {', '.join(legal)}")


def read_only() -> RequestRefused:
    """321: orders are never taken."""
    return invalid_request("The API interface is currently in Read-Only mode.")
