"""Reading recorded daily history: a CSV file with one row per stock and session."""

import csv
import gzip
import io
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from math import inf
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """One session of one stock as it was quoted on that day.

    Attributes:
        session: trading day in New York.
        open, high, low, close: dollars, not adjusted for anything that happened later.
        volume: shares.
        adjusted_close: `close` scaled for all later splits and dividends that the file's makers knew of.
    """

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    adjusted_close: float


class RecordingError(Exception):
    """The file is not a recording: the message says which one and why."""


@cache
def read_packaged_recording() -> Mapping[str, Sequence[RecordedDay]]:
    """Read the daily history of AAPL, FB, GOOG, IBM and MSFT that comes with bokeh_sampledata, by symbol.

    The file is opened as a package resource: importing the package's own module would ask for bokeh.
    """
    packed = resources.files("bokeh_sampledata").joinpath("_data", "stocks.csv.gz").read_bytes()
    return _by_symbol(csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8"))))


def read_recording(path: Path) -> Mapping[str, Sequence[RecordedDay]]:
    """Read another recording with the same columns: Ticker, Date, Open, High, Low, Close, Volume, Adj Close.

    Args:
        path: a CSV file, gzip-packed when its name ends in .gz.

    Raises:
        RecordingError: the file can't be read, or a row of it makes no sense.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
        recording = _by_symbol(csv.DictReader(io.StringIO(text)))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        message = f"{path} can't be read: {cause}"
        raise RecordingError(message) from error
    except KeyError as error:
        message = f"{path} lacks the column {error}"
        raise RecordingError(message) from error
    except (ValueError, TypeError) as error:
        message = f"{path} holds a value that can't be used: {error}"
        raise RecordingError(message) from error
    if not recording:
        message = f"{path} holds no bars"
        raise RecordingError(message)
    return recording


def _by_symbol(rows: Iterable[Mapping[str, str]]) -> Mapping[str, Sequence[RecordedDay]]:
    days: defaultdict[str, dict[date, RecordedDay]] = defaultdict(dict)
    for row in rows:
        day = RecordedDay(
            session=date.fromisoformat(row["Date"]),
            open=_price(row["Open"]),
            high=_price(row["High"]),
            low=_price(row["Low"]),
            close=_price(row["Close"]),
            volume=int(row["Volume"]),
            adjusted_close=_price(row["Adj Close"]),
        )
        if days[row["Ticker"]].setdefault(day.session, day) is not day:
            message = f"{row['Ticker']} has {day.session} twice"
            raise ValueError(message)
    return {symbol: tuple(of_symbol[session] for session in sorted(of_symbol)) for symbol, of_symbol in days.items()}


def _price(text: str) -> float:
    price = float(text)
    if not 0 < price < inf:
        message = f"{text} is no price"
        raise ValueError(message)
    return price
