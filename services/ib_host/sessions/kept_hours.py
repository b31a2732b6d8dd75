"""The hours of a contract, as the gateway told them at the last load, beside the dataset."""

from pathlib import Path
from typing import Final

from ktrdr.ib.v1 import bars_pb2
from pydantic import BaseModel, ConfigDict, ValidationError

from services.common.files import write_atomically
from services.ib_host.sessions.hours_text import parse_hours, weekly_pattern
from services.ib_host.sessions.weekly import WeeklyCalendar
from services.ib_host.sessions.zones import zone_of

NAME: Final = "hours.json"


class KeptHours(BaseModel):
    """What the file says.

    Attributes:
        time_zone: of the hours, as the gateway named it.
        trading_hours: all hours of some days, in the gateway's notation.
        liquid_hours: regular hours, likewise.
    """

    model_config = ConfigDict(frozen=True)

    time_zone: str
    trading_hours: str
    liquid_hours: str

    @classmethod
    def load(cls, folder: Path) -> "KeptHours | None":
        """Read the file of a dataset's folder; None where there is none, or none that can be read."""
        try:
            return cls.model_validate_json((folder / NAME).read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, folder: Path) -> None:
        """Write the file.

        Raises:
            OSError: it can't be written.
        """
        write_atomically(folder / NAME, self.model_dump_json(indent=1).encode() + b"\n")

    def calendar(self, key: bars_pb2.DatasetKey) -> WeeklyCalendar | None:
        """Return the week that the hours are a sample of; None where they say nothing that is understood.

        In a dataset of all hours a stock's bars are expected in its regular ones only; of anything else in all.
        """
        zone = zone_of(self.time_zone)
        if zone is None:
            return None
        try:
            every, regular = (weekly_pattern(parse_hours(text)) for text in (self.trading_hours, self.liquid_hours))
        except ValueError:
            return None
        name = "hours of the contract, without holidays"
        if key.use_rth:
            return WeeklyCalendar(name, zone, regular) if regular else None
        if key.instrument.security_type == bars_pb2.SECURITY_TYPE_STOCK and regular:
            return WeeklyCalendar(name, zone, regular, every)
        return WeeklyCalendar(name, zone, every) if every else None
