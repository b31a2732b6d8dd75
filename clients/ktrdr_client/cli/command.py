"""Define a command of `ktrdr`: the global flags work before and behind it, and it may be a coroutine."""

import asyncio
import inspect
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from typer.models import OptionInfo

from ktrdr_client.cli.invocation import CommandLine, GlobalFlags, Interrupted, OutputFormat, make_invocation
from ktrdr_client.times import parse_duration

_PANEL: Final = "Global options"


def parse_timeout(text: str) -> timedelta:
    """Return the duration that a flag names; a wrong one is wrong usage."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _flags(
    server: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Operations service (KTRDR_SERVER).", rich_help_panel=_PANEL),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration file (KTRDR_CONFIG).", rich_help_panel=_PANEL)
    ] = None,
    output: Annotated[
        OutputFormat | None, typer.Option("--output", "-o", help="How data is printed.", rich_help_panel=_PANEL)
    ] = None,
    quiet: Annotated[
        bool | None, typer.Option("--quiet", "-q", help="No progress, no messages.", rich_help_panel=_PANEL)
    ] = None,
    no_color: Annotated[
        bool | None, typer.Option("--no-color", help="No colours (NO_COLOR).", rich_help_panel=_PANEL)
    ] = None,
    timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_timeout, metavar="TIME", help="Longest time to wait: 90s, 5m.", rich_help_panel=_PANEL
        ),
    ] = None,
) -> GlobalFlags:
    """Take the global flags; its signature is where they are defined."""
    return GlobalFlags(server=server, config=config, output=output, quiet=quiet, no_color=no_color, timeout=timeout)


GLOBAL_PARAMETERS: Final = tuple(inspect.signature(_flags).parameters.values())
_CONTEXT: Final = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def with_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function(ctx, flags, **own)` as a callback that typer gives the global flags and the function's own."""
    own = list(inspect.signature(function).parameters.values())[2:]
    parameters = [_CONTEXT, *(_keyword(each) for each in [*own, *GLOBAL_PARAMETERS])]

    def callback(ctx: typer.Context, **values: Any) -> Any:
        flags = _flags(**{each.name: values.pop(each.name) for each in GLOBAL_PARAMETERS})
        return function(ctx, flags, **values)

    _take_signature(callback, parameters, function)
    return callback


def command(app: typer.Typer, name: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds `function(invocation, **own)` to an app.

    What the function returns is the exit code of the process; None is success.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        app.command(name, **settings)(_callback(function))
        return function

    return register


def default_command(app: typer.Typer, function: Callable[..., Any]) -> None:
    """Run `function(invocation)` when the app is called without the name of a command."""

    def callback(ctx: typer.Context, flags: GlobalFlags) -> Any:
        if ctx.invoked_subcommand is None:
            return _execute(function, ctx, flags, {})
        ctx.obj.take(flags)
        return None

    app.callback(invoke_without_command=True)(with_flags(callback))


def _callback(function: Callable[..., Any]) -> Callable[..., Any]:
    own = list(inspect.signature(function).parameters.values())[1:]

    def taken(ctx: typer.Context, flags: GlobalFlags, **values: Any) -> Any:
        return _execute(function, ctx, flags, values)

    leading = list(inspect.signature(taken).parameters.values())[:2]
    _take_signature(taken, [*leading, *own], function)
    return with_flags(taken)


def _execute(function: Callable[..., Any], ctx: typer.Context, flags: GlobalFlags, values: dict[str, Any]) -> Any:
    line: CommandLine = ctx.obj
    line.take(flags)
    line.invocation = make_invocation(line.flags, line.environment)
    try:
        outcome = function(line.invocation, **values)
        return asyncio.run(outcome) if inspect.iscoroutine(outcome) else outcome
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted from None


def _keyword(parameter: inspect.Parameter) -> inspect.Parameter:
    kind, *notes = get_args(parameter.annotation) or (parameter.annotation,)
    for note in notes:
        if kind in (bool, bool | None) and isinstance(note, OptionInfo):
            note.metavar = ""  # a switch takes no value: typer's help would show <bool>
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _take_signature(target: Any, parameters: list[inspect.Parameter], source: Callable[..., Any]) -> None:
    target.__signature__ = inspect.Signature(parameters)
    target.__annotations__ = {each.name: each.annotation for each in parameters}
    target.__doc__ = source.__doc__
    target.__name__ = source.__name__
