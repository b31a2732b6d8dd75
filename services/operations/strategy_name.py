"""The name of a strategy, read from its text.

Strategies are YAML, and hosts alone read all of it; lists and filters only need the name at the top level. That is one
line in every strategy that people write, so that no YAML library is needed here.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from ktrdr.training.v1.training_pb2 import TrainingSpec

_KEY: Final = "name"
_LONGEST: Final = 200
_LINE: Final = re.compile(
    r"""^(?:name|"name"|'name')[ \t]*:(?:[ \t]+(?P<value>[^\r\n]*))?\r?$""",
    re.MULTILINE,
)
_DOUBLE_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SINGLE_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'")
_COMMENT: Final = re.compile(r"(?:^|[ \t])#.*$")
_BLOCK_OR_REFERENCE: Final = "|>&*!{["


def strategy_name(spec: TrainingSpec) -> str:
    """Return the name of a training's strategy, or "" where none can be told."""
    return _scalar(spec.overrides[_KEY]) if _KEY in spec.overrides else _name_in(spec.strategy)


def _name_in(text: str) -> str:
    if text.lstrip().startswith("{"):
        return _name_in_json(text)
    line = _LINE.search(text)
    return _scalar(line["value"] or "") if line else ""


def _name_in_json(text: str) -> str:
    """Return the name in a strategy that is written as JSON, which is YAML too."""
    try:
        document = json.loads(text)
    except ValueError:
        return ""
    name = document.get(_KEY) if isinstance(document, Mapping) else None
    return _shown(name) if isinstance(name, str) else ""


def _scalar(text: str) -> str:
    """Return what a one-line YAML scalar stands for; "" for what is not one, or stands for nothing."""
    value = text.strip()
    if quoted := _DOUBLE_QUOTED.match(value):
        try:
            return _shown(json.loads(quoted[0]))
        except ValueError:
            return ""  # an escape that YAML has and JSON has not
    if quoted := _SINGLE_QUOTED.match(value):
        return _shown(quoted[1].replace("''", "'"))
    if value.startswith(tuple(_BLOCK_OR_REFERENCE)):
        return ""
    return _shown(_COMMENT.sub("", value).strip())


def _shown(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:_LONGEST]
