"""Sets of metric names, compiled once and used for every event that has exactly these names."""

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import NoReturn

from ktrdr_bridge.layout import Context, Kind, body_struct, row_bytes, row_struct

_REMEMBERED = 4_096


class Schema:
    """One set of metric names, in the order in which they were first seen.

    Attributes:
        names: The metric names.
        definition_bytes: Length of the row that defines the names in a segment.
    """

    __slots__ = ("_definition", "definition_bytes", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        text = json.dumps(names, separators=(",", ":")).encode()
        self._definition = text.ljust((len(text) + 7) // 8 * 8)
        self.definition_bytes = row_bytes(len(self._definition))

    def definition_row(self, number: int, levels: int = 0) -> bytes:
        """Return the row that gives a schema number these names: a JSON array, padded with blanks.

        Args:
            number: The schema number.
            levels: How far the rows that follow are thinned, a byte for each kind.
        """
        body, length = self._definition, self.definition_bytes
        context = Context(length, Kind.SCHEMA, wide=False, schema=number, phase=0, detail=levels).encode()
        return row_struct(len(body)).pack(zlib.crc32(body), context, body)

    def pack(self, seconds: float, index: int, step: int, metrics: Mapping[str, float], *, wide: bool) -> bytes:
        """Return a row's body.

        Raises:
            TypeError: A value is neither a number nor a 0-d tensor.
        """
        body = body_struct(len(self.names), wide=wide)
        try:
            return body.pack(seconds, index, step, *map(metrics.__getitem__, self.names))
        except (struct.error, TypeError, ValueError, OverflowError, RuntimeError):
            return body.pack(seconds, index, step, *(_number(name, metrics[name]) for name in self.names))


class Schemas:
    """Finds the schema of an event, whatever the order of its names."""

    def __init__(self) -> None:
        self._known: dict[frozenset[str], Schema] = {}

    def of(self, metrics: Mapping[str, float]) -> Schema:
        """Return the schema with exactly these names.

        Raises:
            TypeError: A name isn't a non-empty text.
        """
        key = frozenset(metrics)
        schema = self._known.get(key)
        if schema is None:
            for name in metrics:
                _check_name(name)
            schema = Schema(tuple(metrics))
            if len(self._known) < _REMEMBERED:
                self._known[key] = schema
        return schema

    def remember(self, names: tuple[str, ...]) -> Schema:
        """Return the schema of names that a journal has already."""
        return self._known.setdefault(frozenset(names), Schema(names))


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        message = f"a metric's name must be a non-empty text, not {name!r}"
        raise TypeError(message)


def _number(name: str, value: object) -> float:
    try:
        if isinstance(value, str | bytes | bytearray):
            return _not_a_number(name, value)
        return float(value)  # type: ignore[arg-type]  # anything with __float__ or __index__; the rest raises TypeError
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # only a huge integer overflows
    except (TypeError, ValueError):
        return _not_a_number(name, value)
    except RuntimeError:  # PyTorch's, for a tensor of several elements and for a device that failed
        if getattr(value, "ndim", 0):
            return _not_a_number(name, value)
        raise


def _not_a_number(name: str, value: object) -> NoReturn:
    message = f"metric {name!r} must be a number or a 0-d tensor, not {type(value).__name__}"
    raise TypeError(message)
