"""Where settings come from: variables of the environment and tables of a TOML file, each value with its origin."""

import difflib
import json
import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from services.common.startup import ConfigurationError

HOME_VARIABLE: Final = "KTRDR_HOME"
CONFIG_VARIABLE: Final = "KTRDR_CONFIG"
CONFIG_FILE_NAME: Final = "ktrdr.toml"
SHARED_KEYS: Final = ("home", "log_level", "log_format")
"""Settings that a file may have above its tables, for all services."""


class Given(NamedTuple):
    """A value that was given, and where."""

    value: Any
    origin: str


def variable_name(service: str, field: str) -> str:
    """Return the variable that sets a field: KTRDR_OPERATIONS_PORT; for the home KTRDR_HOME, for all services."""
    return HOME_VARIABLE if field == "home" else f"KTRDR_{service}_{field}".upper()


def flag_name(field: str, info: FieldInfo) -> str:
    """Return the flag of the command that sets a field."""
    named = extra(info).get("flag")
    return str(named) if named else "--" + field.replace("_", "-")


def extra(info: FieldInfo) -> Mapping[str, Any]:
    """Return what a field says about its flag: flag, flag_only, hidden, metavar."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def from_environment(model: type[BaseSettings], service: str) -> dict[str, Given]:
    """Read the variables of a service.

    Raises:
        ConfigurationError: A variable is set that looks like a misspelt one of this service.
    """
    variables = {
        variable_name(service, name): name
        for name, info in model.model_fields.items()
        if not extra(info).get("flag_only")
    }
    prefix = f"KTRDR_{service}_".upper()
    for variable in os.environ:
        if variable.startswith(prefix) and variable not in variables:
            meant = difflib.get_close_matches(variable, variables, n=1, cutoff=0.9)
            # Others set variables with this prefix too (Kubernetes does, for each service): refuse likely slips only.
            if meant:
                raise ConfigurationError(f"{variable}: there is no such setting; did you mean {meant[0]}?")
    values = _Environment(model, env_prefix=prefix, env_ignore_empty=True, case_sensitive=False)()
    return {name: Given(values[name], variable) for variable, name in variables.items() if values.get(name) is not None}


def from_file(path: Path, model: type[BaseSettings], service: str) -> dict[str, Given]:
    """Read the table of a service, and the keys above all tables.

    Raises:
        ConfigurationError: The file can't be read, is no TOML, or has a key that does not exist.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration file {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error
    allowed = [name for name, info in model.model_fields.items() if not extra(info).get("flag_only")]
    found: dict[str, Given] = {}
    for key, value in content.items():
        if not isinstance(value, dict):
            _refuse_unknown(key, SHARED_KEYS, f"{path}")
            found[key] = Given(value, f"{path}")
        elif key != service and difflib.get_close_matches(key, [service], cutoff=0.85):
            raise ConfigurationError(f"{path}: there is no table [{key}]; did you mean [{service}]?")
    table = content.get(service, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: {service} must be a table: [{service}].")
    for key, value in table.items():
        _refuse_unknown(key, allowed, f"{path} [{service}]")
        found[key] = Given(value, f"{path} [{service}]")
    return found


def _refuse_unknown(key: str, allowed: Collection[str], place: str) -> None:
    if key not in allowed:
        meant = difflib.get_close_matches(key, allowed, n=1)
        advice = f"did you mean {meant[0]}?" if meant else f"there are: {', '.join(sorted(allowed))}."
        raise ConfigurationError(f"{place}: there is no setting {key}; {advice}")


class _Environment(EnvSettingsSource):
    """Variables as they are; lists may be written with commas."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if extra(field).get("flag_only"):
            return None, field_name, False
        if field_name == "home":
            return self.env_vars.get(HOME_VARIABLE.lower()), field_name, False
        return super().get_field_value(field, field_name)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002 - the library's
        if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
            return [part.strip() for part in value.split(",") if part.strip()]
        try:
            return json.loads(value)
        except ValueError:
            return value  # validation refuses the text, and names the variable
