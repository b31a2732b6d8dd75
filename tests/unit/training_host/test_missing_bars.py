"""The commands that bring missing bars."""

import shlex

from services.common.errors import reason_name
from services.training_host.bars.missing import COMMAND_LIMIT, MissingBars, fitting, load_commands
from services.training_host.failures import bars_missing
from tests.support.datasets import small_strategy

DATA = small_strategy().training_data
RANGE = "--start 1970-01-01 --end 2013-03-01"


def test_there_is_a_command_for_each_timeframe() -> None:
    missing = [MissingBars("AAPL", "1d"), MissingBars("AAPL", "1w"), MissingBars("BRK B", "1d")]
    assert load_commands(missing, DATA) == [
        f"ktrdr data load AAPL 'BRK B' 1d {RANGE}",
        f"ktrdr data load AAPL 1w {RANGE}",
    ]
    assert load_commands(missing[:1], DATA, "midpoint") == [f"ktrdr data load AAPL 1d {RANGE} --what midpoint"]


def test_long_commands_are_several_that_name_every_symbol_once() -> None:
    symbols = [f"SYMBOL{number}" for number in range(500)]
    commands = load_commands([MissingBars(symbol, "1d") for symbol in symbols], DATA)
    assert len(commands) > 1
    assert all(len(command) <= COMMAND_LIMIT for command in commands)
    assert [word for command in commands for word in shlex.split(command)[3:-5]] == symbols


def test_an_error_carries_whole_commands_only() -> None:
    missing = [MissingBars(f"SYMBOL{number}", "1d") for number in range(500)]
    commands = load_commands(missing, DATA)
    error = bars_missing(missing, DATA)
    assert reason_name(error.reason) == "BARS_MISSING"
    assert error.parameters["command"] == fitting(commands) == commands[0]
    assert "and 495 more. The first command follows; the session's log has all of them" in error.message
    assert len(error.message) <= 1_000


def test_one_missing_series_is_told_as_it_is() -> None:
    error = bars_missing([MissingBars("AAPL", "1w", "Stored are 5 bars")], DATA)
    assert "no stored bars of AAPL at 1w. Stored are 5 bars. Load them with: ktrdr data load AAPL 1w" in error.message
