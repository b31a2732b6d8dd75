"""One call of `ktrdr`: where to connect, and how to print."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import platformdirs


class OutputFormat(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Interrupted(Exception):
    """Ctrl-C ended the command."""


class UsageProblem(Exception):
    """The command line or the configuration is wrong; the message says what is allowed."""


@dataclass(frozen=True)
class GlobalFlags:
    """The flags that every command takes; None where one was not given."""

    server: str | None = None
    config: Path | None = None
    output: OutputFormat | None = None
    quiet: bool | None = None
    no_color: bool | None = None
    timeout: timedelta | None = None

    def overridden_by(self, later: "GlobalFlags") -> "GlobalFlags":
        """Return these flags with those that `later` has put over them."""
        given = {name: value for name, value in vars(later).items() if value is not None}
        return replace(self, **given)


@dataclass
class Invocation:
    """What a command needs to know."""

    server: str
    """HOST:PORT of the operations service."""
    output: OutputFormat = OutputFormat.TABLE
    quiet: bool = False
    color: bool = True
    timeout: timedelta | None = None
    """Longest time to wait for work; None waits for ever."""
    config: Path | None = None
    """Configuration file, if one was named."""
    environment: Mapping[str, str] = field(default_factory=dict)
    on_interrupt: list[str] = field(default_factory=list)
    """What to say when Ctrl-C ends the waiting."""


@dataclass
class CommandLine:
    """What is known of a call while its words are read; shared by all its contexts."""

    environment: Mapping[str, str]
    flags: GlobalFlags = field(default_factory=GlobalFlags)
    invocation: Invocation | None = None
    """Set once the command itself runs."""

    def take(self, flags: GlobalFlags) -> None:
        """Put further flags over those that are known."""
        self.flags = self.flags.overridden_by(flags)


def default_home(environment: Mapping[str, str]) -> Path:
    """Return the folder for everything, where no flag names one: KTRDR_HOME, or the user's data folder."""
    named = environment.get("KTRDR_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("ktrdr", appauthor=False))


def make_invocation(flags: GlobalFlags, environment: Mapping[str, str]) -> Invocation:
    """Return the settings of this call: flags win over the environment, and that over the configuration file.

    Raises:
        UsageProblem: The configuration file cannot be read, or has a wrong value.
    """
    config = flags.config or (Path(environment["KTRDR_CONFIG"]) if environment.get("KTRDR_CONFIG") else None)
    must_exist = config is not None
    config = config or default_home(environment) / "ktrdr.toml"
    table = _client_table(config, must_exist=must_exist)
    server = flags.server or environment.get("KTRDR_SERVER") or table.get("server") or "127.0.0.1:5003"
    return Invocation(
        server=_checked_address(str(server)),
        output=flags.output or OutputFormat.TABLE,
        quiet=bool(flags.quiet),
        color=not flags.no_color and not environment.get("NO_COLOR"),
        timeout=flags.timeout,
        config=config if must_exist else None,
        environment=environment,
    )


def _client_table(path: Path, *, must_exist: bool) -> Mapping[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("client", {})
    except FileNotFoundError:
        if must_exist:
            message = f"there is no configuration file {path}"
            raise UsageProblem(message) from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"the configuration file {path} cannot be read: {error}"
        raise UsageProblem(message) from None
    if not isinstance(table, dict) or set(table) - {"server"}:
        message = f'{path}: [client] has only the key server, such as server = "127.0.0.1:5003"'
        raise UsageProblem(message)
    return table


def _checked_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
        message = f"{text!r} is no address of a service; write HOST:PORT, such as 127.0.0.1:5003"
        raise UsageProblem(message)
    return text
