"""The `ktrdr` command as a process, as people and scripts call it."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str


class Ktrdr:
    """Calls `ktrdr` with a server and an empty home.

    Args:
        server: KTRDR_SERVER of the calls.
        home: KTRDR_HOME of the calls.
    """

    def __init__(self, server: str, home: Path) -> None:
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("KTRDR_")},
            "KTRDR_SERVER": server,
            "KTRDR_HOME": str(home),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    async def start(self, *words: str, cwd: Path | None = None) -> asyncio.subprocess.Process:
        """Start a call that the test goes on with."""
        return await self.start_python("-m", "ktrdr_client", *words, cwd=cwd)

    async def start_python(self, *words: str, cwd: Path | None = None) -> asyncio.subprocess.Process:
        """Start another program with the same environment."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self.environment, cwd=cwd,
        )  # fmt: skip

    async def __call__(self, *words: str, stdin: str = "") -> Outcome:
        """Call it and wait for its end."""
        return await ended(await self.start(*words), stdin)


async def ended(process: asyncio.subprocess.Process, stdin: str = "") -> Outcome:
    """Wait for the end of a call."""
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())
