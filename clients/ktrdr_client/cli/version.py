"""`ktrdr version`."""

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

from ktrdr_client.cli.command import command
from ktrdr_client.cli.invocation import Invocation, OutputFormat

app = typer.Typer(add_completion=False)


@command(app, "version")
def show(invocation: Invocation) -> None:
    """Show the version of this client and of what it runs on."""
    if invocation.output is OutputFormat.TABLE:
        typer.echo(version_text())
        return
    from ktrdr_client.cli.printer import Printer

    parts = {"ktrdr": _version("ktrdr"), "python": platform.python_version()}
    Printer(invocation).json({**parts, **{name: _version(name) for name in ("grpcio", "protobuf")}})


def version_text() -> str:
    """Return the line that tells all versions."""
    libraries = ", ".join(f"{name} {_version(name)}" for name in ("grpcio", "protobuf"))
    return f"ktrdr {_version('ktrdr')} (Python {platform.python_version()}, {libraries})"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
