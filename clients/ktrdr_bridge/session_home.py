"""Find the folder that KTRDR keeps its data in, as its services do, with the standard library alone."""

import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path


def home_folder(environment: Mapping[str, str], *, platform: str = sys.platform) -> Path:
    """Return the folder of all data: `KTRDR_HOME`, else the user's data folder on this platform.

    Args:
        environment: Variables of the process.
        platform: As `sys.platform`.

    Raises:
        RuntimeError: The user has no home folder.
    """
    given = environment.get("KTRDR_HOME")
    if given:
        return Path(given).expanduser().absolute()
    data = Path(environment.get("XDG_DATA_HOME", ""))
    if data.is_absolute():  # what is relative counts as not set (XDG Base Directory Specification)
        return data / "ktrdr"
    return (
        _user_folder(environment)
        / ("Library/Application Support" if platform == "darwin" else ".local/share")
        / "ktrdr"
    )


def _user_folder(environment: Mapping[str, str]) -> Path:
    given = Path(environment.get("HOME", ""))
    if given.is_absolute():
        return given
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError as error:
        raise RuntimeError("this user has no home folder; name one with KTRDR_HOME") from error
