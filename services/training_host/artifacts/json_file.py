"""JSON as it is written beside a model's weights."""

import json
import math
from pathlib import Path
from typing import Any, Final

FORMAT_VERSION: Final = 2
"""Of the files in a model's folder; counts up when a reader of older ones would misread them."""


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document with its format's version: the same document gives the same bytes.

    Args:
        path: File to write.
        document: JSON values, and tuples. Numbers that JSON does not know, such as infinity, become null.
    """
    content = {"format_version": FORMAT_VERSION, **_plain(document)}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
