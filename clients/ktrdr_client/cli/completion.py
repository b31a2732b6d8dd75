"""`ktrdr completion`."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import shell_complete

from ktrdr_client.cli.command import command
from ktrdr_client.cli.invocation import Invocation

app = typer.Typer(add_completion=False)


class Shell(StrEnum):
    """Shells that have completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@command(app, "completion")
def completion(invocation: Invocation, shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> int:  # noqa: ARG001 - every command gets it
    """Print the completion script of a shell.

    bash: eval "$(ktrdr completion bash)" in ~/.bashrc · zsh: the same in ~/.zshrc ·
    fish: ktrdr completion fish > ~/.config/fish/completions/ktrdr.fish
    """
    from ktrdr_client.cli.root import root_command

    return shell_complete(root_command(), {}, "ktrdr", "_KTRDR_COMPLETE", f"source_{shell}")
