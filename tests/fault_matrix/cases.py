"""The cases: which fault meets which load, over which bars."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Final

from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.replay.bars import BarSize, IntradaySize, Size
from services.ib_host.replay.faults.answers import DelayRule
from services.ib_host.replay.faults.catalogue import describe, fault, fault_names
from services.ib_host.replay.faults.catalogued import Effect
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.messages import Inbound

Mode = ib_pb2.DataLoadSpec
MODES: Final = (Mode.MODE_RANGE, Mode.MODE_TAIL, Mode.MODE_BACKFILL, Mode.MODE_FULL)
"""All modes that ask the gateway for something."""
_SOON_SECONDS: Final = 5.0
"""By the clock of a case, from the start of a host until it loads."""
_SLOW_SECONDS: Final = 2.0
"""By the clock of a case: how late answers come where something is to happen before the last of them."""
BY_THE_CLOCK: Final = frozenset({"nightly_reset_at", "restarts_every_minute"})
"""Faults that happen at a time, and not to a message."""


@dataclass(frozen=True)
class Scene:
    """The bars of a case.

    Attributes:
        data: what the replay gateway serves, as its setting has it; None for its recording of daily bars.
        bar_size: of the load.
        size: the same, as the replayed history knows it.
        stored: [start, end) of what is stored before the faults begin.
        start, end: [start, end) of what the load is about.
    """

    data: str | None
    bar_size: bars_pb2.BarSize.ValueType
    size: Size
    stored: tuple[datetime, datetime]
    start: datetime
    end: datetime


_EVER: Final = datetime(1990, 1, 1, tzinfo=UTC)


def _day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


SCENES: Final[Mapping[str, Scene]] = {
    "days": Scene(
        None,
        bars_pb2.BAR_SIZE_1_DAY,
        BarSize.DAY,
        (_day(2011, 6, 1), _day(2011, 12, 31)),
        _day(2009, 6, 1),
        _day(2013, 3, 2),
    ),
    "minutes": Scene(
        "generated:AAPL?seed=7&days=11&gaps=0.02",
        bars_pb2.BAR_SIZE_1_MINUTE,
        IntradaySize(60),
        (_day(2024, 1, 5), _day(2024, 1, 10)),
        _day(2024, 1, 2),
        _day(2024, 1, 20),
    ),
}


@dataclass(frozen=True)
class Case:
    """A load, and what befalls the gateway meanwhile.

    Attributes:
        faults: names in the gateway's catalogue.
        mode: of the load.
        scene: name of the bars.
        seed: 0 for the example of the catalogue; any other for one that happens elsewhere and more often.
    """

    faults: tuple[str, ...]
    mode: "ib_pb2.DataLoadSpec.Mode.ValueType"
    scene: str
    seed: int = 0

    def __str__(self) -> str:
        mode = Mode.Mode.Name(self.mode).removeprefix("MODE_").lower()
        return f"{' + '.join(self.faults) or 'no fault'}, {mode}, {self.scene}, seed {self.seed}"

    @property
    def rules(self) -> list[FaultRule]:
        """The rules of the faults."""
        rules = [fault(name, **(_adapted(name, self) | _varied(name, self))) for name in self.faults]
        # A load that is asked to wait for each answer is still at work when something happens by the clock.
        slow = DelayRule(on=Inbound.HISTORICAL_DATA, seconds=_SLOW_SECONDS)
        return [*rules, slow] if BY_THE_CLOCK & set(self.faults) else rules

    @property
    def effects(self) -> set[Effect]:
        """What the load can end up with."""
        return {describe(name).effect for name in self.faults}

    @property
    def spec(self) -> ib_pb2.DataLoadSpec:
        """The load."""
        scene = SCENES[self.scene]
        spec = ib_pb2.DataLoadSpec(
            instruments=[bars_pb2.Instrument(symbol="AAPL")], bar_size=scene.bar_size, mode=self.mode
        )
        if self.mode in {Mode.MODE_RANGE, Mode.MODE_BACKFILL}:
            spec.start_time.FromDatetime(scene.start)
        if self.mode == Mode.MODE_RANGE:
            spec.end_time.FromDatetime(scene.end)
        return spec

    @property
    def reach(self) -> tuple[datetime, datetime]:
        """[start, end) of what is stored when all has gone well."""
        scene = SCENES[self.scene]
        start = {Mode.MODE_TAIL: scene.stored[0], Mode.MODE_FULL: _EVER}.get(self.mode, scene.start)
        end = scene.stored[1] if self.mode == Mode.MODE_BACKFILL else scene.end
        return start, end


def every_case(seed: int) -> Iterator[Case]:
    """Yield all faults times all modes times all bars."""
    for name in fault_names():
        for mode in MODES:
            for scene in SCENES:
                yield Case((name,), mode, scene, seed)


def some_cases(seed: int) -> Iterator[Case]:
    """Yield each fault once, and among them each mode equally often; a third of them over minute bars."""
    for number, name in enumerate(fault_names()):
        yield Case((name,), MODES[number % len(MODES)], "minutes" if number % 3 == 0 else "days", seed)


def mixed_case(seed: int) -> Case:
    """Return a load that meets three faults at once, each of a kind that passes."""
    draw = Random(seed)
    names = draw.sample(fault_names("passing"), 3)
    return Case(tuple(names), draw.choice(MODES), draw.choice(tuple(SCENES)), seed)


def _adapted(name: str, case: Case) -> dict[str, object]:
    """Return what of an example has to be others for it to meet the load of a case."""
    # What happens by the clock happens while the load is at work.
    if name in BY_THE_CLOCK:
        return {"begin": _SOON_SECONDS}
    if name == "mute":
        return {"on": "current_time", "times": 1}  # all that the host asks by itself when it has connected
    if name == "correction":
        # A correction is noticed where an answer reaches over bars that are stored.
        first, last = SCENES[case.scene].stored
        days = (first.date(), 2) if case.mode == Mode.MODE_BACKFILL else (last.date(), -3)
        return {**_days(*days), "nth": 1}
    return {}


def _days(day: date, count: int) -> dict[str, object]:
    other = date.fromordinal(day.toordinal() + count)
    return {"first": min(day, other), "last": max(day, other)}


def _varied(name: str, case: Case) -> dict[str, object]:
    """Return another place, and another number of times, for a fault that has them."""
    table = describe(name).table
    if not case.seed or "times" not in table or name in {"split", "correction"}:
        return {}
    draw = Random(f"{case} {name}")
    asked_often = table["on"] == "historical_data"
    return {"nth": draw.randint(1, 2) if asked_often else 1, "times": draw.randint(1, 3)}
