"""The whole system in under a minute: load bars, train on them, and follow both. No account is needed.

Starts replay gateway, IB host, training host and operations as processes of their own, on free ports and with a home of
their own; does everything through the operations service, as a user would; and ends what it has started. The bars are
recorded history (REPLAY): nothing comes from a market.

Run it with `make demo`, or `python -m examples.demo [--home FOLDER]`.
"""

import argparse
import asyncio
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.display import LineDisplay
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.follow import choose_display, exit_code, follow
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.summary import error_lines
from ktrdr_client.cli.training_summary import training_lines
from ktrdr_client.cli.words import date_text
from ktrdr_client.errors import KtrdrError
from ktrdr_client.local import LocalPlan, LocalSystem, Ports, ServiceDied
from ktrdr_client.times import duration_text
from ktrdr_client.waiting import FinishedOperation
from rich.text import Text

STRATEGY = Path(__file__).parent / "strategies" / "aapl_daily_swing.yaml"
SYMBOL, BAR_SIZE, START, END = "AAPL", "1d", "2000-03-01", "2013-03-01"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 if everything completed."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, help="folder for everything; a new one in the temporary folder by default")
    options = parser.parse_args(arguments)
    home = options.home or Path(tempfile.mkdtemp(prefix="ktrdr-demo-"))
    try:
        return asyncio.run(Demo(home.absolute()).run())
    except KeyboardInterrupt:
        print("stopped; everything that was started has ended", file=sys.stderr)
        return 130
    except ServiceDied as death:
        print(f"error: {death}\n{death.tail}\n  its log: {death.log}", file=sys.stderr)
    except KtrdrError as error:
        print(f"error: {error}\n  logs: {home / 'logs'}", file=sys.stderr)
    return 1


class Demo:
    """One run of the demo.

    Args:
        home: Folder for everything.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.began = time.monotonic()
        self.printer = Printer(Invocation(server=""))

    async def run(self) -> int:
        """Start everything, load, train, tell, and end everything."""
        self.show(Text("KTRDR demo: load bars, train on them, and follow both", style="bold"))
        self.show(f"home {self.home}")
        self.headline(1, "start the services")
        async with LocalSystem(LocalPlan(home=self.home, ports=Ports.any_free())) as system:
            for service in system.services.values():
                self.show(fact(service.name, f"{service.address:<16} pid {service.pid}"))
            self.show("  the gateway is a REPLAY of recorded history: nothing comes from a market")
            async with AsyncClient(system.operations_address) as client:
                load = await self.load(client)
                training = await self.train(client) if load.completed else None
        finished = [each for each in (load, training) if each is not None]
        for each in finished:
            if each.error is not None:
                for line in error_lines(each.error):
                    self.show(line)
        if training is not None and training.completed:
            self.summarise(load, training)
        return int(exit_code([each.operation for each in finished]))

    async def load(self, client: AsyncClient) -> FinishedOperation:
        """Load the bars through IB host and gateway."""
        self.headline(2, f"load {SYMBOL} {BAR_SIZE} bars, {START} … {END} (REPLAY)")
        return await self.follow(client, await client.create_data_load(SYMBOL, BAR_SIZE, start=START, end=END))

    async def train(self, client: AsyncClient) -> FinishedOperation:
        """Train the example strategy on them."""
        self.headline(3, f"train {STRATEGY.stem} on these bars")
        text = STRATEGY.read_text(encoding="utf-8")
        return await self.follow(client, await client.create_training(text, name=STRATEGY.stem))

    async def follow(self, client: AsyncClient, operation: Operation) -> FinishedOperation:
        """Show an operation as it goes on: live on a terminal, as lines elsewhere."""
        invocation = Invocation(server=client.address)
        printer = self.printer
        display = choose_display(printer, several=False) if printer.live else LineDisplay(self.show, prefixed=False)
        (ended,) = await follow(client, [operation], invocation, display)
        return FinishedOperation(ended)

    def summarise(self, load: FinishedOperation, training: FinishedOperation) -> None:
        """Tell what came out of it, and what to try next."""
        assert load.data_load is not None
        assert training.training is not None
        bars, result = load.data_load.loads[0], training.training
        elapsed = duration_text(timedelta(seconds=time.monotonic() - self.began))
        self.headline(4, f"done in {elapsed}; everything that was started has ended")
        period = f"{date_text(bars.range_first_bar_time)} … {date_text(bars.range_last_bar_time)}"
        _, *outcome = training_lines(result)
        for line in [fact("bars", f"{bars.range_rows:,} {SYMBOL} {BAR_SIZE}, {period}  (REPLAY)"), *outcome]:
            self.show(line)
        if result.test_accuracy <= result.majority_accuracy:
            self.show("  (no better than the largest class: it shows the system, not a way to trade)")
        command = ktrdr_command()
        self.show("\nlook around in what is left; in one terminal:")
        self.show(f"  {command} up --home {shlex.quote(str(self.home))}")
        self.show("and in another one:")
        for words in (
            "ops list",
            f"ops metrics {training.id} --plot",
            f"data show {SYMBOL} {BAR_SIZE}",
            f"train {STRATEGY.relative_to(STRATEGY.parents[2])} --set training.epochs=20",
        ):
            self.show(f"  {command} {words}")

    def headline(self, step: int, text: str) -> None:
        """Begin a step."""
        self.show(Text(f"\n{step}. {text}", style="bold"))

    def show(self, line: str | Text) -> None:
        """Print a line, at once."""
        self.printer.text(line)


def ktrdr_command() -> str:
    """Return how `ktrdr` is called from here: by its name where that is on the path, else by the path of its script."""
    script = Path(sys.executable).with_name("ktrdr")
    if shutil.which("ktrdr") or not script.exists():
        return "ktrdr"
    here = Path.cwd()
    return str(script.relative_to(here) if script.is_relative_to(here) else script)


if __name__ == "__main__":
    sys.exit(main())
