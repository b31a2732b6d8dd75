"""The format as a JSON Schema, so that editors complete and check strategies while they are written."""

import inspect
import re
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from services.training_host.strategy.model import StrategyModel
from services.training_host.strategy.strategy import Strategy

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_REGRESSION: Final = {
    "required": ["decisions"],
    "properties": {
        "decisions": {"required": ["output_format"], "properties": {"output_format": {"const": "regression"}}}
    },
}
_FORWARD_RETURN: Final = {"properties": {"source": {"const": "forward_return"}}}


def _loss(*names: str) -> dict[str, Any]:
    """Return the schema of a loss of these names, written as a name or as a mapping."""
    return {"anyOf": [{"enum": list(names)}, {"type": "object", "properties": {"type": {"enum": list(names)}}}]}


_WHOLE: Final[list[dict[str, Any]]] = [
    {
        "$comment": "Regression learns forward returns without a threshold, by huber; classification by other losses.",
        "if": _REGRESSION,
        "then": {
            "properties": {
                "training": {
                    "required": ["loss"],
                    "properties": {
                        "loss": _loss("huber"),
                        "labels": {
                            **_FORWARD_RETURN,
                            "properties": {"source": {"const": "forward_return"}, "threshold": {"type": "null"}},
                        },
                    },
                }
            }
        },
        "else": {
            "properties": {
                "training": {
                    "properties": {
                        "loss": _loss("cross_entropy", "focal"),
                        "labels": {
                            "if": _FORWARD_RETURN,
                            "then": {"required": ["threshold"], "properties": {"threshold": {"type": "number"}}},
                        },
                    }
                }
            }
        },
    },
    {
        "$comment": "Walk-forward evaluation tests stretches, and no share of the samples.",
        "if": {
            "required": ["evaluation"],
            "properties": {"evaluation": {"properties": {"mode": {"const": "walk_forward"}}}},
        },
        "then": {"properties": {"training": {"properties": {"data_split": {"properties": {"test": {"const": 0}}}}}}},
        "else": {
            "properties": {
                "training": {
                    "properties": {
                        "data_split": {"required": ["test"], "properties": {"test": {"exclusiveMinimum": 0}}}
                    }
                }
            }
        },
    },
]
"""What parts of a strategy demand of each other, as far as a schema can tell."""


def strategy_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a strategy, with a description and the default of each key."""
    schema = Strategy.model_json_schema(schema_generator=_Generator)
    return {"$schema": DIALECT, **schema, "allOf": _WHOLE}


def part_properties(part: type[StrategyModel]) -> dict[str, Any]:
    """Return the schemas of the keys of a part that refers to no other, such as an indicator."""
    properties: dict[str, Any] = part.model_json_schema(schema_generator=_Generator)["properties"]
    return properties


def key_descriptions(documented: type) -> dict[str, str]:
    """Return what the "Attributes" sections of a class and its bases say of each key."""
    descriptions: dict[str, str] = {}
    for each in reversed(documented.__mro__):
        _, _, section = inspect.cleandoc(each.__doc__ or "").partition("\nAttributes:\n")
        entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
        descriptions.update({name: " ".join(text.split()) for name, text in entries})
    return descriptions


def summary_of(documented: type) -> str:
    """Return what a class says of itself before its "Attributes" section, each paragraph on one line."""
    text = inspect.cleandoc(documented.__doc__ or "").partition("\nAttributes:\n")[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n")).strip()


def _words(class_name: str) -> str:
    """Return the name of a class as words: `FuzzySet` is a fuzzy set."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", class_name).capitalize()


class _Generator(GenerateJsonSchema):
    """Takes descriptions from the docstrings of the models, and refuses keys of mappings that the format forbids."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Describe a part of the format and its keys."""
        written = super().model_schema(schema)
        written["description"] = summary_of(schema["cls"])
        written["title"] = getattr(schema["cls"], "title", _words(schema["cls"].__name__))
        for name, text in key_descriptions(schema["cls"]).items():
            if name in written.get("properties", {}):
                written["properties"][name].setdefault("description", text)
        return written

    def model_fields_schema(self, schema: core_schema.ModelFieldsSchema) -> JsonSchemaValue:
        """Restrict the names of keys that users choose themselves."""
        written = super().model_fields_schema(schema)
        names = schema.get("extras_keys_schema")
        if names is not None:
            pattern = self.generate_inner(names)
            written["propertyNames"] = {key: pattern[key] for key in ("pattern", "maxLength") if key in pattern}
        return written

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Refuse names that do not fit the pattern of names."""
        written = super().dict_schema(schema)
        if "patternProperties" in written:
            written["additionalProperties"] = False
        return written
