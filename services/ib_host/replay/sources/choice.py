"""What the setting `data` names."""

from pathlib import Path

from services.ib_host.replay.history import SourceHistory
from services.ib_host.replay.recorded import read_recording
from services.ib_host.replay.served_history import ServedHistory
from services.ib_host.replay.sources.folder import open_folder
from services.ib_host.replay.sources.generated import GeneratedBars
from services.ib_host.replay.sources.generated_instruments import generated_instruments
from services.ib_host.replay.sources.generator_text import PREFIX, parse_generator
from services.ib_host.replay.sources.intraday import IntradayHistory
from services.ib_host.replay.sources.stored_bars import dataset_folders, open_stored


def open_history(data: str | None) -> ServedHistory:
    """Return the history that a setting names; without one, that of bokeh_sampledata.

    Raises:
        RecordingError: it can't be read.
    """
    if not data:
        return SourceHistory.packaged()
    if data.startswith(PREFIX):
        spec = parse_generator(data)
        known = generated_instruments(spec.symbols, spec.start, spec.days)
        bars = GeneratedBars(spec, known)
        return IntradayHistory(bars, {symbol: known[symbol] for symbol in bars.symbols})
    path = Path(data)
    if not path.is_dir():
        return SourceHistory(read_recording(path))
    return open_stored(path) if dataset_folders(path) else open_folder(path)
