"""A spare worker's side: wait for a session, and become its worker."""

import os
import socket

from services.host.spare.handover import READY, Handover, receive
from services.host.spare.output import print_to


def wait_for_session(descriptor: int) -> Handover | None:
    """Wait until the keeper has a session, and take on everything that a worker started for it would have had.

    Call it when everything is loaded. No device may have been touched, and no thread of a library's own be needed.

    Args:
        descriptor: The socket to the keeper, as its number came with the command line.

    Returns:
        What came; None where the keeper has ended, and there is nothing to do.
    """
    os.set_inheritable(descriptor, False)
    with socket.socket(fileno=descriptor) as keeper:
        try:
            keeper.sendall(READY)
            line, _ = receive(keeper)
        except OSError:
            return None
    if not line:
        return None
    handover = Handover.from_line(line)
    os.environ.update(handover.environment)
    print_to(handover.log)
    return handover
