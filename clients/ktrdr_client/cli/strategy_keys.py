"""What was asked for, as keys and values that can be compared."""

from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from google.protobuf.json_format import MessageToDict
from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.errors import MissingLibrary


def spec_keys(operation: Operation) -> dict[str, str]:
    """Return the value of each key of what an operation was asked for, by its dotted path.

    The keys of a strategy are those of its YAML, with the changes that came beside it: "training.epochs". What else was
    asked for has the names of the contract: "data_load.bar_size", "options.gpus".

    Raises:
        MissingLibrary: The library that reads YAML is not installed.
    """
    whole: dict[str, Any] = {}
    for name in ("training", "data_load", "options"):
        if operation.HasField(name):
            whole[name] = MessageToDict(getattr(operation, name), preserving_proto_field_name=True)
    training = whole.get("training", {})
    text, overrides = training.pop("strategy", ""), training.pop("overrides", {})
    return {**strategy_keys(text, overrides), **dict(_flat(whole, ""))}


def strategy_keys(text: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each key of a strategy by its dotted path: {"training.epochs": "20"}.

    Args:
        text: YAML; one that cannot be read has no keys but "strategy".
        overrides: Dotted paths of keys to their new values as YAML; what was below them is gone. An empty value takes
            a key away.

    Raises:
        MissingLibrary: The library that reads YAML is not installed.
    """
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except ImportError as error:
        message = "to compare strategies by their keys takes a reader of YAML: pip install ruamel.yaml"
        raise MissingLibrary(message) from error
    reader = YAML(typ="safe", pure=True)
    try:
        keys = dict(_flat(reader.load(StringIO(text)) or {}, ""))
        for path, value in overrides.items():
            keys = {key: old for key, old in keys.items() if not _is_within(key, path)}
            if value.strip():  # otherwise the key is taken away
                keys.update(_flat(reader.load(StringIO(value)), path))
    except YAMLError:
        return {"strategy": text, **overrides}
    return keys


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves below a value: lists of plain values are leaves too."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flat(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for index, below in enumerate(value):
            yield from _flat(below, f"{path}[{index}]")
    elif isinstance(value, list):
        yield path, f"[{', '.join(str(each) for each in value)}]"
    else:
        yield path, str(value)


def _is_within(key: str, path: str) -> bool:
    return key == path or key.startswith((f"{path}.", f"{path}["))
