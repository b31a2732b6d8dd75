"""All rules, told apart by their action."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from services.ib_host.replay.faults.access import CompetingSessionRule, PermissionRule
from services.ib_host.replay.faults.answers import DelayRule, ErrorRule, InfoRule, LateRule, PacingRule, SilentRule
from services.ib_host.replay.faults.bars import BarsRule
from services.ib_host.replay.faults.client_ids import ZombieClientIdRule
from services.ib_host.replay.faults.closing import AbortRule, CutRule, DisconnectRule
from services.ib_host.replay.faults.drip import DripRule
from services.ib_host.replay.faults.links import ConnectivityRule, FarmRule
from services.ib_host.replay.faults.malformed import MalformedRule
from services.ib_host.replay.faults.padding import PadRule
from services.ib_host.replay.faults.prices import CorrectionRule, SplitRule
from services.ib_host.replay.faults.restarts import NightlyResetRule, RestartRule
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.slow import SlowRule

Rule = Annotated[
    ErrorRule
    | SilentRule
    | DelayRule
    | LateRule
    | SlowRule
    | PacingRule
    | InfoRule
    | PermissionRule
    | DisconnectRule
    | AbortRule
    | CutRule
    | DripRule
    | PadRule
    | MalformedRule
    | BarsRule
    | ConnectivityRule
    | FarmRule
    | CompetingSessionRule
    | RestartRule
    | NightlyResetRule
    | SplitRule
    | CorrectionRule
    | ZombieClientIdRule,
    Field(discriminator="action"),
]
"""Any rule."""

_RULE: TypeAdapter[FaultRule] = TypeAdapter(Rule)
_EXTRA = "extra_forbidden"


class RuleError(Exception):
    """A table describes no rule.

    Args:
        text: what is wrong, with the key.
        key: the key that is wrong; empty where it is the whole table.
    """

    def __init__(self, text: str, key: str) -> None:
        super().__init__(text)
        self.key = key


def actions() -> tuple[str, ...]:
    """Return the names of all actions, in alphabetical order."""
    return tuple(sorted(_RULE.json_schema()["discriminator"]["mapping"]))


def parse_rule(table: Mapping[str, Any]) -> FaultRule:
    """Return the rule that a table describes, with its keys as TOML has them.

    Raises:
        RuleError: it describes none.
    """
    try:
        return _RULE.validate_python(dict(table))
    except ValidationError as error:
        text, key = complaint(error, action=table.get("action"))
        raise RuleError(text, key) from error


def complaint(error: ValidationError, *, action: object = None) -> tuple[str, str]:
    """Return the first thing that is wrong, and the key that it is about.

    Args:
        error: about a table.
        action: of the table, where it is a rule: places of errors begin with it then.
    """
    [first, *_] = error.errors()
    path = [str(part) for part in first["loc"] if isinstance(part, str)]
    if path[:1] == [action]:
        del path[0]
    key = path[0] if path else ""
    if first["type"] == _EXTRA:
        return f"the key {first['loc'][-1]} has no meaning here", str(first["loc"][-1])
    if first["type"] == "missing":
        return f"the key {key} is missing", ""
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return f"the key action must be one of {', '.join(actions())}", "action"
    text = first["msg"].removeprefix("Value error, ")
    shown = isinstance(first["input"], str | int | float) and key
    return (f"{key} = {first['input']!r}: {text}" if shown else text), key
