"""Find the operations that the words on a command line mean: an id, the beginning of one, a name, or "last"."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.cli.words import age_text
from ktrdr_client.errors import InvalidArgument, NotFound
from ktrdr_client.states import state_name, type_name

LAST: Final = "last"
_ID_LENGTH: Final = 12
_SHOWN: Final = 8
_PAGE: Final = 500
_MOST_LOOKED_AT: Final = 10_000
"""For the beginning of an id; nobody wants to wait until a million operations have come."""


@dataclass(frozen=True)
class Among:
    """Which operations a word can mean; a complete id means its operation in any case."""

    filter_text: str = ""
    """Only those that match."""
    order_by: str = ""
    """The first one in this order is the last."""
    none: str = "there are no operations yet; start one: ktrdr data load AAPL 1d --start 2000-03-01"
    """What to say where there are none."""

    def also(self, condition: str) -> str:
        """Return the filter with one more condition."""
        return f"{condition} AND {self.filter_text}" if self.filter_text else condition


ALL: Final = Among()


async def resolve(
    client: AsyncClient, words: Sequence[str], *, name: str | None = None, among: Among = ALL
) -> list[Operation]:
    """Return the operations that are meant, each once, in the order of the words.

    Args:
        client: The operations service.
        words: Ids, beginnings of ids, or "last".
        name: A name.
        among: Which operations can be meant.

    Raises:
        UsageProblem: Nothing was named.
        NotFound: A word means no operation.
        InvalidArgument: A word means several.
    """
    found: dict[str, Operation] = {}
    if name is not None:
        operation = await _by_name(client, name, among)
        found[operation.id] = operation
    for word in words:
        operation = await _last(client, among) if word == LAST else await _by_id(client, word, among)
        found[operation.id] = operation
    if not found:
        message = "name an operation: by id, the beginning of its id, --name NAME, or last"
        raise UsageProblem(message)
    return list(found.values())


async def _last(client: AsyncClient, among: Among) -> Operation:
    # Not one page: where a filter is looked for in steps, the first page may be empty.
    async with aclosing(client.list(among.filter_text, order_by=among.order_by, page_size=1)) as operations:
        async for operation in operations:
            return operation
    raise NotFound(among.none, reason="OPERATION_NOT_FOUND")


async def _by_name(client: AsyncClient, name: str, among: Among) -> Operation:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    named = [operation async for operation in client.list(among.also(f'display_name = "{quoted}"'))]
    return _only(named, f"the name {name!r}")


async def _by_id(client: AsyncClient, word: str, among: Among) -> Operation:
    if len(word) == _ID_LENGTH:
        try:
            return await client.get(word)
        except NotFound:
            pass  # it may still be the beginning of a longer id
    fitting: list[Operation] = []
    looked_at = 0
    async for operation in client.list(among.filter_text, page_size=_PAGE):
        looked_at += 1
        if operation.id == word.lower():
            return operation
        if operation.id.startswith(word.lower()):
            fitting.append(operation)
        if looked_at == _MOST_LOOKED_AT:
            break
    limits = f", among the newest {looked_at:,}" if looked_at == _MOST_LOOKED_AT else ""
    return _only(fitting, f"an id that begins with {word!r}{limits}")


def _only(operations: Sequence[Operation], description: str) -> Operation:
    if not operations:
        message = f"there is no operation with {description}\n  see: ktrdr ops list"
        raise NotFound(message, reason="OPERATION_NOT_FOUND")
    if len(operations) > 1:
        lines = [f"{len(operations)} operations have {description}; say which one by its id:"]
        lines += [
            f"  {each.id}  {type_name(each)}  {state_name(each)}  {age_text(each.create_time)} ago  {each.display_name}"
            for each in operations[:_SHOWN]
        ]
        if len(operations) > _SHOWN:
            lines.append(f"  … and {len(operations) - _SHOWN} more")
        raise InvalidArgument("\n".join(lines), reason="OPERATION_AMBIGUOUS")
    return operations[0]
