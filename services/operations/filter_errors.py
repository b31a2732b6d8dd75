"""Filters as requests carry them."""

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError
from services.operations.filters import Expression, FilterSyntaxError, parse_filter


def requested_filter(text: str) -> Expression:
    """Return the filter of a request.

    Raises:
        ServiceError: FILTER_INVALID; the message shows where.
    """
    try:
        return parse_filter(text)
    except FilterSyntaxError as error:
        detail = f"At column {error.column}: {error.problem}."
        fields = [FieldViolation("filter", detail)]
        raise ServiceError(ErrorReason.ERROR_REASON_FILTER_INVALID, fields=fields, detail=detail) from error
