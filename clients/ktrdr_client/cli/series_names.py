"""The flag that chooses series."""

from collections.abc import Sequence
from typing import Annotated

import typer

Series = Annotated[
    list[str] | None, typer.Option("--series", metavar="NAME", help="Only this series; may be repeated.")
]


def chosen_series(words: Sequence[str] | None) -> list[str]:
    """Return the names of series; several may be given in one word, with commas between them."""
    return [name.strip() for word in words or [] for name in word.split(",") if name.strip()]
