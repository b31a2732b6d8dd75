"""The tree of commands, of which only the one that is called gets imported."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from ktrdr_client.cli.catalog import COMMANDS, SERVICES
from ktrdr_client.cli.command import with_flags
from ktrdr_client.cli.invocation import GlobalFlags, UsageProblem
from ktrdr_client.cli.lazy_group import LazyCommand, LazyGroup

ENTRY_POINTS: Final = "ktrdr.commands"


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
    root = get_command(app)
    if isinstance(root, LazyGroup):
        root.lazy = {name: LazyCommand(entry.help, _loader(name), entry.panel) for name, entry in COMMANDS.items()}
    return root


def _loader(name: str) -> Callable[[], Any]:
    module = COMMANDS[name].module
    if module:
        return lambda: import_module(module).app
    return lambda: extension_command(name)


def extension_command(name: str) -> Any:
    """Return the command that installed services bring along as `name`, or the group of those named `name …`.

    Services add theirs through the entry-point group `ktrdr.commands`; the client knows none of them.

    Raises:
        UsageProblem: No installed service has such a command.
    """
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in points:
        return _load(points[name])
    group = LazyGroup(name=name, help=COMMANDS[name].help, no_args_is_help=True)
    for full_name, point in sorted(points.items()):
        noun, _, verb = full_name.partition(" ")
        if noun == name and verb:
            group.lazy[verb] = LazyCommand(_summary(noun, verb), _point_loader(point))
    if not group.lazy:
        message = f"ktrdr {name} comes with the services, which are not installed here"
        raise UsageProblem(message)
    return group


def _summary(noun: str, verb: str) -> str:
    return SERVICES.get(verb, f"{noun} {verb}")


def _point_loader(point: EntryPoint) -> Callable[[], Any]:
    return lambda: _load(point)


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ModuleNotFoundError as error:
        extra = "ib" if ".ib_host" in point.value else "training" if ".training_host" in point.value else ""
        hint = f"; install it with: pip install 'ktrdr[{extra}]'" if extra else ""
        message = f"ktrdr {point.name} needs the library {error.name}, which is not installed{hint}"
        raise UsageProblem(message) from error
    except ImportError as error:
        message = f"ktrdr {point.name} can't start: {error}"
        raise UsageProblem(message) from error
