"""An account without money, positions or orders."""

from services.ib_host.replay.errors import read_only
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.gateway import ACCOUNT, Gateway
from services.ib_host.replay.market import NEW_YORK
from services.ib_host.replay.messages import Outbound
from services.ib_host.replay.session import Session

_VALUES = (
    ("AccountType", "INDIVIDUAL", ""),
    ("NetLiquidation", "0.00", "USD"),
    ("TotalCashValue", "0.00", "USD"),
)


class Positions:
    """There are none."""

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- the request has no content
        """End the list."""
        session.connection.send([Outbound.POSITIONS_END, 1])


class OpenOrders:
    """There are none."""

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- the request has no content
        """End the list."""
        session.connection.send([Outbound.OPEN_ORDERS_END, 1])


class CompletedOrders:
    """There are none."""

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- the only field is a filter
        """End the list."""
        session.connection.send([Outbound.COMPLETED_ORDERS_END])


class Executions:
    """There are none."""

    def handle(self, session: Session, fields: FieldReader) -> None:
        """End the list."""
        fields.skip()
        session.connection.send([Outbound.EXECUTIONS_END, 1, fields.read_request_id()])


class AccountUpdates:
    """The account's values, once: they never change."""

    def __init__(self, gateway: Gateway) -> None:
        self._clock = gateway.clock

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Answer a subscription; its end needs no answer."""
        fields.skip()
        if not fields.flag():
            return
        for tag, value, currency in _VALUES:
            session.connection.send([Outbound.ACCOUNT_VALUE, 2, tag, value, currency, ACCOUNT])
        local = self._clock.now().astimezone(NEW_YORK)
        session.connection.send([Outbound.ACCOUNT_TIME, 1, f"{local:%H:%M}"])
        session.connection.send([Outbound.ACCOUNT_DOWNLOAD_END, 1, ACCOUNT])


class AccountUpdatesMulti:
    """The account's values again, under a request id."""

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Answer with messages 73 and 74."""
        fields.skip()
        request_id = fields.read_request_id()
        for tag, value, currency in _VALUES:
            session.connection.send([Outbound.ACCOUNT_UPDATE_MULTI, 1, request_id, ACCOUNT, "", tag, value, currency])
        session.connection.send([Outbound.ACCOUNT_UPDATE_MULTI_END, 1, request_id])


class AccountSummary:
    """The account's values with the tags that were asked for."""

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Answer with messages 63 and 64."""
        fields.skip()
        request_id = fields.read_request_id()
        fields.skip()
        wanted = set(fields.text().split(","))
        for tag, value, currency in _VALUES:
            if tag in wanted:
                session.connection.send([Outbound.ACCOUNT_SUMMARY, 1, request_id, ACCOUNT, tag, value, currency])
        session.connection.send([Outbound.ACCOUNT_SUMMARY_END, 1, request_id])


class OrderEntry:
    """Refuses whatever would trade.

    Args:
        fields_before_id: how many fields precede the id of the order, or None when the message has no such id.
    """

    def __init__(self, fields_before_id: int | None) -> None:
        self._fields_before_id = fields_before_id

    def handle(self, session: Session, fields: FieldReader) -> None:  # noqa: ARG002 -- all are refused alike
        """Refuse under the order's id.

        Raises:
            RequestRefused: always.
        """
        if self._fields_before_id is not None:
            fields.skip(self._fields_before_id)
            fields.read_request_id()
        raise read_only()
