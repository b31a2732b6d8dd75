"""Reading rules from a TOML file."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from services.ib_host.replay.faults.answers import DelayRule, ErrorRule, LateRule, PacingRule, SilentRule
from services.ib_host.replay.faults.bars import BarsRule
from services.ib_host.replay.faults.client_ids import ZombieClientIdRule
from services.ib_host.replay.faults.closing import AbortRule, CutRule, DisconnectRule
from services.ib_host.replay.faults.drip import DripRule
from services.ib_host.replay.faults.links import ConnectivityRule, FarmRule
from services.ib_host.replay.faults.malformed import MalformedRule
from services.ib_host.replay.faults.messages import message_id
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults

Rule = Annotated[
    ErrorRule
    | SilentRule
    | DelayRule
    | LateRule
    | PacingRule
    | DisconnectRule
    | AbortRule
    | CutRule
    | DripRule
    | MalformedRule
    | BarsRule
    | ConnectivityRule
    | FarmRule
    | ZombieClientIdRule,
    Field(discriminator="action"),
]
"""Any rule, told apart by its action."""

_RULE: TypeAdapter[FaultRule] = TypeAdapter(Rule)
_EXTRA = "extra_forbidden"


class FaultFileError(Exception):
    """A file of fault rules can't be used; the message names the file, the rule and the key."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = 0
    mute: list[Annotated[int, BeforeValidator(message_id)]] = Field(default_factory=list)
    rule: list[dict[str, Any]] = Field(default_factory=list)


def read_faults(path: Path) -> Faults:
    """Read and check a file of rules.

    Args:
        path: a TOML file with `seed`, `mute` and tables `[[rule]]`.

    Raises:
        FaultFileError: it can't be read, or something in it has no meaning.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        raise FaultFileError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is no TOML: {error}"
        raise FaultFileError(message) from error
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        message = f"{path}: {_complaint(error)}"
        raise FaultFileError(message) from error
    rules: list[FaultRule] = [SilentRule(on=muted, name="mute") for muted in file.mute]
    return Faults([*rules, *_rules(path, file.rule)], seed=file.seed)


def _rules(path: Path, tables: Sequence[dict[str, Any]]) -> list[FaultRule]:
    rules = []
    for number, table in enumerate(tables, 1):
        label = f"rule {number}"
        if isinstance(table.get("name"), str) and table["name"]:
            label += f" ({table['name']})"
        try:
            rule = _RULE.validate_python(table)
        except ValidationError as error:
            message = f"{path}: {label}: {_complaint(error)}"
            raise FaultFileError(message) from error
        rules.append(rule if rule.name else rule.model_copy(update={"name": f"rule {number}"}))
    return rules


def _complaint(error: ValidationError) -> str:
    """Say the first thing that is wrong, with the key it is about."""
    [first, *_] = error.errors()
    key = ".".join(str(part) for part in first["loc"][-1:])
    if first["type"] == _EXTRA:
        return f"the key {key} has no meaning here"
    if first["type"] == "missing":
        return f"the key {key} is missing"
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return f"the key action must be one of {', '.join(sorted(_RULE.json_schema()['discriminator']['mapping']))}"
    text = first["msg"].removeprefix("Value error, ")
    return f"{key} = {first['input']!r}: {text}" if isinstance(first["input"], str | int | float) else text
