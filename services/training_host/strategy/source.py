"""YAML text to plain values, keeping where each key and value stands."""

import datetime as dt
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.path import Path, path_text

MAX_TEXT_BYTES = 32 * 1024
"""Strategies are a page or two; parsing is slow in proportion, so anything much longer is refused."""
MAX_VALUES = 5_000
"""Bounds what aliases can blow a small text up to."""
MAX_DEPTH = 12
MAX_OPEN_BRACKETS = 100
"""More than that are no strategy, and the parser takes seconds over thousands of them."""


@dataclass
class Document:
    """A YAML text as plain dicts, lists and scalars.

    Attributes:
        values: The root mapping.
        keys: Line and column (from 1) of each key, or of each element of a list; of the root, where it begins.
        overridden: Paths whose values did not come from the text.
    """

    values: dict[str, Any] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    overridden: set[Path] = field(default_factory=set)

    def fault(self, path: Path, description: str) -> Fault:
        """Make a fault for a path; a missing key is placed at the nearest key above it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.overridden:
                return Fault(path_text(path), f"{description} (set by an override)")
            if path[:length] in self.keys:
                line, column = self.keys[path[:length]]
                return Fault(path_text(path), description, line, column)
        return Fault(path_text(path), description)


def parse(text: str) -> Document:
    """Read the YAML text of a strategy.

    Args:
        text: YAML 1.2; one document whose root is a mapping with text keys.

    Returns:
        The values and their places.

    Raises:
        StrategyInvalid: The text is not YAML, not a mapping, has a key twice, or is too long or too deep.
    """
    root = _load(text)
    if not isinstance(root, CommentedMap):
        raise StrategyInvalid([Fault("", "a strategy is a mapping of keys (name, version, training_data, …)", 1, 1)])
    document = Document()
    document.keys[()] = (root.lc.line + 1, root.lc.col + 1)
    reader = _Reader(document)
    document.values = reader.mapping(root, ())
    if reader.faults:
        raise StrategyInvalid(reader.faults)
    return document


def parse_value(text: str) -> Any:
    """Read one YAML value, as given to an override.

    Raises:
        StrategyInvalid: The text is not YAML.
    """
    reader = _Reader(Document())
    value = reader.value(_load(text), ())
    if reader.faults:
        raise StrategyInvalid(reader.faults)
    return value


def _open_brackets(text: str) -> int:
    """Return how many brackets are open at most, quotes and comments not considered."""
    return max(accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0) for character in text), default=0)


def _load(text: str) -> Any:
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise StrategyInvalid([Fault("", f"longer than {MAX_TEXT_BYTES // 1024} KiB")])
    if _open_brackets(text) > MAX_OPEN_BRACKETS:
        raise StrategyInvalid([Fault("", f"nested deeper than {MAX_DEPTH} levels")])
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = (error.problem or "cannot be read").split("\n", maxsplit=1)[0]
        raise StrategyInvalid([Fault("", f"not valid YAML: {problem}", line, column)]) from None
    except (YAMLError, ValueError) as error:
        raise StrategyInvalid([Fault("", f"not valid YAML: {str(error).splitlines()[0]}")]) from None
    except RecursionError:
        raise StrategyInvalid([Fault("", f"nested deeper than {MAX_DEPTH} levels")]) from None


class _Reader:
    """Copies ruamel's containers to plain ones."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self.faults: list[Fault] = []

    def mapping(self, node: CommentedMap, path: Path) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, value in node.items():
            name = key if isinstance(key, str) else str(key)
            below = (*path, name)
            if key in (node.lc.data or {}):  # a key merged from elsewhere (<<) has no place of its own
                line, column = node.lc.key(key)
                self._document.keys[below] = (line + 1, column + 1)
            if not isinstance(key, str):
                self.faults.append(self._document.fault(below, "keys are text: put it in quotes"))
                continue
            plain[name] = self.value(value, below)
        return plain

    def value(self, node: Any, path: Path) -> Any:
        self._values += 1
        if len(path) > MAX_DEPTH or self._values > MAX_VALUES:
            too_much = f"more than {MAX_VALUES} values or {MAX_DEPTH} levels"
            raise StrategyInvalid([self._document.fault(path, too_much)])
        if isinstance(node, CommentedMap):
            return self.mapping(node, path)
        if isinstance(node, CommentedSeq):
            return [self._element(node, index, path) for index in range(len(node))]
        return self._scalar(node, path)

    def _element(self, node: CommentedSeq, index: int, path: Path) -> Any:
        line, column = node.lc.item(index)
        self._document.keys[(*path, index)] = (line + 1, column + 1)
        return self.value(node[index], (*path, index))

    def _scalar(self, node: Any, path: Path) -> Any:
        if node is None or isinstance(node, bool):
            return node
        # ruamel's own scalars remember how they were written; they derive from the plain ones.
        for plain in (str, int, float):
            if isinstance(node, plain):
                return plain(node)
        if isinstance(node, dt.datetime):
            return node.isoformat()
        if isinstance(node, dt.date):
            return node.isoformat()
        self.faults.append(self._document.fault(path, "only text, numbers, true/false, lists and mappings are allowed"))
        return None
