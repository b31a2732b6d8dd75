"""Flags that say what a piece of work gets to work with."""

from datetime import timedelta
from typing import Annotated

import typer

from ktrdr_client.cli.command import parse_timeout
from ktrdr_client.sizes import parse_size


def parse_memory(text: str) -> int:
    """Return the bytes that a flag names; a wrong size is wrong usage."""
    try:
        size = parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not size:
        raise typer.BadParameter("0 leaves no memory; leave the flag out for no limit")
    return size


def parse_time_limit(text: str) -> timedelta:
    """Return the time that a flag names; a wrong one, or none at all, is wrong usage."""
    limit = parse_timeout(text)
    if not limit:
        raise typer.BadParameter("0 leaves no time; leave the flag out for no limit")
    return limit


Gpus = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="GPUs to have for itself; 0 for the processor alone.")
]
Threads = Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads to compute with on the processor.")]
Memory = Annotated[
    int | None, typer.Option(parser=parse_memory, metavar="SIZE", help="Most memory for data: 8GiB, 500MB.")
]
Niceness = Annotated[
    int | None, typer.Option(metavar="N", min=0, max=19, help="Step back behind other processes: 0 to 19.")
]
TimeLimit = Annotated[
    timedelta | None,
    typer.Option(
        "--time-limit", parser=parse_time_limit, metavar="TIME", help="Longest time to work: 2h30m; it fails beyond."
    ),
]
