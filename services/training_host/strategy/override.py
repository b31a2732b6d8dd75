"""Changes to a strategy by dotted path, as `ktrdr train --set KEY=VALUE` sends them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.path import Path, Step, path_text, value_at
from services.training_host.strategy.source import Document, parse_value

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Take `KEY=VALUE` apart, as the command line has it.

    Raises:
        StrategyInvalid: One has no `=`, or a key is there twice.
    """
    overrides: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise StrategyInvalid([Fault(assignment, "override: write it as KEY=VALUE, such as training.epochs=20")])
        if key.strip() in overrides:
            raise StrategyInvalid([Fault(key.strip(), "override: is there twice")])
        overrides[key.strip()] = value
    return overrides


def apply_overrides(document: Document, overrides: Mapping[str, str]) -> None:
    """Set values in a document, in the order of their paths.

    A key that the document lacks is added (checking tells whether it is allowed there); what a new value replaces
    loses its place in the text. An empty value takes a key away.

    Args:
        document: Changed in place.
        overrides: Dotted path (`training.epochs`, `nn_inputs[0].timeframes`) to YAML value, or to nothing.

    Raises:
        StrategyInvalid: A path cannot be followed or a value is not YAML.
    """
    faults: list[Fault] = []
    for text in sorted(overrides):
        try:
            if overrides[text].strip():
                _set(document, _path(text), parse_value(overrides[text]))
            else:
                _remove(document, _path(text))
        except StrategyInvalid as error:
            faults += [Fault(text, f"override: {fault.description}") for fault in error.faults]
    if faults:
        raise StrategyInvalid(faults)


def _path(text: str) -> Path:
    steps: list[Step] = [int(step[1:-1]) if step.startswith("[") else step for step in _STEP.findall(text)]
    if not steps or path_text(steps) != text or isinstance(steps[0], int):
        raise StrategyInvalid([Fault(text, "not a path; write it like training.epochs or nn_inputs[0].timeframes")])
    return tuple(steps)


def _set(document: Document, path: Path, value: Any) -> None:
    holder: Any = document.values
    for length, step in enumerate(path[:-1], start=1):
        below = value_at(holder, (step,))
        if below is None and isinstance(holder, dict) and isinstance(step, str):
            below = holder[step] = {}
        if not isinstance(below, dict | list):
            missing = "is not there" if below is None else "is not a mapping or list"
            raise StrategyInvalid([Fault("", f"{path_text(path[:length])} {missing}")])
        holder = below
    last = path[-1]
    in_mapping = isinstance(holder, dict) and isinstance(last, str)
    in_list = isinstance(holder, list) and isinstance(last, int) and last < len(holder)
    if not (in_mapping or in_list):
        raise StrategyInvalid([Fault("", f"{path_text(path[:-1])} has no {path_text(path[-1:])}")])
    holder[last] = value
    _forget_place(document, path)


def _remove(document: Document, path: Path) -> None:
    holder: Any = value_at(document.values, path[:-1])
    if isinstance(holder, list):
        message = "an element of a list cannot be taken away, because the others would move; write the whole list"
        raise StrategyInvalid([Fault("", message)])
    if not isinstance(holder, dict) or path[-1] not in holder:
        raise StrategyInvalid([Fault("", "is not there, and cannot be taken away")])
    del holder[path[-1]]
    _forget_place(document, path)


def _forget_place(document: Document, path: Path) -> None:
    for known in [known for known in document.keys if known[: len(path)] == path]:
        del document.keys[known]
    document.overridden.add(path)
