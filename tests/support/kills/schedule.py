"""Who is killed when, by a seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.support.kills.plan import Plan

Fate = Literal[
    "none",  # it completes
    "row",  # the worker kills itself at a row
    "time",  # the worker is killed while it writes
    "start",  # the worker is killed while it starts
    "keeper",  # the keeper is killed; the work goes on
    "both",  # keeper and worker are killed, and leave no trace
    "host",  # host and worker are killed together
    "cancel",  # it is asked to stop
    "cancel and kill",  # it is asked to stop, and its worker killed
    "abandoned",  # whoever starts it goes away before the answer, and never asks again
]
Through = Literal["id", "request", "registry"]
_THROUGH: Final[tuple[Through, ...]] = ("id", "id", "request", "registry")
WORKER_KILLS: Final[Mapping[Fate, int]] = {"row": 5, "time": 9, "start": 2, "both": 2, "keeper": 1, "none": 1}
THINNING: Final[Mapping[Fate, int]] = {"none": 2, "row": 5, "time": 5, "host": 1}
EVERYTHING: Final[Mapping[Fate, int]] = {
    "none": 6,
    "row": 3,
    "time": 4,
    "start": 2,
    "keeper": 1,
    "both": 1,
    "host": 2,
    "cancel": 3,
    "cancel and kill": 2,
    "abandoned": 1,
}


@dataclass(frozen=True)
class Case:
    """One session, and what happens to it.

    Attributes:
        name: Its id where it is started on the host with one, else the request id.
        fate: What happens.
        through: Where it is started: on the host with an id or with a request id, or through the registry.
        plan: What its worker does.
        delay_seconds: Time until it happens, from when its worker began to write (or to start).
        second_delay_seconds: Time until the second thing happens, where there is one.
    """

    name: str
    fate: Fate
    through: Through
    plan: Plan
    delay_seconds: float
    second_delay_seconds: float


def make_cases(
    seed: int, count: int, fates: Mapping[Fate, int], ledgers: Path, *, limit_bytes: int = 0, rows: int = 1_500
) -> list[Case]:
    """Draw the cases of a run.

    Args:
        seed: The same one gives the same cases.
        count: How many.
        fates: Each with its weight.
        ledgers: Folder of all ledgers.
        limit_bytes: Bound of the journals, 0 for the usual one.
        rows: Most rows of a session.
    """
    dice = random.Random(seed)
    cases = []
    for number in range(count):
        name = f"case-{number:04}"
        (fate,) = dice.choices(list(fates), weights=list(fates.values()))
        through: Through = dice.choice(_THROUGH) if fate != "abandoned" else "id"
        life_seconds = dice.choice([0.05, 0.2, 0.5])
        # Of those that are bounded most shall reach it.
        length, burst = dice.randrange(rows // (2 if limit_bytes else 10), rows), dice.choice([1, 8, 64, 256])
        plan = Plan(
            ledger=str(ledgers / name),
            seed=dice.randrange(2**31),
            rows=length,
            burst=burst,
            # An eighth never pauses: it is killed while it writes as fast as it can.
            pause_seconds=0.0 if dice.random() < 0.125 else life_seconds * burst / length,
            frame="session" if dice.random() < 0.06 else "bridge",
            durable=dice.random() < 0.1,
            kill_at=dice.randrange(length) if fate == "row" else -1,
            kill_before=dice.random() < 0.5,
            limit_bytes=limit_bytes or 64 * 2**20,
        )
        delay = dice.uniform(0, 0.2) if fate == "start" else dice.uniform(0, life_seconds)
        cases.append(Case(name, fate, through, plan, delay, dice.expovariate(20)))
    return cases


@dataclass(frozen=True)
class Strike:
    """A kill of services.

    Attributes:
        services: Which.
        after_seconds: Time since every reader had an answer after the last one.
        down_seconds: Time until they are started again.
        starting_seconds: Time after which they are killed once more while they start; 0 to let them start.
    """

    services: tuple[str, ...]
    after_seconds: float
    down_seconds: float
    starting_seconds: float


def make_strikes(seed: int, count: int, mean_seconds: float) -> list[Strike]:
    """Draw the kills of services of a run."""
    dice = random.Random(seed + 1)
    return [
        Strike(
            services=dice.choice([("training-host",), ("operations",), ("training-host", "operations")]),
            after_seconds=dice.expovariate(1 / mean_seconds),
            down_seconds=dice.choice([0.0, 0.0, 0.05, 0.3]),
            starting_seconds=dice.uniform(0.005, 0.15) if dice.random() < 0.25 else 0.0,
        )
        for _ in range(count)
    ]
