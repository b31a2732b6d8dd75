"""Read the text of a strategy."""

import sys
from pathlib import Path
from typing import Final

from ktrdr_client.cli.invocation import UsageProblem

MOST_BYTES: Final = 1 << 20
"""What is longer is no strategy, and is not sent: the training host takes 32 KiB."""


def read_strategy(file: Path) -> str:
    """Return the text of a file, or of stdin for `-`.

    Raises:
        UsageProblem: It cannot be read, is not UTF-8 text, or is far too long for a strategy.
    """
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            message = f"{file} is no strategy: it is longer than {MOST_BYTES >> 20} MiB"
            raise UsageProblem(message)
        return content.decode()
    except UnicodeDecodeError:
        message = f"{file} cannot be read: it is not UTF-8 text"
        raise UsageProblem(message) from None
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise UsageProblem(message) from None
