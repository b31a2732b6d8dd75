"""Complete the ids of operations in a shell."""

import asyncio
import os
from typing import Final

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import GlobalFlags, UsageProblem, make_invocation
from ktrdr_client.cli.named_models import MODELS
from ktrdr_client.cli.resolve import ALL, LAST, Among
from ktrdr_client.cli.words import title
from ktrdr_client.errors import KtrdrError
from ktrdr_client.states import state_name

_SECONDS: Final = 1.0
"""Nobody waits longer than this for a completion."""


def complete_operations(incomplete: str) -> list[tuple[str, str]]:
    """Return the newest operations whose ids begin like this, with name and state; nothing without a service."""
    return _complete(incomplete, ALL)


def complete_models(incomplete: str) -> list[tuple[str, str]]:
    """Return the newest of those operations that have a model."""
    return _complete(incomplete, MODELS)


def _complete(incomplete: str, among: Among) -> list[tuple[str, str]]:
    try:
        server = make_invocation(GlobalFlags(), os.environ).server
        return asyncio.run(_operations(server, incomplete, among))
    except (KtrdrError, UsageProblem):
        return []


async def _operations(server: str, incomplete: str, among: Among) -> list[tuple[str, str]]:
    async with AsyncClient(server, timeout_seconds=_SECONDS) as client:
        page = await client.list_page(among.filter_text, order_by=among.order_by, page_size=100)
    found = [(each.id, f"{title(each)}, {state_name(each)}") for each in page.operations]
    return [(name, text) for name, text in [*found, (LAST, "the newest one")] if name.startswith(incomplete)]
