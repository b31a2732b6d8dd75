"""What the connection tells without asking anything: socket, client id, link to IB, farms and language."""

from typing import Final

from ktrdr.ib.v1 import ib_pb2

from services.ib_host.connection.notices import Link
from services.ib_host.connection.picture import GatewayPicture
from services.ib_host.diagnosis.findings import (
    CLIENT_ID,
    FARMS,
    LANGUAGE,
    LINK,
    SOCKET,
    fine,
    problem,
    skipped,
    warning,
)

NO_CONNECTION: Final = "There is no connection to the gateway."

_START_GATEWAY: Final = (
    'Start IB Gateway or TWS and log in. In its Configure > Settings > API > Settings turn "Enable ActiveX and Socket '
    'Clients" on, and compare "Socket port" with the IB host\'s --gateway (IB Gateway: 4001 live, 4002 paper; TWS: '
    '7496 live, 7497 paper). If the host runs on another machine, add its address to "Trusted IPs".'
)
_FREE_CLIENT_IDS: Final = (
    "Close programs that use these client ids, or give the IB host others with --client-id. A gateway that lost a "
    "connection gives its id back within a minute; restart it if it does not."
)
_OTHER_CLIENT_ID: Final = (
    "Nothing, it works as well. If no other program uses that id, the gateway still holds a lost connection; it lets "
    "go of it within a minute, or when it is restarted."
)
_BROKEN_MESSAGES: Final = "If it goes on, restart the gateway; a newer or older version of it may help."
_LOG_IN: Final = (
    "Look at the gateway's window: if it asks for a login, log in; if not, check this machine's way to the internet. "
    "Loads wait, and go on by themselves."
)
_WAIT_FOR_RESET: Final = "Nothing: wait for the end of the reset. Loads wait, and go on by themselves."
_WAIT_FOR_FARM: Final = (
    "Wait; loads go on by themselves. If it lasts, see IB's page of system status, and restart the gateway."
)
_SET_ENGLISH: Final = (
    'In the gateway\'s Configure > Settings > API > Settings turn "Show API messages in English" on, then restart it. '
    "Until then, what code 162 means (no data, pacing, permissions) cannot be told apart."
)


def look_at_connection(picture: GatewayPicture) -> list[ib_pb2.Finding]:
    """Return the findings on socket, client id, link to IB and farms, in this order."""
    return [_socket(picture), _client_id(picture), _link(picture), _farms(picture)]


def look_at_language(picture: GatewayPicture) -> ib_pb2.Finding:
    """Return the finding on the language of the gateway's messages."""
    if not picture.socket_open:
        return skipped(LANGUAGE, NO_CONNECTION)
    if picture.english is None:
        return skipped(LANGUAGE, "The gateway has sent no message yet whose language could be told.")
    if picture.english:
        return fine(LANGUAGE, "The gateway's messages are in English.")
    text = f"The gateway's messages are not in English: {picture.foreign_text}"
    return problem(LANGUAGE, text, _SET_ENGLISH)


def _socket(picture: GatewayPicture) -> ib_pb2.Finding:
    if picture.client_ids_taken:
        return fine(SOCKET, f"The gateway at {picture.address} takes connections.")
    if not picture.socket_open:
        text = picture.problem or f"The host is {picture.waiting_text}."
        advice = f"{picture.reset}: wait for its end. Or else: {_START_GATEWAY}" if picture.reset else _START_GATEWAY
        return problem(SOCKET, text, advice)
    connected = f"Connected to {picture.address}, version {picture.server_version} of the protocol"
    if picture.undecodable:
        text = f"{connected}; {picture.undecodable} of its messages could not be decoded."
        return warning(SOCKET, text, _BROKEN_MESSAGES)
    return fine(SOCKET, f"{connected}.")


def _client_id(picture: GatewayPicture) -> ib_pb2.Finding:
    if picture.client_ids_taken:
        return problem(CLIENT_ID, picture.problem, _FREE_CLIENT_IDS)
    if not picture.socket_open:
        return skipped(CLIENT_ID, NO_CONNECTION)
    if picture.client_id != picture.first_client_id:
        text = f"The host has client id {picture.client_id}: another connection has {picture.first_client_id}."
        return warning(CLIENT_ID, text, _OTHER_CLIENT_ID)
    return fine(CLIENT_ID, f"The host has client id {picture.client_id}.")


def _link(picture: GatewayPicture) -> ib_pb2.Finding:
    if not picture.socket_open:
        return skipped(LINK, NO_CONNECTION)
    if picture.link is Link.UP:
        return fine(LINK, "The gateway is connected to IB.")
    why = picture.reset or picture.login
    text = f"The gateway has lost its connection to IB. {why}." if why else "The gateway has lost its connection to IB."
    return problem(LINK, text, _WAIT_FOR_RESET if picture.reset else _LOG_IN)


def _farms(picture: GatewayPicture) -> ib_pb2.Finding:
    if not picture.socket_open:
        return skipped(FARMS, NO_CONNECTION)
    if picture.link is not Link.UP:
        return skipped(FARMS, "The gateway has lost IB, and with it all farms.")
    broken = [farm for farm in picture.farms if not farm.ok]
    if not broken:
        names = ", ".join(f"{farm.name} ({farm.kind})" for farm in picture.farms) or "none was told of yet"
        return fine(FARMS, f"No data farm is broken: {names}.")
    text = f"Broken: {', '.join(f'{farm.name} ({farm.kind})' for farm in broken)}."
    if all(farm.kind == "market" for farm in broken):
        return warning(FARMS, text, "Nothing: bars do not come from farms for market data.")
    if picture.reset:
        return problem(FARMS, f"{text} {picture.reset}.", _WAIT_FOR_RESET)
    return problem(FARMS, text, _WAIT_FOR_FARM)
