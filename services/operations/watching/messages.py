"""Cut what is told into messages. Each says up to which revision everything was sent: there a reader can go on."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.watching.joined_points import joined
from services.operations.watching.pieces import Piece, Told

_LARGEST_BYTES: Final = 3 * 2**20
"""One revision with more than this is parted; all messages of it but the last say that it is still to come."""


class Message(NamedTuple):
    """A serialized response, and the revision up to which everything has been sent with it."""

    revision: int
    data: bytes


def bookmark(revision: int) -> bytes:
    """Return a message that only says how far the stream has come."""
    return pb.WatchOperationsResponse(revision=revision, bookmark=True).SerializeToString()


def so_far(revision: int) -> bytes:
    """Return a message that says nothing but that the stream is alive, where a bookmark would say too much."""
    return _position(revision)


def messages_of(told: Told, after: int, up_to: int, message_bytes: int) -> list[Message]:
    """Return messages with everything that is told; none if it is nothing.

    Args:
        told: What is told of the time above `after` and up to `up_to`.
        after: Revision that the reader has reached.
        up_to: Revision that it reaches with the last message.
        message_bytes: Begin another message where one would get larger than this.
    """
    cuts = (Piece(revision, size, b"") for block in told.merged for revision, size in block.cuts(after, up_to))
    pieces = sorted(chain(told.pieces, cuts), key=attrgetter("revision"))
    found: list[Message] = []
    waiting: list[Piece] = []
    size, reached = 0, after
    for _, group in groupby(pieces, key=attrgetter("revision")):
        together = list(group)
        more = sum(piece.size for piece in together)
        if waiting and size + more > message_bytes:
            closed = waiting[-1].revision
            found += _message(waiting, told, reached, closed)
            waiting, size, reached = [], 0, closed
        if more > _LARGEST_BYTES:
            *parts, together = _parted(together, message_bytes)
            found += [Message(reached, _encoded(part) + _position(reached)) for part in parts]
            more = sum(piece.size for piece in together)
        waiting += together
        size += more
    if waiting:
        found += _message(waiting, told, reached, up_to)
    return found


def _message(pieces: Sequence[Piece], told: Told, after: int, up_to: int) -> list[Message]:
    merged = (block.between(after, up_to) for block in told.merged)
    points = [Piece(up_to, 0, b"", shown) for shown in merged if shown is not None]
    data = _encoded([*points, *pieces])
    return [Message(up_to, data + _position(up_to))] if data else []


def _encoded(pieces: Sequence[Piece]) -> bytes:
    """Put pieces together: protobuf merges what is written one behind the other."""
    points = joined([piece.points for piece in pieces if piece.points is not None])
    return b"".join(chain((piece.data for piece in pieces), points))


def _position(revision: int) -> bytes:
    return pb.WatchOperationsResponse(revision=revision).SerializeToString()


def _parted(pieces: Sequence[Piece], message_bytes: int) -> Iterator[list[Piece]]:
    """Yield pieces of one revision in parts of about a message each; there is always a last one."""
    part: list[Piece] = []
    size = 0
    for piece in pieces:
        if part and size + piece.size > message_bytes:
            yield part
            part, size = [], 0
        part.append(piece)
        size += piece.size
    yield part
