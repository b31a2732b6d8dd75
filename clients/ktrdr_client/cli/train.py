"""`ktrdr train`."""

from pathlib import Path
from typing import Annotated

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.command import command
from ktrdr_client.cli.data.flags import What
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation, UsageProblem
from ktrdr_client.cli.ops_diagnose import parse_verdict_words
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.start import finish_or_detach, note_request
from ktrdr_client.cli.strategy_file import read_strategy
from ktrdr_client.cli.words import strategy_name
from ktrdr_client.cli.work_flags import Gpus, Memory, Niceness, Threads, TimeLimit

app = typer.Typer(add_completion=False)


@command(app, "train")
async def train(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Strategy (YAML); - reads it from stdin.")],
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the strategy: training.epochs=20."),
    ] = None,
    bars: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Parquet or CSV file with bars, instead of the IB host's."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="ib|replay|imported", help="Which bars to take, where several are stored.")
    ] = None,
    what: What = "",
    name: Annotated[str, typer.Option(help="Name for people.")] = "",
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label to keep with it.")] = None,
    host: Annotated[str, typer.Option(help="Training host to run on.")] = "",
    gpus: Gpus = None,
    threads: Threads = None,
    memory: Memory = None,
    niceness: Niceness = None,
    time_limit: TimeLimit = None,
    stop_on: Annotated[
        list[str] | None,
        typer.Option(metavar="VERDICT", help="Cancel it when this is found in its metrics: nan,divergence."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow it to its end, or only start it.")] = True,
) -> ExitCode:
    """Train a strategy: show phases, epochs and losses as they come, and what it brought in the end."""
    reasons = parse_verdict_words(stop_on or [], "--stop-on")
    if "best-epoch" in reasons:
        message = "--stop-on best-epoch: every training has a best epoch; plateau stops it when it gets no better"
        raise UsageProblem(message)
    text = read_strategy(file)
    note_request(invocation)
    async with AsyncClient(invocation.server) as client:
        operation = await client.create_training(
            text,
            overrides=parse_pairs(set_ or [], "--set"),
            bars_path=None if bars is None else _host_path(bars),
            source=source,
            what_to_show=what,
            name=name or strategy_name(text),
            labels=parse_pairs(label or [], "--label"),
            host=host,
            gpus=gpus,
            threads=threads,
            memory=memory,
            niceness=niceness,
            time_limit=time_limit,
            stop_on=reasons,
        )
        return await finish_or_detach(client, operation, invocation, Printer(invocation), wait=wait)


def _host_path(text: str) -> str:
    """Return the path as the host is told it: a path of this machine becomes absolute, any other stays as it is."""
    path = Path(text).expanduser()
    return str(path.resolve()) if path.exists() else text
