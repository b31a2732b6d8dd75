"""Compile the code that writes one event: the hot path of the bridge.

Python generates it once for each set of metric names, as `namedtuple` and `dataclass` do: looking up named values,
packing them and bookkeeping are straight-line code without a loop, an attribute access or a call between. Measured
against the same steps in an ordinary method it saves a quarter of an event.
"""

import struct
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import mmap
from types import CellType, FunctionType
from typing import Any

from ktrdr_bridge.layout import Kind, body_struct, row_bytes, row_struct

# Both are methods: the first argument is the bridge, which they don't need.
BatchWriter = Callable[[Any, int, int, Mapping[str, float]], None]
EpochWriter = Callable[[Any, int, Mapping[str, float]], None]

# The function's globals are a namespace of its own, which the general path sets; while `mapping` is None it must not
# write (another context, segment or schema). That, a missing name, a value that isn't a number, a step out of range and
# the segment's end all end in `other`, the general path. So does any mapping but a dict, whose missing names it might
# make up. The last three lines hold no call: no signal handler can run between them and find position and count apart.
_TEMPLATE = """
def make(position, rows, completed):
    def {name}(self, {arguments}):
        nonlocal position, rows{changes}
        if {differs}type(metrics) is not dict or len(metrics) != {size}:
            return other({arguments})
        try:
            body = pack(clock(), rows, {step}, {values})
            pack_into(mapping, position, crc32(body), context, body)
        except unfit:
            return other({arguments})
        position += {row_bytes}
        rows += 1
        published[0] = rows{after}
    return {name}
"""
_FORMS = {
    Kind.BATCH: {
        "name": "on_batch",
        "arguments": "batch, total, metrics",
        "changes": "",
        "differs": "total != batch_total or ",
        "step": "batch",
        "after": "",
    },
    Kind.EPOCH: {
        "name": "on_epoch",
        "arguments": "epoch, metrics",
        "changes": ", completed",
        "differs": "",
        "step": "epoch",
        "after": "\n        completed = epoch",
    },
}
_CONSTANTS = {
    "dict": dict,
    "len": len,
    "type": type,
    "clock": time.time,
    "crc32": zlib.crc32,
    "unfit": (KeyError, struct.error, TypeError, ValueError, OverflowError, RuntimeError),
}


@dataclass(frozen=True, slots=True)
class Counters:
    """What changes with every event, shared by all writers of a journal.

    They are closure cells, because closure variables are the fastest state that functions can share in Python.

    Attributes:
        position: Where the next row starts in the segment.
        rows: Number of the next row: the low half of its seq.
        completed: Units of the phase that are done.
    """

    position: CellType
    rows: CellType
    completed: CellType


@dataclass(frozen=True, slots=True)
class CompiledWriter:
    """A function that writes one event of one kind with exactly these metrics, while it is switched on.

    Attributes:
        write: A `BatchWriter` or an `EpochWriter`.
        variables: Its global variables.
    """

    write: Any
    variables: dict[str, Any]

    def switch_on(self, mapping: mmap, words: memoryview, context: bytes, total: int) -> None:
        """Let it write: into this segment, with this context and (batches) as long as there are `total`."""
        self.variables.update(mapping=mapping, published=words, context=context, batch_total=total)

    def switch_off(self) -> None:
        """Send every event down the general path; the segment may be unmapped then."""
        self.variables.update(mapping=None, published=None)


def compile_writer(
    kind: Kind, names: tuple[str, ...], counters: Counters, other: Callable[..., None]
) -> CompiledWriter:
    """Compile the writer of one kind and one set of names; it is switched off.

    Args:
        kind: `BATCH` or `EPOCH`.
        names: The metric names, in the order of the schema.
        counters: Shared by all writers of the journal.
        other: The general path, called with the same arguments whenever the compiled code doesn't fit.
    """
    body = body_struct(len(names), wide=False)
    source = _TEMPLATE.format(
        size=len(names),
        values=", ".join(f"metrics[{name!r}]" for name in names),
        row_bytes=row_bytes(body.size),
        **_FORMS[kind],
    )
    made: dict[str, Any] = {}
    exec(compile(source, f"<{kind.name.lower()} event of {len(names)} metrics>", "exec"), made)
    template = made["make"](None, None, None)
    variables = {
        **_CONSTANTS,
        "other": other,
        "pack": body.pack,
        "pack_into": row_struct(body.size).pack_into,
        "context": b"",
        "batch_total": None,
    }
    closure = tuple(getattr(counters, name) for name in template.__code__.co_freevars)
    writer = CompiledWriter(FunctionType(template.__code__, variables, template.__name__, None, closure), variables)
    writer.switch_off()
    return writer
