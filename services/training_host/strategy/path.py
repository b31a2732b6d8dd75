"""Paths to values inside a document."""

from collections.abc import Sequence
from typing import Any

Step = str | int
Path = tuple[Step, ...]
"""Keys and list positions from the root of a document down to a value."""

Finding = tuple[Path, str]
"""Something wrong at a path: what it is, and what would be right."""


def path_text(path: Sequence[Step]) -> str:
    """Write a path the way people do: `nn_inputs[0].timeframes`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def value_at(document: Any, path: Sequence[Step]) -> Any:
    """Return the value at a path, or None when there is none."""
    node = document
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node):
            node = node[step]
        else:
            return None
    return node
