"""Texts that come from elsewhere, made fit for a terminal."""

import re
from typing import Final

_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would steer the terminal. Logs hold whatever some library has printed."""


def without_control_characters(text: str) -> str:
    """Return a text without anything that would steer the terminal; tabs and ends of lines stay."""
    return _CONTROL.sub("", text)
