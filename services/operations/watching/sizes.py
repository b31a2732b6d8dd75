"""How much watches take at once. Tests make them small, so that every border is met."""

from dataclasses import dataclass

from services.operations.message_size import MESSAGE_BYTES


@dataclass(frozen=True)
class Sizes:
    """How much is taken at once.

    Attributes:
        message_bytes: Begin another message where one would get larger than this.
        operations: Operations that are read from the store at once.
        tombstones: Tombstones that are read from the store at once.
        blocks: About how many blocks of points are read from the store at once.
        recent_values: Values of points that are kept in memory, over all operations: these are about 30 MB.
    """

    message_bytes: int = MESSAGE_BYTES
    operations: int = 200
    tombstones: int = 1_000
    blocks: int = 200
    recent_values: int = 100_000
