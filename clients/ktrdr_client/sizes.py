"""Amounts of memory and disk as people write them."""

import re
from typing import Final

_UNITS: Final = {
    "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip


def parse_size(text: str) -> int:
    """Return the bytes that "8GiB", "1.5 GB" or "500MiB" names. GB counts in thousands, GiB in 1,024s.

    Raises:
        ValueError: The text is no size, or has no unit.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        message = f"{text!r} is no size; write a number and a unit, such as 8GiB or 500MB"
        raise ValueError(message)
    return int(float(match[1]) * _UNITS[match[2]])


def size_text(size_bytes: float) -> str:
    """Return a size in the unit that fits: "512 B", "3.4 MiB", "120 GiB"."""
    size, unit = float(size_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1023.5 or unit == "TiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "B" or size >= 99.95 or size == int(size) else f"{size:.1f} {unit}"
