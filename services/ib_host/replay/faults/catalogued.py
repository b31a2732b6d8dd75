"""What the catalogue of faults knows about each."""

from collections.abc import Mapping
from typing import Literal

Effect = Literal["passing", "refusing", "altering"]
"""What a client can end up with that does everything right.

`passing`: all bars, once it asks again. `refusing`: no bars, and a reason. `altering`: it is told well-formed things
that are not, or no longer, so: only a comparison can tell.
"""

Entry = tuple[str, Effect, str, Mapping[str, object]]
"""A fault's name, its effect, a sentence about it, and the keys of its rule."""
