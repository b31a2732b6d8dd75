"""Lists of operations."""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.common.page_tokens import decode_page_token, encode_page_token
from services.operations.filter_errors import requested_filter
from services.operations.filters import Expression, Predicate, predicate_of
from services.operations.lists.order import Order, OrderError, Place, parse_order
from services.operations.lists.search import Answer, Question, search
from services.operations.lists.snapshots import Snapshots
from services.operations.lists.streams import Stretch
from services.operations.lists.terminal import ended_among
from services.operations.live_operation import LiveOperation
from services.operations.message_size import MESSAGE_BYTES
from services.operations.operation_state import OperationState
from services.operations.presenter import Presenter
from services.operations.registry import Registry

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500

_Placed = tuple[Place, LiveOperation | OperationState]


@dataclass(frozen=True)
class _Start:
    """Where a page begins, and what the first page has told of the whole list."""

    revision: int
    after: Place | None = None
    total: int = 0
    at_least: bool = False


class Listing:
    """Lists operations: those at work from memory, those that have ended from the store.

    Args:
        registry: The operations.
        ended: Those that have ended.
        presenter: Tells operations.
    """

    def __init__(self, registry: Registry, ended: Snapshots, presenter: Presenter) -> None:
        self._registry = registry
        self._ended = ended
        self._presenter = presenter

    async def page(
        self, *, page_size: int, page_token: str, filter_text: str, order_by: str = ""
    ) -> pb.ListOperationsResponse:
        """Return a page of operations.

        Args:
            page_size: Most operations, 0 for 50; more than 500 count as 500. The page may be shorter, to fit a message,
                or because no index serves the filter and looking on would take too long.
            page_token: Token of the page, empty for the first.
            filter_text: Which operations.
            order_by: In which order, empty for the newest first.

        Raises:
            ServiceError: FILTER_INVALID, PAGE_TOKEN_INVALID or INVALID_REQUEST.
        """
        limit = checked_page_size(page_size)
        expression, order = requested_filter(filter_text), _requested_order(order_by)
        binding = f"operations\0{filter_text}\0{order_by}"
        start = self._start(binding, page_token, order)
        found, answer, total = await self._found(expression, order, start, limit + 1)
        if answer.total is not None:
            start = _Start(start.revision, start.after, total, answer.at_least)
        response = pb.ListOperationsResponse(
            revision=start.revision, total_size=start.total, total_size_is_lower_bound=start.at_least
        )
        goes_on, last = self._tell(found, limit, response)
        last = last if goes_on else answer.reached
        if last is not None:
            position: list[int | str] = [start.revision, start.total, int(start.at_least), *last]
            response.next_page_token = encode_page_token(binding, position)
        return response

    def _start(self, binding: str, page_token: str, order: Order) -> _Start:
        if not page_token:
            return _Start(self._registry.revisions.visible)
        shape = (int, int, int, *order.types)
        revision, total, at_least, *place = decode_page_token(binding, page_token, shape)
        return _Start(int(revision), tuple(place), int(total), bool(at_least))

    def _tell(self, found: list[_Placed], limit: int, response: pb.ListOperationsResponse) -> tuple[bool, Place | None]:
        """Put operations into the response; return whether there are more, and the place of the last one."""
        size, last = 0, None
        for place, operation in found:
            told = self._presenter.present(operation)
            size += told.ByteSize()
            if len(response.operations) == limit or (response.operations and size > MESSAGE_BYTES):
                return True, last
            response.operations.append(told)
            last = place
        return False, last

    async def _found(
        self, expression: Expression, order: Order, start: _Start, limit: int
    ) -> tuple[list[_Placed], Answer, int]:
        """Return operations in order, what the store answered, and how many there are in all."""
        # Memory before and after: what ends, or is tried again, in between is then in both, and never in neither.
        wanted = predicate_of(expression)
        before = set(self._registry.live)
        live = self._at_work(before, wanted)
        question = Question(expression, order, start.after, limit, count=start.after is None)
        try:
            async with self._ended.take() as snapshot:
                answer = await snapshot.ask(lambda connection: search(connection, question))
                moved = [one.id for one in live.values() if one.staged or self._registry.live.get(one.id) is not one]
                begun = self._at_work(self._registry.live.keys() - before, wanted)
                live |= begun
                if moved := [*moved, *begun]:
                    for operation_id in await snapshot.ask(lambda connection: ended_among(connection, moved)):
                        del live[operation_id]
        except OrderError as error:
            raise _refusal(error) from error
        stretch = Stretch(start.after, answer.reached)
        placed = _placed(list(live.values()), order, stretch, limit)
        placed += [(order.sort_key(place), (place, state)) for place, state in answer.found]
        first = nsmallest(limit, placed, key=lambda item: item[0])
        return [item for _, item in first], answer, len(live) + (answer.total or 0)

    def _at_work(self, operation_ids: Iterable[str], wanted: Predicate) -> dict[str, LiveOperation]:
        found = ((each, self._registry.live[each]) for each in operation_ids)
        return {key: one for key, one in found if not one.hidden and wanted(one.record)}


def _placed(
    operations: list[LiveOperation], order: Order, stretch: Stretch, limit: int
) -> list[tuple[tuple[object, ...], _Placed]]:
    """Return the first operations of a stretch with their places, and what sorts them; perhaps a few more."""
    after = None if stretch.after is None else order.sort_key(stretch.after)
    up_to = None if stretch.up_to is None else order.sort_key(stretch.up_to)
    leading = [(order.leading_key(one.record), one) for one in operations]
    if after is not None:
        leading = [each for each in leading if each[0] >= after[0]]
        limit += sum(key == after[0] for key, _ in leading)  # they may come before the stretch
    if len(leading) > limit:
        last = nsmallest(limit, (key for key, _ in leading))[-1]
        leading = [each for each in leading if not each[0] > last]
    found: list[tuple[tuple[object, ...], _Placed]] = []
    for _, one in leading:
        place = order.place_of(one.record)
        key = order.sort_key(place)
        if (after is None or key > after) and (up_to is None or key <= up_to):
            found.append((key, (place, one)))
    return found


def _requested_order(text: str) -> Order:
    try:
        return parse_order(text)
    except OrderError as error:
        raise _refusal(error) from error


def _refusal(error: OrderError) -> ServiceError:
    return ServiceError(
        ErrorReason.ERROR_REASON_INVALID_REQUEST,
        fields=[FieldViolation("order_by", str(error))],
        detail=f"order_by: {error}.",
    )


def checked_page_size(page_size: int, *, default: int = DEFAULT_PAGE, largest: int = LARGEST_PAGE) -> int:
    """Return the number of entries for a page.

    Raises:
        ServiceError: INVALID_REQUEST: it is negative.
    """
    if page_size < 0:
        fields = [FieldViolation("page_size", f"0 for {default}, or 1 to {largest}")]
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)
    return min(page_size or default, largest)
