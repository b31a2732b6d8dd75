"""Validation errors in the words of the strategy format."""

import difflib
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.training_host.strategy.allowed import allowed_keys
from services.training_host.strategy.fault import Fault
from services.training_host.strategy.path import Path, path_in_document
from services.training_host.strategy.source import Document
from services.training_host.strategy.strategy import Strategy

_PATTERNS = {
    "device": "auto, cpu, cuda, cuda:N or mps",
    "symbol": "a symbol in capitals, such as AAPL",
    "name": "letters, digits, _ and -, beginning with a letter or digit",
}


def explain(error: ValidationError, document: Document) -> list[tuple[Path, Fault]]:
    """Turn validation errors into faults with paths and places in the document."""
    found: dict[tuple[Path, str], Fault] = {}
    for detail in error.errors(include_url=False):
        path = path_in_document(document.values, detail["loc"])
        if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
            path = (*path, _discriminator(detail))
        if detail["loc"][-1:] == ("[key]",):
            path = path_in_document(document.values, detail["loc"][:-1])
        description = _description(detail, path)
        found.setdefault((path, description), document.fault(path, description))
    return [(path, fault) for (path, _), fault in found.items()]


def _discriminator(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["discriminator"]).strip("'")


def _description(detail: ErrorDetails, path: Path) -> str:
    """Say what is wrong and what would be right."""
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is missing"
        case "union_tag_not_found":
            return "is missing"
        case "extra_forbidden":
            return _unknown_key(detail, path)
        case "union_tag_invalid":
            return f'"{context["tag"]}" is unknown; allowed: {context["expected_tags"].replace(chr(39), "")}'
        case "literal_error":
            return f"{_shown(detail['input'])} is not allowed; allowed: {context['expected'].replace(chr(39), '')}"
        case "string_pattern_mismatch":
            expected = _PATTERNS.get(str(path[-1]), "letters, digits and _, beginning with a letter")
            return f"{_shown(detail['input'])} is not allowed; write {expected}"
    message = detail["msg"].removeprefix("Input ")
    return f"{message}, not {_shown(detail['input'])}" if _is_scalar(detail["input"]) else message


def _unknown_key(detail: ErrorDetails, path: Path) -> str:
    allowed = allowed_keys(Strategy, detail["loc"][:-1])
    close = difflib.get_close_matches(str(path[-1]), allowed, n=1)
    meant = f'; did you mean "{close[0]}"?' if close else ""
    return f"unknown key; allowed here: {', '.join(allowed)}{meant}"


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    shown = text if len(text) <= 60 else f"{text[:57]}…"
    return f'"{shown}"' if isinstance(value, str) else shown
