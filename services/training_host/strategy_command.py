"""`ktrdr strategy`: what can be done with a strategy without starting anything."""

import typer

from services.training_host.strategy_cli.check import check
from services.training_host.strategy_cli.indicators import indicators
from services.training_host.strategy_cli.init import init
from services.training_host.strategy_cli.schema import schema

application = typer.Typer(help="Write and check strategies.", no_args_is_help=True, add_completion=False)


@application.callback()
def strategy() -> None:
    """Write and check strategies: none of this starts anything."""


application.command()(check)
application.command()(init)
application.command()(indicators)
application.command()(schema)

command = typer.main.get_command(application)
