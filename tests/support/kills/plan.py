"""What a worker will do, by a seed: the same plan always gives the same rows."""

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal

Kind = Literal["batch", "epoch", "rows"]
BATCHES: Final = 1_000
"""Batches of an epoch, as the worker tells them."""

_NAMES: Final = tuple(f"metric {number}" for number in range(8))
_SETS: Final = (_NAMES, _NAMES[:3], _NAMES[2:5], _NAMES[:1])
_STRANGE: Final = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7e308)


@dataclass(frozen=True)
class Row:
    """One event.

    Attributes:
        kind: Which call reports it.
        step: The batch, the epoch, or the chunks of rows that are done.
        metrics: Values by name; never empty, so that every row is a point that a reader can miss.
    """

    kind: Kind
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """What a worker does.

    Attributes:
        ledger: Folder of its ledger.
        seed: Gives the rows.
        rows: How many.
        burst: Rows that are written in a tight loop, between two entries of the ledger.
        pause_seconds: Mean pause between two bursts.
        frame: "bridge" for a worker of the standard library alone, which starts in a tenth of a second; "session" for
            one in the frame that trainings have.
        durable: Sync the ledger with each entry. Needless against the death of a process; it moves the kills.
        kill_at: Row at which the worker kills itself; -1 for none.
        kill_before: It does so before it writes the row, and after it has announced it; else just after writing it.
        limit_bytes: Bound of the journal.
    """

    ledger: str
    seed: int
    rows: int
    burst: int = 1
    pause_seconds: float = 0.0
    frame: Literal["bridge", "session"] = "bridge"
    durable: bool = False
    kill_at: int = -1
    kill_before: bool = False
    limit_bytes: int = 64 * 2**20

    def to_json(self) -> str:
        """Return the plan as it travels in a spec."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def rows_of(plan: Plan) -> Iterator[Row]:
    """Yield the rows of a plan. Names come and go, and some values are no usual numbers."""
    dice = random.Random(plan.seed)
    epoch, batch, sizes = 0, 0, dice.choice([1, 7, 60])
    names: tuple[str, ...] = _NAMES
    for index in range(plan.rows):
        if dice.random() < 0.02:
            names = (*dice.choice(_SETS), f"seldom {dice.randrange(4)}")
        elif dice.random() < 0.05:
            names = dice.choice(_SETS)
        metrics = {name: index + column / 16 for column, name in enumerate(names)}
        if dice.random() < 0.03:
            metrics[names[0]] = dice.choice(_STRANGE)
        if dice.random() < 0.03:
            yield Row("rows", index, metrics)
        elif batch < sizes:
            batch += 1
            yield Row("batch", batch, metrics)
        else:
            epoch, batch = epoch + 1, 0
            yield Row("epoch", epoch, metrics)
