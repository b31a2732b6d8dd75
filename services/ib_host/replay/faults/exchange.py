"""One message of a client, and all the ways of dealing with it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from services.ib_host.replay.background import Background
from services.ib_host.replay.connection import Connection
from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.faults.world import World
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.queries import OpenQueries


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a fault can do with the message that it was asked about.

    Attributes:
        message_id: one of `Inbound`, or `HANDSHAKE`.
        fields: of the message; none for a greeting.
        request_id: of the request, -1 where the message has none.
        connection: to the client.
        queries: the client's open queries.
        background: for what comes later; ends with the connection.
        refuse: answers with an error.
        proceed: deals with the message as usual, and answers on the connection given.
        world: the whole gateway.
        keep_client_id: keeps the client's id taken for so many seconds after it has left.
        draw: the rule's own random numbers.
    """

    message_id: int
    fields: tuple[str, ...]
    request_id: int
    connection: Connection
    queries: OpenQueries
    background: Background
    refuse: Callable[[int, RequestRefused], None]
    proceed: Callable[[Connection], None]
    world: World
    keep_client_id: Callable[[float], None]
    draw: Random

    @property
    def is_query(self) -> bool:
        """Whether the message opens a query for history, which stays open until it is answered or cancelled."""
        return self.message_id == Inbound.HISTORICAL_DATA and self.request_id not in self.queries
