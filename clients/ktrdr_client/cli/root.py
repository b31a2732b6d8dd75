"""The tree of commands, of which only the one that is called gets imported."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from ktrdr_client.cli.catalog import COMMANDS
from ktrdr_client.cli.command import with_flags
from ktrdr_client.cli.invocation import GlobalFlags

ENTRY_POINTS: Final = "ktrdr.commands"
_FORWARD: Final = {"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}


class LazyGroup(TyperGroup):
    """The commands below `ktrdr`, imported when they are called; the help is written from the catalog."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """Return a command, imported, or as its entry of the help while that is written."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self._listing:
            return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)
        if not entry.module:
            return extension_command(cmd_name)
        app: typer.Typer = import_module(entry.module).app
        loaded = get_command(app)
        loaded.name = cmd_name
        return loaded

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing what it tells of."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; a wrong name gets suggestions from the whole catalog."""
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # only the names are looked at
        return super().resolve_command(ctx, args)


def extension_command(name: str) -> Any:
    """Return the command that installed services bring along as `name`, or the group of those named `name …`.

    Services add theirs through the entry-point group `ktrdr.commands`; the client knows none of them.
    """
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in points:
        return _forwarding(name, f"ktrdr {name}", points[name])
    group = TyperGroup(name=name, help=COMMANDS[name].help, no_args_is_help=True)
    for full_name, point in sorted(points.items()):
        noun, _, verb = full_name.partition(" ")
        if noun == name and verb:
            group.add_command(_forwarding(verb, f"ktrdr {full_name}", point))
    return group


def _forwarding(name: str, program: str, point: EntryPoint) -> TyperCommand:
    """Return a command that imports another one when it is called, and hands it all words.

    The other one reads them itself: whether it is made with typer or with click is its own affair.
    """

    def forward(ctx: typer.Context) -> None:
        point.load().main(args=ctx.args, prog_name=program)

    app = typer.Typer(add_completion=False)
    summary = f"Run the {name.replace('-', ' ')}" if program.startswith("ktrdr serve ") else COMMANDS[name].help
    app.command(name, help=summary, context_settings=_FORWARD, add_help_option=False)(forward)
    loaded = get_command(app)
    if not isinstance(loaded, TyperCommand):
        raise TypeError(name)
    loaded.name = name
    return loaded


def root_command() -> Any:
    """Return `ktrdr` itself."""
    app = typer.Typer(cls=LazyGroup, add_completion=True, no_args_is_help=True, rich_markup_mode="rich")

    def ktrdr(
        ctx: typer.Context,
        flags: GlobalFlags,
        version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    ) -> None:
        """Run, follow and steer long jobs of trading research: market-data loads and trainings, from one place."""
        ctx.obj.take(flags)
        if version:
            from ktrdr_client.cli.version import version_text

            typer.echo(version_text())
            raise typer.Exit

    app.callback(invoke_without_command=True)(with_flags(ktrdr))
    return get_command(app)
