"""A process that does nothing but merge the blocks of a store, until it is killed or has nothing left to do."""

import asyncio
import sys
from pathlib import Path

from tests.support.stored_histories import stored_histories


def _tell(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(path: Path) -> None:
    """Merge, and tell of each step."""
    async with stored_histories(path) as world:
        _tell("ready")
        while await world.merger.step():
            _tell("step")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
