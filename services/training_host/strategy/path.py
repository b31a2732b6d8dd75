"""Paths to values inside a document."""

from collections.abc import Sequence
from typing import Any

Step = str | int
Path = tuple[Step, ...]
"""Keys and list positions from the root of a document down to a value."""


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


def path_in_document(document: Any, location: Sequence[Step]) -> Path:
    """Turn the location in a validation error into a path that exists in the document.

    Validation of tagged unions reports the tag as a step of its own, which the document does not have: such steps are
    left out. The last step stays when it names a missing key of a mapping.
    """
    node = document
    path: list[Step] = []
    for position, step in enumerate(location):
        last = position == len(location) - 1
        if isinstance(node, dict):
            if step in node:
                path.append(step)
                node = node[step]
            elif last and step not in node.values():
                path.append(step)
        elif isinstance(node, list) and isinstance(step, int):
            path.append(step)
            node = node[step] if step < len(node) else None
    return tuple(path)
