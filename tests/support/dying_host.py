"""An IB host that kills itself at a chosen point of a load: `python -m tests.support.dying_host HOME GATEWAY POINT`.

It starts the load that comes as JSON on its standard input, as session "op-1", or goes on with it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from ktrdr.ib.v1 import ib_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.ledger_file import LedgerFile
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.manifest import Manifest
from tests.support.ib_host import ib_host


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(owner: Any, name: str, number: int, *, before: bool, act: Callable[..., None] = lambda *_: None) -> None:
    """Die at a call of a method: before it, or after it."""
    usual, calls = getattr(owner, name), 0

    def method(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and before:
            act(*args)
            die()
        outcome = usual(*args, **kwargs)
        if calls == number:
            die()
        return outcome

    setattr(owner, name, method)


def write_half_a_line(file: LedgerFile, *_: Any) -> None:
    """Leave what a crash leaves of a line."""
    with file._path.open("ab") as torn:
        torn.write(b'{"start":"2001-01-0')


POINTS: Final[dict[str, Callable[[], None]]] = {
    "in a merge": lambda: at_call(Manifest, "save", 2, before=True),
    "between store and record": lambda: at_call(DatasetLedger, "add", 2, before=True),
    "in a line of the ledger": lambda: at_call(LedgerFile, "add", 2, before=True, act=write_half_a_line),
    "after a repair was begun": lambda: at_call(DatasetLedger, "invalidate", 1, before=True),
    "in a repair": lambda: at_call(DatasetLedger, "add", 4, before=False),
    "between a repair and its records": lambda: at_call(BarStore, "replace", 1, before=False),
}


async def main() -> None:
    """Run until it is dead."""
    home, gateway, point = sys.argv[1:]
    POINTS[point]()
    spec = json_format.Parse(sys.stdin.read(), ib_pb2.DataLoadSpec())
    async with ib_host(Path(home), gateway) as host:
        session = await host.start_load(spec, session_id="op-1")
        await host.ended(session.id)


if __name__ == "__main__":
    asyncio.run(main())
