"""Validation by a JSON Schema: of draft 2020-12 the keywords that the strategy format uses, and no others.

A keyword that is not known here fails the test, so that nothing in a schema goes unchecked.
"""

import json
import re
from collections.abc import Callable
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "null": type(None),
}  # fmt: skip
_NOTES = {
    "$schema", "$defs", "$comment", "title", "description", "default", "discriminator", "format",
    "then", "else",  # read with "if"
    "patternProperties",  # read with "additionalProperties"
}  # fmt: skip


def _is(value: Any, name: str) -> bool:
    if name == "boolean" or isinstance(value, bool):
        return name == "boolean" and isinstance(value, bool)
    return isinstance(value, _TYPES[name])


_NUMBER = (int, float)
_RULES: dict[str, tuple[Any, Callable[[Any, Any], bool]]] = {
    "type": (None, _is),
    "const": (None, lambda value, wanted: value == wanted),
    "enum": (None, lambda value, wanted: value in wanted),
    "required": (dict, lambda value, wanted: set(wanted) <= set(value)),
    "minimum": (_NUMBER, lambda value, wanted: value >= wanted),
    "maximum": (_NUMBER, lambda value, wanted: value <= wanted),
    "exclusiveMinimum": (_NUMBER, lambda value, wanted: value > wanted),
    "exclusiveMaximum": (_NUMBER, lambda value, wanted: value < wanted),
    "minItems": (list, lambda value, wanted: len(value) >= wanted),
    "maxItems": (list, lambda value, wanted: len(value) <= wanted),
    "minProperties": (dict, lambda value, wanted: len(value) >= wanted),
    "maxProperties": (dict, lambda value, wanted: len(value) <= wanted),
    "maxLength": (str, lambda value, wanted: len(value) <= wanted),
    "pattern": (str, lambda value, wanted: re.search(wanted, value) is not None),
}
"""What a keyword concerns (None: everything), and when a value keeps it."""


class SchemaValidator:
    """Checks values against a schema.

    Args:
        schema: The whole schema, whose `$defs` references lead to.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    def errors(self, value: Any) -> list[str]:
        """Return where a value breaks the schema, each place with the keyword; nothing if it is valid."""
        return self._errors(value, self._schema, "")

    def _errors(self, value: Any, schema: Any, path: str) -> list[str]:
        if isinstance(schema, bool):
            return [] if schema else [f"{path} is not allowed"]
        return [
            error
            for keyword, wanted in schema.items()
            if keyword not in _NOTES
            for error in self._keyword(keyword, wanted, schema, value, path)
        ]

    def _valid(self, value: Any, schema: Any) -> bool:
        return not self._errors(value, schema, "")

    def _keyword(self, keyword: str, wanted: Any, schema: dict[str, Any], value: Any, path: str) -> list[str]:
        match keyword:
            case "$ref":
                return self._errors(value, self._schema["$defs"][wanted.removeprefix("#/$defs/")], path)
            case "allOf":
                return [error for each in wanted for error in self._errors(value, each, path)]
            case "if":
                branch = schema.get("then" if self._valid(value, wanted) else "else", True)
                return self._errors(value, branch, path)
            case "properties" | "additionalProperties" | "propertyNames" | "items":
                return self._below(keyword, wanted, schema, value, path)
        return [] if self._holds(keyword, wanted, value) else [f"{path}: {keyword} {json.dumps(wanted)[:80]}"]

    def _below(self, keyword: str, wanted: Any, schema: dict[str, Any], value: Any, path: str) -> list[str]:
        if keyword == "items":
            elements = enumerate(value) if isinstance(value, list) else ()
            return [error for index, each in elements for error in self._errors(each, wanted, f"{path}[{index}]")]
        entries = value.items() if isinstance(value, dict) else ()
        found: list[str] = []
        for key, each in entries:
            patterns = [
                below for pattern, below in schema.get("patternProperties", {}).items() if re.search(pattern, key)
            ]
            if keyword == "properties" and key in wanted:
                found += self._errors(each, wanted[key], f"{path}.{key}")
            elif keyword == "propertyNames":
                found += self._errors(key, wanted, f"{path}.{key}")
            elif keyword == "additionalProperties" and key not in schema.get("properties", {}):
                for below in patterns or [wanted]:
                    found += self._errors(each, below, f"{path}.{key}")
        return found

    def _holds(self, keyword: str, wanted: Any, value: Any) -> bool:
        if keyword in ("anyOf", "oneOf"):
            fitting = sum(self._valid(value, each) for each in wanted)
            return fitting == 1 if keyword == "oneOf" else fitting > 0
        if keyword not in _RULES:
            message = f"the keyword {keyword} is not known to this validator"
            raise NotImplementedError(message)
        kind, holds = _RULES[keyword]
        concerned = kind is None or (isinstance(value, kind) and not isinstance(value, bool))
        return not concerned or holds(value, wanted)
