"""Every fault by name, each with an example: for `--fault`, for the documentation, and for tests that try all."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.ib_host.replay.faults.catalogued import Effect
from services.ib_host.replay.faults.catalogued_answers import ANSWERS, DAMAGE
from services.ib_host.replay.faults.catalogued_troubles import CONNECTING, TROUBLES
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rules import RuleError, parse_rule


@dataclass(frozen=True, slots=True)
class CataloguedFault:
    """One fault.

    Attributes:
        name: what it is called.
        description: a sentence about it.
        effect: what a client can end up with.
        text: its example: a complete file of rules.
        table: the rule of the example, with its keys as TOML has them.
    """

    name: str
    description: str
    effect: Effect
    text: str
    table: Mapping[str, object]


def fault_names(effect: Effect | None = None) -> tuple[str, ...]:
    """Return the names of all faults, or of those with an effect, in alphabetical order."""
    return tuple(name for name, fault in sorted(_CATALOGUE.items()) if effect in {None, fault.effect})


def describe(name: str) -> CataloguedFault:
    """Return a fault of the catalogue.

    Raises:
        KeyError: there is none of this name.
    """
    return _CATALOGUE[name]


def fault(name: str, /, **changes: object) -> FaultRule:
    """Return the rule of a fault's example, with other values for some keys.

    Args:
        name: one of `fault_names`.
        changes: values by key, as TOML has them; None takes the key away.

    Raises:
        KeyError: there is no fault of this name.
        RuleError: the changes make no rule.
    """
    table = {"name": name, **_CATALOGUE[name].table, **changes}
    return parse_rule({key: value for key, value in table.items() if value is not None})


def parse_fault(text: str) -> FaultRule:
    """Return the rule that `NAME` or `NAME:key=value,key=value` stands for; an empty value takes the key away.

    A semicolon does as well as a comma, which ends a rule in variables of the environment.

    Raises:
        RuleError: there is no such fault, or the values make no rule.
    """
    name, _, values = text.partition(":")
    if name not in _CATALOGUE:
        meant = difflib.get_close_matches(name, _CATALOGUE, n=1)
        advice = f"did you mean {meant[0]}?" if meant else f"use one of {', '.join(fault_names())}."
        message = f"there is no fault {name!r}: {advice}"
        raise RuleError(message, "")
    changes: dict[str, object] = {}
    for part in filter(None, re.split("[,;]", values)):
        key, equals, value = part.partition("=")
        if not equals:
            message = f"{part!r} should be key=value, as in {name}:times=1"
            raise RuleError(message, "")
        changes[key.strip()] = _value(value.strip())
    return fault(name, **changes)


def _value(text: str) -> object:
    if not text:
        return None
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value


def _catalogued(name: str, effect: Effect, description: str, table: Mapping[str, object]) -> CataloguedFault:
    lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
    return CataloguedFault(name, description, effect, "\n".join([f"# {description}", "[[rule]]", *lines, ""]), table)


def _toml(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


_CATALOGUE = {entry[0]: _catalogued(*entry) for entry in (*ANSWERS, *DAMAGE, *TROUBLES, *CONNECTING)}
