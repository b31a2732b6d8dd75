"""Answers that go out altered."""

from collections.abc import Callable, Sequence

from services.ib_host.replay.connection import Connection, encode
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.messages import Outbound
from services.ib_host.replay.wire import Fields


def proceed_altered(exchange: Exchange, alter: Callable[[Fields], Sequence[bytes]]) -> None:
    """Deal with a message as usual, and alter the first frame of the answer; errors and notices stay as they are.

    Args:
        exchange: the message.
        alter: returns the bytes that go out in place of the frame.
    """
    exchange.proceed(_first_frame_altered(exchange.connection, alter))


def _first_frame_altered(connection: Connection, alter: Callable[[Fields], Sequence[bytes]]) -> Connection:
    done = False

    def alter_first(fields: Fields) -> Sequence[bytes]:
        nonlocal done
        if done or fields[0] == Outbound.ERROR:
            return [encode(fields)]
        done = True
        return alter(fields)

    return connection.altered(alter_first)
