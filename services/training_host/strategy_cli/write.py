"""Write a file that somebody asked for."""

from pathlib import Path

import typer

REFUSED = 1
"""Exit code where a file is not written."""


def write_text(file: Path, text: str, *, replace: bool) -> None:
    """Write a text file.

    Args:
        file: The file.
        text: Its content.
        replace: Overwrite a file that is there.

    Raises:
        typer.Exit: It is there and must stay, or cannot be written; the reason is printed.
    """
    if file.is_dir():
        typer.echo(f"{file} is a folder; name a file in it.", err=True)
        raise typer.Exit(REFUSED)
    try:
        with file.open("w" if replace else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        typer.echo(f"{file} exists already; --force overwrites it.", err=True)
        raise typer.Exit(REFUSED) from None
    except OSError as error:
        typer.echo(f"{file} cannot be written: {error.strerror}.", err=True)
        raise typer.Exit(REFUSED) from None
