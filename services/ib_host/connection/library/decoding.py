"""Decoding what the gateway sends, where nothing that makes no sense is passed over."""

from collections.abc import Callable, Sequence
from typing import Any

from services.ib_host.connection.library.installed import LIBRARY


class StrictDecoder(LIBRARY.decoder.Decoder):  # type: ignore[misc]  # the library is chosen at run time: no types
    """Reports each message that can't be decoded. The library only logs it, and its request waits for ever.

    Args:
        wrapper: the library's receiver of what is decoded.
        report: called with the fields of a message that makes no sense.
    """

    def __init__(self, wrapper: Any, report: Callable[[Sequence[str]], None]) -> None:
        super().__init__(wrapper, 0)
        self._report = report

    def wrap(self, method_name: str, types: Sequence[type], skip: int = 2) -> Callable[[Sequence[str]], None]:
        """Return a handler that passes fields on to a method of the wrapper; the library's would hide its failures."""
        method = getattr(self.wrapper, method_name, None)

        def handler(fields: Sequence[str]) -> None:
            if method is not None:
                method(*(_parse(kind, field) for kind, field in zip(types, fields[skip:], strict=False)))

        return handler

    def interpret(self, fields: Sequence[str]) -> None:
        """Decode one message."""
        try:
            self.handlers[int(fields[0])](fields)
        except Exception:
            self._report(fields)


def _parse(kind: type, field: str) -> Any:
    if kind is str:
        return field
    return bool(int(field or 0)) if kind is bool else kind(field or 0)
