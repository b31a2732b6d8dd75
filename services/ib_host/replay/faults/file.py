"""Reading rules from a TOML file."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.ib_host.replay.faults.answers import SilentRule
from services.ib_host.replay.faults.messages import message_id
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.faults.rules import RuleError, complaint, parse_rule

_HEADER = re.compile(r"\s*\[\[\s*rule\s*\]\]")


class FaultFileError(Exception):
    """A file of fault rules can't be used; the message names the file, the line, the rule and the key."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = 0
    mute: list[Annotated[int, BeforeValidator(message_id)]] = Field(default_factory=list)
    rule: list[dict[str, Any]] = Field(default_factory=list)


def read_faults(path: Path, *, more: Sequence[FaultRule] = (), seed: int | None = None) -> Faults:
    """Read and check a file of rules.

    Args:
        path: a TOML file with `seed`, `mute` and tables `[[rule]]`.
        more: further rules, which go before those of the file.
        seed: replaces that of the file.

    Raises:
        FaultFileError: it can't be read, or something in it has no meaning.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        raise FaultFileError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is no TOML: {error}"
        raise FaultFileError(message) from error
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        cause, key = complaint(error)
        message = f"{_place(path, text, None, key)}: {cause}"
        raise FaultFileError(message) from error
    rules: list[FaultRule] = [SilentRule(on=muted, name="mute") for muted in file.mute]
    return Faults([*more, *rules, *_rules(path, text, file.rule)], seed=file.seed if seed is None else seed)


def _rules(path: Path, text: str, tables: Sequence[dict[str, Any]]) -> list[FaultRule]:
    rules = []
    for number, table in enumerate(tables, 1):
        label = f"rule {number}"
        if isinstance(table.get("name"), str) and table["name"]:
            label += f" ({table['name']})"
        try:
            rule = parse_rule(table)
        except RuleError as error:
            message = f"{_place(path, text, number, error.key)}: {label}: {error}"
            raise FaultFileError(message) from error
        rules.append(rule if rule.name else rule.model_copy(update={"name": f"rule {number}"}))
    return rules


def _place(path: Path, text: str, number: int | None, key: str) -> str:
    """Return file and line of a key, or of the header of its rule; the file alone where neither is found."""
    lines = text.splitlines()
    headers = [at for at, line in enumerate(lines) if _HEADER.match(line)]
    if number is None:
        begin, end = 0, headers[0] if headers else len(lines)
    elif number <= len(headers):
        begin, end = headers[number - 1], headers[number] if number < len(headers) else len(lines)
    else:
        return str(path)
    wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
    found = next((at for at in range(begin, end) if wanted is not None and wanted.match(lines[at])), None)
    if found is None and number is None:
        return str(path)
    return f"{path}:{(begin if found is None else found) + 1}"
