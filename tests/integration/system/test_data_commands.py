"""`ktrdr data`, `gateway` and `doctor`, and the client's calls, against all services as processes."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest
from ktrdr.ib.v1.bars_pb2 import SOURCE_IMPORTED
from ktrdr.ib.v1.ib_pb2 import Finding
from ktrdr_client import Client
from ktrdr_client.cli.main import main

from examples.keep_up_to_date import main as keep_up_to_date
from tests.support.running_system import RunningSystem

pytestmark = pytest.mark.xdist_group("system-data")


class Ended(NamedTuple):
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system whose gateway has made-up bars of two stocks, a currency pair and an index."""
    data = ("--data", "generated:AAPL,MSFT,EUR.USD,SPX.IND?seed=3&days=12")
    with RunningSystem(tmp_path_factory.mktemp("system") / "home", gateway_arguments=data) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def loaded(system: RunningSystem) -> Ended:
    """The hourly bars of both stocks are stored."""
    code = main(
        ["data", "load", "AAPL", "MSFT", "1h", "--mode", "full", "--quiet"],
        {"KTRDR_SERVER": system.operations.address},
    )
    return Ended(code, "", "")


@pytest.fixture
def ktrdr(system: RunningSystem, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Call the command in this process."""

    def run(*words: str) -> Ended:
        code = main(words, {"KTRDR_SERVER": system.operations.address, "KTRDR_HOME": str(tmp_path)})
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    return run


def as_json(ended: Ended) -> Any:
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_several_instruments_are_told_one_by_one(ktrdr: Run, loaded: Ended) -> None:
    assert loaded.code == 0
    again = ktrdr("data", "load", "AAPL", "MSFT", "1h", "--mode", "full", "--reload")
    assert again.code == 0
    assert "  AAPL: " in again.err
    assert "  MSFT: " in again.err
    assert "bars           AAPL 1h: " in again.out
    assert "(nothing new)  (REPLAY)" in again.out
    assert "known before" in ktrdr("data", "load", "AAPL", "1h", "--mode", "full").out


def test_without_a_start_a_load_goes_on_where_the_last_one_ended(ktrdr: Run) -> None:
    assert "(nothing new)" in ktrdr("data", "load", "AAPL", "1h").out
    refused = ktrdr("data", "load", "AAPL", "SPX", "1h")
    assert refused.code == 2
    assert "ktrdr data load SPX 1h --mode full" in refused.err
    loaded = ktrdr("data", "load", "SPX", "1h", "--type", "index", "--exchange", "CBOE", "--mode", "full")
    assert loaded.code == 0, loaded.out
    assert ktrdr("data", "load", "SPX", "1h").code == 0
    assert "SPX 1h" in ktrdr("data", "load", "SPX", "1h", "--mode", "local", "--type", "index").out


def test_a_currency_pair_is_loaded_by_its_midpoint(ktrdr: Run) -> None:
    loaded = ktrdr("data", "load", "EURUSD", "1h", "--mode", "full")
    assert loaded.code == 0, loaded.out
    assert "EUR.USD 1h: " in loaded.out
    listed = ktrdr("data", "list", "EUR.USD").out.splitlines()[1].split()
    assert listed[:5] == ["EUR.USD", "1h", "REPLAY", "midpoint", "rth"]
    assert "EUR.USD 1h midpoint" in ktrdr("data", "show", "EUR/USD", "1h").out


def test_all_datasets_are_checked_or_one_in_full(ktrdr: Run) -> None:
    every = as_json(ktrdr("data", "check", "-o", "json"))["verdicts"]
    assert {each["dataset"]["key"]["instrument"]["symbol"] for each in every} >= {"AAPL", "MSFT"}
    table = ktrdr("data", "check", "AAPL")
    assert table.out.splitlines()[0].split() == [
        "SYMBOL", "BARS", "SOURCE", "FROM", "TO", "STORED", "EXPECTED", "VERDICT",
    ]  # fmt: skip
    one = ktrdr("data", "check", "AAPL", "1h")
    assert "sessions  " in one.out
    assert "REPLAY: recorded history" in one.out
    assert ktrdr("data", "check", "NONE").code == 1
    assert "ktrdr data load NONE 1h" in ktrdr("data", "check", "NONE", "1h").err


def test_gaps_come_with_the_command_that_loads_them(ktrdr: Run, system: RunningSystem) -> None:
    first = as_json(ktrdr("data", "list", "MSFT", "-o", "json"))["datasets"][0]["first_bar_time"]
    loaded = ktrdr("data", "load", "MSFT", "15min", "--start", first[:10], "--end", first[:10])
    assert loaded.code == 0, loaded.out
    with Client(system.operations.address) as client:
        last = client.data.bars("MSFT", "1h").table.column("time")[-1].as_py()
        missing = client.data.gaps("MSFT", "15min", start=first[:10], end=last)
        assert sum(span.bars for span in missing) > 100
        assert client.data.check("MSFT", "15min", end=last).missing_bars == sum(span.bars for span in missing)
    shown = ktrdr("data", "gaps", "MSFT", "15min", "--end", f"{last:%Y-%m-%d}")
    assert "never asked for" in shown.out
    command = shown.err.split("load them:")[1].split("\n")[0].split()
    assert ktrdr(*command[1:]).code == 0
    left = as_json(ktrdr("data", "gaps", "MSFT", "15min", "--end", f"{last:%Y-%m-%d}", "-o", "json"))
    assert all(gap["reason"] != "REASON_NOT_LOADED" for gap in left["gaps"])
    strict = ktrdr("data", "check", "MSFT", "15min", "--end", f"{last:%Y-%m-%d}", "--strict")
    assert strict.code == (0 if "complete" in strict.out.splitlines()[0] else 1)


def test_what_is_exported_and_imported_is_exported_again(ktrdr: Run, tmp_path: Path) -> None:
    first, again, parquet = (str(tmp_path / name) for name in ("first.csv", "again.csv", "bars.parquet"))
    exported = ktrdr("data", "export", "AAPL", "1h", first)
    assert exported.code == 0, exported.err
    assert "source REPLAY: recorded history" in exported.err
    assert ktrdr("data", "export", "AAPL", "1h", first).code == 1
    assert ktrdr("data", "export", "AAPL", "1h", first, "--force").code == 0
    assert ktrdr("data", "export", "AAPL", "1h", parquet, "-q").code == 0
    imported = ktrdr("data", "import", parquet, "COPY", "1h", "--primary-exchange", "NASDAQ")
    assert imported.code == 0, imported.err
    assert "(IMPORTED)" in imported.out
    assert "0 of them new" in ktrdr("data", "import", first, "COPY", "1h", "--primary-exchange", "NASDAQ").out
    record = as_json(ktrdr("data", "export", "COPY", "1h", again, "-o", "json"))
    assert record["rows"] == pq.read_table(parquet).num_rows
    assert Path(again).read_bytes() == Path(first).read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again.csv", "bars.parquet", "first.csv"]


def test_what_cannot_be_exported_leaves_nothing(ktrdr: Run, tmp_path: Path) -> None:
    target = tmp_path / "none.csv"
    assert ktrdr("data", "export", "AAPL", "1h", str(target), "--start", "1990-01-01", "--end", "1990-01-02").code == 1
    assert ktrdr("data", "export", "NONE", "1h", str(target)).code == 1
    assert "No such file" in ktrdr("data", "export", "AAPL", "1h", str(tmp_path / "no" / "bars.csv")).err
    assert not list(tmp_path.iterdir())


def test_a_file_at_fault_is_refused_by_line(ktrdr: Run, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("date,open,high,low,close\n2000-03-01,1,2,1,2\n2000-03-02,1,x,1,2\n")
    refused = ktrdr("data", "import", str(path), "BAD", "1d")
    assert refused.code == 2
    assert "line 3: high: 'x' is no number" in refused.err
    path.write_text("date,open,high,low,close\n2000-03-01,1,0.5,1,2\n")
    assert "line 2: high 0.5 is below close 2" in ktrdr("data", "import", str(path), "BAD", "1d").err
    assert ktrdr("data", "import", str(tmp_path / "no.csv"), "BAD", "1d").code == 1
    assert "no bars are stored for BAD" in ktrdr("data", "list", "BAD").err


def test_frames_go_in_and_come_out(system: RunningSystem) -> None:
    times = pd.date_range("2024-01-02", periods=5, freq="D", tz="America/New_York")
    frame = pd.DataFrame({name: [1.5, 2.5, 3.5, 4.5, 5.5] for name in ("Open", "High", "Low", "Close")}, index=times)
    notes: list[str] = []
    with Client(system.operations.address) as client:
        answer = client.data.import_bars(frame.assign(note="x"), "FRAME", "1d", on_note=notes.append)
        assert (answer.received_rows, answer.dataset.key.source) == (5, SOURCE_IMPORTED)
        assert notes == ["columns left out: note"]
        bars = client.data.bars("FRAME", "1d", columns=["close", "open"])
        assert bars.table.column_names == ["time", "close", "open"]
        assert bars.to_polars().get_column("close").to_list() == [1.5, 2.5, 3.5, 4.5, 5.5]
        assert str(bars.to_pandas().index.dtype).endswith("UTC]")
        assert f"{bars.to_pandas().index[0]:%Y-%m-%d %H}" == "2024-01-02 00"
        replaced = client.data.import_bars(frame.iloc[:2], "FRAME", "1d", replace=True)
        assert replaced.dataset.rows == 2
        sink = io.BytesIO()
        assert client.data.export("FRAME", "1d", sink, file_format="csv").rows == 2
        assert sink.getvalue().decode().splitlines()[1].startswith("2024-01-02,1.5,1.5,")


def test_the_gateway_and_everything_else_are_diagnosed(ktrdr: Run, system: RunningSystem) -> None:
    shown = ktrdr("gateway")
    assert shown.code == 0
    assert "socket         open for" in shown.out
    assert "short bars in 10 min" in shown.out
    whole = ktrdr("doctor")
    assert whole.code == 0, whole.out
    assert all(area in whole.out for area in ("services", "gateway of ib-host (REPLAY", "store of ib-host", "devices"))
    with Client(system.operations.address) as client:
        findings = client.data.diagnose("EUR.USD").findings
        assert {finding.name for finding in findings} >= {"socket", "client id", "clock", "permissions"}
    tried = [json.loads(line) for line in ktrdr("doctor", "ib", "MSFT", "-o", "jsonl").out.splitlines()]
    assert not [each for each in tried if each["state"] == Finding.State.Name(Finding.STATE_PROBLEM)]
    store = ktrdr("doctor", "store").out
    assert "ib-host disk" in store
    assert "datasets, " in store
    assert "cpu: " in ktrdr("doctor", "gpu").out
    unknown = ktrdr("doctor", "ib", "NOSUCH")
    assert unknown.code == 1
    assert "✗ PROBLEM" in unknown.out


def test_the_example_keeps_symbols_up_to_date(
    system: RunningSystem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / "bars"), "2h", "AAPL", "EUR.USD", "--server", system.operations.address]
    keep_up_to_date(words)
    assert ": 0 bars" not in capsys.readouterr().out
    keep_up_to_date(words)
    again = capsys.readouterr().out.splitlines()
    assert [", 0 new, " in line and line.endswith("REPLAY") for line in again] == [True, True]
    assert pq.read_table(tmp_path / "bars" / "EUR.USD_2h.parquet").num_rows > 10


def test_damaged_bars_are_a_problem(ktrdr: Run, system: RunningSystem, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("date,open,high,low,close\n2000-03-01,1,2,1,2\n2000-03-02,1,2,1,2\n")
    assert ktrdr("data", "import", str(path), "HURT", "1d").code == 0
    (manifest,) = system.home.rglob("imported/HURT-*/**/manifest.json")
    (part,) = manifest.parent.glob("*.parquet")
    whole = part.read_bytes()
    part.write_bytes(whole[:-100])
    damaged = ktrdr("data", "check", "HURT")
    assert damaged.code == 1
    assert "DAMAGED" in damaged.out
    part.write_bytes(whole)
    manifest.write_text("{")
    told = ktrdr("doctor", "store")
    assert told.code == 1
    assert "✗ PROBLEM damaged" in told.out
    assert "HURT-" in told.out
