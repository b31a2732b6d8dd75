"""Help, versions, completion and commands that services bring along."""

import asyncio
import json
from pathlib import Path

import pytest
from ktrdr_client.cli.catalog import COMMANDS, SERVICES
from ktrdr_client.cli.main import main

from tests.support.ktrdr_command import Ktrdr, ended


@pytest.fixture
def ktrdr(tmp_path: Path) -> Ktrdr:
    return Ktrdr("127.0.0.1:1", tmp_path)


async def test_help_lists_every_command(ktrdr: Ktrdr) -> None:
    outcome = await ktrdr("--help")
    assert outcome.code == 0
    assert all(f" {name} " in outcome.out for name in COMMANDS)


async def test_help_comes_at_once_because_it_loads_nothing_that_takes_long(ktrdr: Ktrdr) -> None:
    code = "import sys; from ktrdr_client.cli.main import main; main(['--help'], {}); print('loaded:', *sys.modules)"
    outcome = await ended(await ktrdr.start_python("-c", code))
    loaded = {name.partition(".")[0] for name in outcome.out.partition("loaded:")[2].split()}
    assert "ktrdr_client" in loaded
    assert not loaded & {"grpc", "google", "ktrdr", "pydantic", "numpy", "pyarrow", "plotext", "services"}


@pytest.mark.parametrize(
    "words",
    [
        *(f"ops {verb}" for verb in ("list", "get", "wait", "watch", "metrics", "cancel")),
        *(f"data {verb}" for verb in ("load", "find", "list", "show", "check", "gaps", "export", "import")),
        *(f"models {verb}" for verb in ("list", "get", "download")),
        *(f"hosts {verb}" for verb in ("list", "get", "drain", "register", "forget")),
        "up", "train", "gateway", "doctor", "version", "completion", "strategy", "serve operations",
    ],
)  # fmt: skip
def test_every_command_has_help(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"], {}) == 0
    shown = capsys.readouterr().out
    assert f"Usage: ktrdr {words}" in shown
    assert "--help" in shown


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("ops nonsense", "ktrdr ops --help"),
        ("ops list --order-by mood", "create_time"),
        ("data load AAPL 1x --start 2000-03-01", "1month"),
        ("data load 1d --start 2000-03-01", "at least one symbol"),
        ("data load AAPL 1d --start soon", "2000-03-01"),
        ("data load AAPL 1d --mode range", "--mode full"),
        ("data load AAPL 1d --mode everything", "backfill"),
        ("data load EURUSD 1h --mode full --currency CHF", "not in CHF"),
        ("data load ES 1h --mode full --last-trade-date march", "202503"),
        ("data check 1d", "name the symbol before it"),
        ("data check AAPL 1x", "1month"),
        ("data gaps AAPL 1d --source nowhere", "imported"),
        ("data export AAPL 1d bars.txt", ".parquet"),
        ("data export AAPL 1d bars.csv --format xls", "parquet"),
        ("data import - AAPL 1d --time-zone Nowhere/Town", "America/New_York"),
        ("doctor network", "store"),
        ("data load AAPL 1d --start 2000-03-01 --what mid", "midpoint"),
        ("ops wait last --timeout soon", "1h30m"),
        ("ops list --limit 0", "--limit"),
        ("models list --order-by mood", "create_time"),
        ("models get", "name an operation"),
        ("ops list -o xml", "jsonl"),
        ("--server nonsense ops list", "HOST:PORT"),
        ("up --gateway nonsense", "HOST:PORT"),
        ("up --port-offset 70000", "65535"),
    ],
)
def test_wrong_usage_says_what_is_allowed(
    words: str, hint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(words.split(), {"KTRDR_SERVER": "127.0.0.1:1", "KTRDR_HOME": str(tmp_path)}) == 2
    shown = capsys.readouterr()
    assert hint in shown.err
    assert "Value error" not in shown.err
    assert shown.err.startswith("error: ")
    assert not shown.out


async def test_serve_lists_the_services_that_are_installed(ktrdr: Ktrdr) -> None:
    outcome = await ktrdr("serve", "--help")
    assert all(name in outcome.out for name in SERVICES)
    wrong = await ktrdr("serve", "operation")
    assert wrong.code == 2
    assert "operations" in wrong.err


async def test_a_wrong_setting_of_a_service_is_wrong_usage(ktrdr: Ktrdr) -> None:
    outcome = await ktrdr("serve", "operations", "--port", "many")
    assert outcome.code == 2
    assert "port" in outcome.err


async def test_versions(ktrdr: Ktrdr) -> None:
    line, as_json, flag = await asyncio.gather(ktrdr("version"), ktrdr("version", "-o", "json"), ktrdr("--version"))
    assert line.out.startswith("ktrdr ")
    assert flag.out == line.out
    assert set(json.loads(as_json.out)) == {"ktrdr", "python", "grpcio", "protobuf"}


async def test_a_wrong_command_is_corrected(ktrdr: Ktrdr) -> None:
    outcome = await ktrdr("trian")
    assert outcome.code == 2
    assert "Did you mean 'train'?" in outcome.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_scripts(ktrdr: Ktrdr, shell: str) -> None:
    outcome = await ktrdr("completion", shell)
    assert outcome.code == 0
    assert "_KTRDR_COMPLETE" in outcome.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ktrdr op", "ops"),
        ("ktrdr ops wa", "watch"),
        ("ktrdr serve op", "operations"),
        ("ktrdr data ga", "gaps"),
        ("ktrdr data load AAPL 1d --mode back", "backfill"),
        ("ktrdr data check AAPL 1m", "1min"),
        ("ktrdr doctor s", "store"),
    ],
)
async def test_words_are_completed(tmp_path: Path, words: str, expected: str) -> None:
    ktrdr = Ktrdr("127.0.0.1:1", tmp_path)
    extra = {"_KTRDR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    ktrdr.environment.update(extra)
    outcome = await ktrdr()
    assert expected in outcome.out.split(), outcome
