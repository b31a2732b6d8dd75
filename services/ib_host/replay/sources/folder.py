"""Bars of a folder of files."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path

from services.ib_host.replay.bars import Bar, typical_price
from services.ib_host.replay.history import Split
from services.ib_host.replay.hours import MarketHours
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.sources.bar_files import DAY_SECONDS, SUFFIXES, BarRow, read_bar_file
from services.ib_host.replay.sources.instruments_file import read_instruments
from services.ib_host.replay.sources.intraday import IntradayHistory

_Days = Mapping[date, Sequence[Bar]]


def open_folder(folder: Path) -> IntradayHistory:
    """Read all files of a folder that end in .parquet or .csv, and its instruments.toml.

    Raises:
        RecordingError: one can't be used, or there is none; the message names it.
    """
    rows = [row for path in _files(folder) for row in read_bar_file(path)]
    if not rows:
        message = f"{folder} holds no bars: it should have files such as AAPL_1min.parquet or AAPL_1d.csv"
        raise RecordingError(message)
    known = read_instruments(folder, {row.symbol for row in rows})
    return IntradayHistory(FolderBars(rows, known), known)


class FolderBars:
    """Bars as they were read, by symbol, length and session. Splits are taken to be in their prices already.

    Args:
        rows: in any order.
        instruments: by symbol.

    Raises:
        RecordingError: a bar is there twice, or lies outside its instrument's hours.
    """

    def __init__(self, rows: Sequence[BarRow], instruments: Mapping[str, Instrument]) -> None:
        of_length: defaultdict[str, defaultdict[int, list[BarRow]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            of_length[row.symbol][row.seconds].append(row)
        self._series: dict[str, dict[int, _Days]] = {
            symbol: {seconds: _by_session(found, instruments[symbol].hours) for seconds, found in lengths.items()}
            for symbol, lengths in of_length.items()
        }
        self._sessions = {
            symbol: sorted({session for days in lengths.values() for session in days})
            for symbol, lengths in self._series.items()
        }

    @property
    def symbols(self) -> Sequence[str]:
        """Symbols in alphabetical order."""
        return sorted(self._series)

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the days that have bars of any length, ascending."""
        return self._sessions[symbol]

    def splits(self, symbol: str) -> Sequence[Split]:  # noqa: ARG002 -- files do not tell any
        """Return no splits."""
        return ()

    def quotes_from(self, symbol: str) -> date:
        """Return the first day: quotes are made of the bars that there are."""
        return self._sessions[symbol][0]

    def base(self, symbol: str, seconds: int) -> int | None:
        """Return the length in seconds of the longest bars that make up bars of `seconds`; None without any."""
        return max((length for length in self._series[symbol] if seconds % length == 0), default=None)

    def day(self, symbol: str, session: date, base: int) -> Sequence[Bar]:
        """Return the bars of a session, ascending."""
        return self._series[symbol][base].get(session, ())


def _files(folder: Path) -> Sequence[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    except OSError as error:
        message = f"{folder} can't be read: {error.strerror}"
        raise RecordingError(message) from error


def _by_session(rows: Sequence[BarRow], hours: MarketHours) -> _Days:
    days: defaultdict[date, list[Bar]] = defaultdict(list)
    before: BarRow | None = None
    for row in sorted(rows, key=lambda row: row.time):
        if before is not None and before.time == row.time:
            raise _unusable(row, "is there twice" if before.path == row.path else f"is in {before.path}, too")
        before = row
        bar = _bar(row, hours)
        days[bar.session].append(bar)
    return days


def _bar(row: BarRow, hours: MarketHours) -> Bar:
    dated = row.seconds == DAY_SECONDS
    session = row.time.date() if dated and row.time.time() == time() else hours.session_of(row.time)
    # Short days are not looked at: a file may know better than the calendar.
    opens, closes = hours.at(session, hours.extended.opens), hours.at(session, hours.extended.closes)
    if not dated and not opens <= row.time < closes:
        raise _unusable(row, f"lies outside the hours of {row.symbol}: tell them in instruments.toml")
    return Bar(
        session=session,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        average=typical_price(row.open, row.high, row.low, row.close),
        count=max(1, row.volume // 100),
        start=None if dated else row.time,
    )


def _unusable(row: BarRow, cause: str) -> RecordingError:
    return RecordingError(f"{row.path} can't be used: the bar of {row.time:%Y-%m-%d %H:%M} UTC {cause}")
