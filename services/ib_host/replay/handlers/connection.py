"""Messages about the connection itself."""

from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.gateway import ACCOUNT, Gateway
from services.ib_host.replay.messages import Outbound
from services.ib_host.replay.session import Session


class CurrentTime:
    """Tells the time of the replay clock, in epoch seconds."""

    def __init__(self, gateway: Gateway) -> None:
        self._clock = gateway.clock

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- the request has no content
        """Answer with message 49."""
        session.connection.send([Outbound.CURRENT_TIME, 1, int(self._clock.now().timestamp())])


class NextIds:
    """Tells the next order id: orders are never taken, so it stays 1."""

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- how many ids are wanted does not matter
        """Answer with message 9."""
        session.connection.send([Outbound.NEXT_VALID_ID, 1, 1])


class ManagedAccounts:
    """Tells the accounts."""

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- the request has no content
        """Answer with message 15."""
        session.connection.send([Outbound.MANAGED_ACCOUNTS, 1, ACCOUNT])


class NoAnswer:
    """Takes messages that gateways never answer, and that change nothing here."""

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Do nothing."""
