"""YAML text to plain values, keeping where each key and value stands."""

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError

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


class _Constructor(RoundTripConstructor):
    """Reads dates as the text that they are: a wrong one is named by its key, and not by the parser."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_scalar)


def _too_deep_at(text: str) -> int | None:
    """Return where too many brackets are open, quotes and comments not considered; None if that is nowhere."""
    depths = accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0) for character in text)
    return next((index for index, depth in enumerate(depths) if depth > MAX_OPEN_BRACKETS), None)


def _load(text: str) -> Any:
    if len(text.encode()) > MAX_TEXT_BYTES:
        allowed = text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
        raise StrategyInvalid([_fault_at(text, len(allowed), f"longer than {MAX_TEXT_BYTES // 1024} KiB")])
    too_deep = f"nested deeper than {MAX_DEPTH} levels"
    if (index := _too_deep_at(text)) is not None:
        raise StrategyInvalid([_fault_at(text, index, too_deep)])
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or "cannot be read").split("\n", maxsplit=1)[0]
        index = mark.index if mark else 0
        raise StrategyInvalid([_fault_at(text, index, f"not valid YAML: {problem}")]) from None
    except RecursionError:
        raise StrategyInvalid([_fault_at(text, 0, too_deep)]) from None
    except Exception as error:  # besides its own errors the parser raises many others over what is no YAML
        index = getattr(error, "position", 0)  # of a character that YAML does not allow
        reason = (getattr(error, "reason", "") or str(error) or "cannot be read").splitlines()[0]
        raise StrategyInvalid([_fault_at(text, index, f"not valid YAML: {reason}")]) from None


def _fault_at(text: str, index: int, description: str) -> Fault:
    before = text[:index].split("\n")
    return Fault("", description, len(before), len(before[-1]) + 1)


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
        if isinstance(node, CommentedMap | CommentedSeq) and node.tag.value is not None:
            self.faults.append(self._document.fault(path, f'the tag "{node.tag.value}" is not read; leave it out'))
            return None
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
        self.faults.append(self._document.fault(path, "only text, numbers, true/false, lists and mappings are allowed"))
        return None
