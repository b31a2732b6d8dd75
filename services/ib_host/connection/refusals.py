"""Why a gateway could not be connected to, for people."""

import socket

from services.ib_host.connection.address import GatewayAddress


class CannotConnectError(Exception):
    """A try failed: the message says why, and what to do."""

    def __init__(self, message: str, *, client_id_taken: bool = False) -> None:
        super().__init__(message)
        self.client_id_taken = client_id_taken


def refused(address: GatewayAddress, client_id: int, *, client_id_taken: bool) -> CannotConnectError:
    """Return what it means that the gateway closed the connection during the handshake.

    Args:
        address: of the gateway.
        client_id: that was tried.
        client_id_taken: the gateway said that the id is in use.
    """
    if client_id_taken:
        text = f"Client id {client_id} is in use at {address}. Choose another with --client-id."
    else:
        text = f"The gateway at {address} closed the connection during the handshake. See its API settings."
    return CannotConnectError(text, client_id_taken=client_id_taken)


def explained(error: OSError, address: GatewayAddress, client_id: int, *, timeout_seconds: float) -> CannotConnectError:
    """Return what an error of connecting means.

    Args:
        error: of the client library.
        address: of the gateway.
        client_id: that was tried.
        timeout_seconds: that each step was given.
    """
    if isinstance(error, ConnectionRefusedError):
        return CannotConnectError(
            f"Nothing listens at {address}. Start IB Gateway or TWS with its API enabled, or correct --gateway."
        )
    if isinstance(error, socket.gaierror):
        return CannotConnectError(f"The host name in {address} is not known. Correct --gateway.")
    if isinstance(error, TimeoutError):
        return CannotConnectError(
            f"The gateway at {address} did not complete the handshake; {timeout_seconds:g} s were given to each step. "
            "Log in there, and allow this machine in its API settings."
        )
    return refused(address, client_id, client_id_taken=False)
