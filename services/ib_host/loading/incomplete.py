"""What of a load has failed, and how that is told."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

_LOG = structlog.get_logger(__name__)
_MOST_NAMED: Final = 5
_CONCERN_EVERYTHING: Final = frozenset(
    {
        ErrorReason.ERROR_REASON_STORAGE_FULL,
        ErrorReason.ERROR_REASON_GATEWAY_COMPETING_SESSION,
        ErrorReason.ERROR_REASON_GATEWAY_UNAVAILABLE,
        ErrorReason.ERROR_REASON_INTERNAL,
    }
)


class _Failure(NamedTuple):
    title: str
    stretch: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.title} {self.stretch}: {self.sentence}" if self.stretch else f"{self.title}: {self.sentence}"


def concerns_everything(error: ServiceError) -> bool:
    """Tell whether an error would meet every instrument of a load, so that going on is no use."""
    return error.reason in _CONCERN_EVERYTHING


class LoadFailures:
    """Collects what failed. Each failure is in the session's log; the error names a few and counts all.

    Args:
        instruments: how many the load has.
    """

    def __init__(self, instruments: int) -> None:
        self._instruments = instruments
        self._chunks: list[_Failure] = []
        self._whole: list[_Failure] = []
        self._errors: list[ServiceError] = []

    def __bool__(self) -> bool:
        return bool(self._chunks or self._whole)

    def chunk(self, title: str, stretch: str, sentence: str) -> None:
        """A stretch is missing; the rest of the instrument goes on.

        Args:
            title: of the dataset: "AAPL 1d".
            stretch: that is missing, for people.
            sentence: why.
        """
        _LOG.warning("chunk_failed", instrument=title, chunk=stretch, failure=sentence)
        self._chunks.append(_Failure(title, stretch, sentence))

    def instrument(self, title: str, stretches: Sequence[str], error: ServiceError) -> None:
        """An instrument failed as a whole; the others go on.

        Args:
            title: of the instrument, or of the dataset.
            stretches: what is missing because of it; none where it failed before that was known.
            error: why.
        """
        _LOG.warning("instrument_failed", instrument=title, missing=list(stretches), failure=str(error))
        self._errors.append(error)
        self._whole.append(_Failure(title, _listed(stretches, "and"), error.message))

    def error(self, total_chunks: int) -> ServiceError:
        """Return the error of the load: that of its only instrument, or LOAD_INCOMPLETE, which names what is missing.

        Args:
            total_chunks: of the load.
        """
        if not self._chunks and len(self._errors) == self._instruments == 1:
            return self._errors[0]
        counts = []
        if self._whole:
            counts.append(f"{len(self._whole)} of {self._instruments} instruments failed")
        if self._chunks:
            counts.append(f"{len(self._chunks)} of {total_chunks} chunks failed")
        named = _listed([str(failure) for failure in (*self._whole, *self._chunks)], ";")
        return ServiceError(
            ErrorReason.ERROR_REASON_LOAD_INCOMPLETE,
            detail=f"{' and '.join(counts)}: {named}",
            failed_chunks=len(self._chunks),
            failed_instruments=len(self._whole),
        )


def _listed(words: Sequence[str], separator: str) -> str:
    space = " " if separator.isalpha() else ""
    shown = f"{space}{separator} ".join(words[:_MOST_NAMED])
    more = len(words) - _MOST_NAMED
    return f"{shown}{space}{separator} {more} more" if more > 0 else shown
