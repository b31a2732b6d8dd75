"""A group whose commands are imported when they are called, and listed without importing them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

_FORWARD: Final = {"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}


@dataclass(frozen=True)
class LazyCommand:
    """One entry of the group."""

    help: str
    load: Callable[[], Any]
    """Imports the command: a typer app, or a command object made with typer or click."""
    panel: str | None = None


class LazyGroup(TyperGroup):
    """A group of `LazyCommand`s; fill `lazy` after it is made."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lazy: dict[str, LazyCommand] = {}
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names."""
        return list(self.lazy)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """Return a command; only its entry in the help while that is written."""
        entry = self.lazy.get(cmd_name)
        if entry is None:
            return None
        if self._listing:
            return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)
        return as_command(cmd_name, entry.load())

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing what it tells of."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the names, again without importing anything."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; a wrong name gets suggestions."""
        self.commands = dict.fromkeys(self.lazy)  # type: ignore[assignment]  # only the names are looked at
        return super().resolve_command(ctx, args)


def as_command(name: str, loaded: Any) -> Any:
    """Return what was loaded as a command of this name.

    A command that another library than typer made reads its own words: it is called with all of them.
    """
    if isinstance(loaded, typer.Typer):
        loaded = get_command(loaded)
    if isinstance(loaded, TyperCommand | TyperGroup):
        loaded.name = name
        return loaded

    def forward(ctx: typer.Context) -> None:
        loaded.main(args=ctx.args, prog_name=ctx.command_path)

    app = typer.Typer(add_completion=False)
    app.command(name, context_settings=_FORWARD, add_help_option=False)(forward)
    return get_command(app)
