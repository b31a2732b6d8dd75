"""Validation errors in the words of the strategy format."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.training_host.strategy.closest import suggestion
from services.training_host.strategy.location import locate
from services.training_host.strategy.path import Finding, Path, value_at
from services.training_host.strategy.strategy import Strategy

_PATTERNS = {
    "device": "auto, cpu, cuda, cuda:N or mps",
    "symbol": "a symbol in capitals, such as AAPL",
    "name": "letters, digits, _ and -, beginning with a letter or digit",
}
_KINDS = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "text",
    "float_type": "a number",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "bool_type": "true or false",
    "date_type": 'a date such as "2013-03-01"',
}
"""What a value should be, by the type of the error."""


def explain(error: ValidationError, values: Any) -> Iterator[Finding]:
    """Turn validation errors into findings with paths of the document.

    Args:
        error: What the validation of the whole strategy raised.
        values: Values that were validated.
    """
    for detail in error.errors(include_url=False):
        # An error of a key itself has that as a last step; but somebody may call a key so.
        of_key = detail["loc"][-1:] == ("[key]",) and detail["type"] != "extra_forbidden"
        location = detail["loc"][:-1] if of_key else detail["loc"]
        path = locate(Strategy, values, location).path
        if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
            yield _unknown_kind(detail, path, values)
        elif detail["type"] == "extra_forbidden":
            allowed = locate(Strategy, values, location[:-1]).allowed_keys
            yield path, f"unknown key; allowed here: {', '.join(allowed)}{suggestion(str(path[-1]), allowed)}"
        else:
            yield path, _description(detail, path)


def _unknown_kind(detail: ErrorDetails, path: Path, values: Any) -> Finding:
    """Explain a mapping that does not say which of several kinds it is."""
    key = str(detail["ctx"]["discriminator"]).strip("'")
    place = (*path, key) if isinstance(value_at(values, path), dict) else path  # a name alone is a shorthand
    if detail["type"] == "union_tag_not_found":
        return place, "is missing"
    return place, _not_among(value_at(values, place), detail["ctx"]["expected_tags"], "unknown")


def _description(detail: ErrorDetails, path: Path) -> str:
    """Say what is wrong and what would be right."""
    context: dict[str, Any] = detail.get("ctx", {})
    shown = _shown(detail["input"])
    if detail["type"] in _KINDS:
        return f"should be {_KINDS[detail['type']]}, not {shown}"
    match detail["type"]:
        case "missing":
            return "is missing"
        case "literal_error":
            return _not_among(detail["input"], context["expected"], "not allowed")
        case "string_pattern_mismatch":
            expected = _PATTERNS.get(str(path[-1]), "letters, digits and _, beginning with a letter")
            return f"{shown} is not allowed; write {expected}"
        case "too_short":
            return f"should have at least {_entries(context['min_length'])}, not {context['actual_length']}"
        case "too_long":
            return f"should have at most {_entries(context['max_length'])}, not {context['actual_length']}"
    message = detail["msg"].removeprefix("Input ").removeprefix("String ")
    told = message.startswith("should") and not isinstance(detail["input"], dict | list)
    return f"{message}, not {shown}" if told else message


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _not_among(value: Any, expected: str, verdict: str) -> str:
    """Say that a value is none of those that a text lists in quotes."""
    names = re.findall(r"'([^']*)'", expected)
    allowed = ", ".join(names) or expected
    if not isinstance(value, str):
        return f"should be one of these: {allowed}; not {_shown(value)}"
    return f"{_shown(value)} is {verdict}; allowed: {allowed}{suggestion(value, names)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value)
    shown = text if len(text) <= 60 else f"{text[:57]}…"
    return f'"{shown}"' if isinstance(value, str) else shown
