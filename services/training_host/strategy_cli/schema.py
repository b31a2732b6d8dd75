"""`ktrdr strategy schema`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from services.training_host.strategy.schema import strategy_schema
from services.training_host.strategy_cli.write import write_text


def schema(
    output_file: Annotated[
        Path | None, typer.Option("--output-file", metavar="FILE", help="File to write; otherwise it is printed.")
    ] = None,
) -> None:
    """Print the JSON Schema of strategies, with which editors complete and check them.

    Editors with the YAML language server take it from the first line of a strategy:
    "# yaml-language-server: $schema=strategy.schema.json".
    """
    text = json.dumps(strategy_schema(), indent=2, ensure_ascii=False) + "\n"
    if output_file is None:
        typer.echo(text, nl=False)
        return
    write_text(output_file, text, replace=True)
    typer.echo(
        f"{output_file} is written. A strategy beside it begins with:\n"
        f"# yaml-language-server: $schema={output_file.name}",
        err=True,
    )
