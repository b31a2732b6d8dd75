"""Bars that cover less than a strategy's range."""

import dataclasses
from pathlib import Path

import pytest
from ktrdr.training.v1.training_pb2 import LocalBars, TrainingSpec
from structlog.testing import capture_logs

from services.training_host.bars.chosen import chosen_bars
from services.training_host.bars.coverage import short_series
from services.training_host.strategy.training_data import TrainingData
from tests.support.datasets import loaded, small_strategy
from tests.support.no_progress import NoProgress
from tests.support.trainings import random_bars

BARS = random_bars(300)
FIRST, LAST = BARS.time(0).date(), BARS.time(-1).date()


def data(start: str, end: str) -> TrainingData:
    return small_strategy(training_data={"start_date": start, "end_date": end}).training_data


@pytest.mark.parametrize(
    ("timeframe", "days_before", "days_after", "short"),
    [("1d", 0, 0, False), ("1d", 10, 10, False), ("1d", 11, 0, True), ("1d", 0, 11, True), ("1month", 41, 41, False)],
)
def test_what_holidays_explain_is_not_told(timeframe: str, days_before: int, days_after: int, short: bool) -> None:
    start = FIRST.fromordinal(FIRST.toordinal() - days_before)
    end = LAST.fromordinal(LAST.toordinal() + days_after)
    series = {("AAPL", timeframe): dataclasses.replace(BARS, timeframe=timeframe)}
    found = list(short_series(loaded(series), data(str(start), str(end))))
    assert [(each.symbol, each.timeframe) for each in found] == ([("AAPL", timeframe)] if short else [])
    assert all((each.first.date(), each.last.date()) == (FIRST, LAST) for each in found)


def test_a_range_that_bars_do_not_cover_is_logged_for_each_series(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    rows = [f"{BARS.time(index):%Y-%m-%d},1,1,1,1,1" for index in range(len(BARS))]
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    load = chosen_bars(TrainingSpec(local=LocalBars(path=str(file))), ib_host="", progress=NoProgress())
    with capture_logs() as logs:
        load(small_strategy(training_data={"start_date": str(FIRST), "end_date": str(LAST)}))
        assert logs == []
        load(small_strategy(training_data={"start_date": str(FIRST), "end_date": "2999-01-01"}))
    assert [(each["event"], each["log_level"], each["last_bar"]) for each in logs] == [
        ("range_not_covered", "warning", str(LAST))
    ]
