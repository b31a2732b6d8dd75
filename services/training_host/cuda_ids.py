"""Translate the names of GPUs into the ids that CUDA is told which ones to use by."""

from collections.abc import Mapping, Sequence
from typing import Final

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"
_PREFIX: Final = "cuda:"


class CudaIds:
    """Ids of GPUs by their names here ("cuda:0", "cuda:1", …).

    Args:
        environment: Environment of the host. Where it shows a part of the machine's GPUs only, names count those.
        listed: The ids where they are configured; empty where they come from the environment.
    """

    def __init__(self, environment: Mapping[str, str], listed: Sequence[str] = ()) -> None:
        visible = [part.strip() for part in environment.get(VARIABLE, "").split(",") if part.strip()]
        self._ids = list(listed) or visible

    def ids(self, names: Sequence[str]) -> list[str]:
        """Return the ids of those devices that are CUDA's: their numbers, where nothing else is said."""
        numbers = [int(name.removeprefix(_PREFIX)) for name in names if name.startswith(_PREFIX)]
        return [self._ids[number] if number < len(self._ids) else str(number) for number in numbers]
