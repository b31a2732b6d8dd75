"""Makes the command that serves: one flag for each setting, one line for each reason not to start."""

import asyncio
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import structlog
import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.core import TyperCommand

from services.common.log import configure_logging
from services.common.settings import ProcessSettings, ServerSettings, load_settings
from services.common.settings_sources import CONFIG_VARIABLE, extra, flag_name, variable_name
from services.common.startup import CannotStartError, ConfigurationError

S = TypeVar("S", bound=ProcessSettings)


class ExitCode(IntEnum):
    """How a serving process ends."""

    STOPPED = 0
    CANNOT_START = 1
    WRONG_CONFIGURATION = 2


def make_serve_command(
    *, name: str, settings: type[S], run: Callable[[S], Awaitable[int]], help_text: str = ""
) -> TyperCommand:
    """Make the command of one service.

    Args:
        name: Name of the command: "training-host".
        settings: Each of its fields becomes a flag, with the field's description as help.
        run: Serves until the process is asked to stop, and returns the exit code.
        help_text: What the service is, for `--help`.

    Returns:
        A command that exits with 0 after an orderly stop, 1 with one line on stderr if the server can't start, and 2
        with one line if the configuration is wrong.
    """

    def serve(config: str | None, **flags: object) -> None:
        raise SystemExit(
            _serve(name, settings, run, config, {key: value for key, value in flags.items() if value != []})
        )

    own_first = sorted(settings.model_fields.items(), key=lambda item: item[0] in ServerSettings.model_fields)
    parameters = {field: _parameter(settings, field, info) for field, info in own_first}
    parameters["config"] = _config_parameter()
    serve.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]  # read by inspect.signature
    serve.__annotations__ = {key: parameter.annotation for key, parameter in parameters.items()}
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command(name=name, help=help_text or f"Serve the {name}.")(serve)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand)
    return command


def _serve(
    name: str,
    settings: type[S],
    run: Callable[[S], Awaitable[int]],
    config: str | None,
    flags: Mapping[str, object],
) -> int:
    try:
        loaded = load_settings(settings, config=Path(config) if config else None, flags=flags)
    except ConfigurationError as error:
        return _refuse(name, error, ExitCode.WRONG_CONFIGURATION)
    configure_logging(level=loaded.log_level, form=loaded.log_format, service=loaded.service_name, name=loaded.name)
    try:
        return asyncio.run(_awaited(run, loaded))
    except ConfigurationError as error:
        return _refuse(name, error, ExitCode.WRONG_CONFIGURATION)
    except CannotStartError as error:
        return _refuse(name, error, ExitCode.CANNOT_START)
    except Exception:
        structlog.get_logger().exception("server_failed")
        return ExitCode.CANNOT_START


async def _awaited(run: Callable[[S], Awaitable[int]], settings: S) -> int:
    return await run(settings)


def _refuse(name: str, error: Exception, code: ExitCode) -> int:
    line = " ".join(str(error).split())
    sys.stderr.write(f"{name}: {line}\n")
    return code


def _config_parameter() -> inspect.Parameter:
    option = typer.Option(
        "--config",
        metavar="FILE",
        help=f"TOML file with the settings ({CONFIG_VARIABLE}; default <home>/ktrdr.toml where it exists).",
        rich_help_panel=_EVERY_SERVER,
    )
    return inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


_EVERY_SERVER = "Settings of every server"


def _parameter(settings: type[ProcessSettings], field: str, info: FieldInfo) -> inspect.Parameter:
    """Make the flag of a field. Values go to the settings as typed: all sources are refused in the same words."""
    flag = flag_name(field, info)
    kind = _kind(info.annotation)
    option = typer.Option(
        f"{flag}/--no-{flag.removeprefix('--')}" if kind is bool else flag,
        help=_help(settings, field, info),
        metavar=None if kind is bool else _metavar(field, info),
        show_default=False,
        hidden=bool(extra(info).get("hidden")),
        rich_help_panel=_EVERY_SERVER if field in ServerSettings.model_fields else "Settings of this server",
    )
    annotation: Any = {bool: bool | None, list: list[str]}.get(kind, str | None)
    default: object = [] if kind is list else None
    return inspect.Parameter(
        field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _help(settings: type[ProcessSettings], field: str, info: FieldInfo) -> str:
    notes = [] if extra(info).get("flag_only") else [variable_name(settings.service, field)]
    default = info.get_default(call_default_factory=True, validated_data={})
    if default not in (None, "", PydanticUndefined, [], ()) and not isinstance(default, bool):
        shown = ", ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)
        notes.append(f"default {shown}")
    if _kind(info.annotation) is list:
        notes.append("can be repeated")
    return (info.description or "") + (f" ({'; '.join(notes)})" if notes else "")


def _kind(annotation: Any) -> Any:
    """Return the type that a field's flag has to care about: bool, list, Literal, or what the annotation says."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _kind(next(part for part in get_args(annotation) if part is not type(None)))
    if origin in (list, tuple, set, frozenset):
        return list
    return origin or annotation


def _metavar(field: str, info: FieldInfo) -> str:
    named = extra(info).get("metavar")
    kind = _kind(info.annotation)
    if named:
        return str(named)
    if kind is Literal:
        return "|".join(str(value) for value in get_args(info.annotation))
    if isinstance(kind, type) and issubclass(kind, Path):
        return "FOLDER" if field == "home" else "PATH"
    return {int: "NUMBER", float: "NUMBER"}.get(kind, "TEXT")
