"""Settings that make no sense are refused in a line that says what to do."""

from pathlib import Path

import pytest

from services.common.settings import load_settings
from services.common.startup import ConfigurationError
from services.ib_host.replay.command import ready_line, serve
from services.ib_host.replay.pacing.limits import PacingMode
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"now": "yesterday"}, "now = yesterday (from --now):"),
        ({"latency_ms": "-1"}, "latency_ms = -1 (from --latency-ms):"),
        ({"server_version": "179"}, "server_version = 179 (from --server-version):"),
        ({"pacing": "fast"}, "pacing = fast (from --pacing): it should be 'off', 'ib' or 'strict'."),
        ({"pacing_scale": "0"}, "pacing_scale = 0 (from --pacing-scale):"),
        ({"bind": "0.0.0.0"}, "bind = 0.0.0.0"),
        ({"data": "generated:A?days=0"}, "data = generated:A?days=0 does not say what to generate: days should"),
        ({"data": "/nowhere.csv"}, "data = /nowhere.csv can't be read: No such file or directory."),
        ({"faults": "/nowhere.toml"}, "faults = /nowhere.toml can't be read: No such file or directory."),
        ({"fault": ["sillent"]}, "fault: there is no fault 'sillent': did you mean silent? docs/replay-gateway-faults"),
        ({"fault": ["silent:nth=0"]}, "fault: nth = 0: Input should be greater than or equal to 1. docs/"),
        ({"journal": "/nowhere/j"}, "journal = /nowhere/j can't be written: No such file or directory. Name a file in"),
    ],
)
async def test_what_makes_no_sense_is_refused(flags: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await serve(load_settings(ReplaySettings, flags={"port": "0", **flags}))
    assert str(refusal.value).startswith(complaint)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("pacing", "rate", "most"),
    [("off", None, None), ("ib", None, 50), ("strict", None, 50), ("off", 7, 7), ("ib", 100, 100)],
)
def test_messages_are_limited_where_pacing_is_or_a_rate_is_given(
    pacing: str, rate: int | None, most: int | None
) -> None:
    settings = ReplaySettings(pacing=PacingMode(pacing), message_rate=rate)
    assert settings.most_messages == most


def test_variables_divide_rules_by_commas_and_keys_by_semicolons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTRDR_REPLAY_GATEWAY_FAULT", "silent:nth=3;times=2,restart")
    silent, restart = [count.rule for count in ReplayServer(load_settings(ReplaySettings)).faults.counts]
    assert (silent.name, silent.nth, silent.times, restart.name) == ("silent", 3, 2, "restart")


def test_flags_go_before_the_file_and_replace_its_seed(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("seed = 4\n[[rule]]\non = 49\naction = 'silent'\n")
    server = ReplayServer(ReplaySettings(faults=path, fault=("cut",), seed=9))
    assert ([count.rule.name for count in server.faults.counts], server.faults.seed) == (["cut", "rule 1"], 9)
    assert ReplayServer(ReplaySettings(faults=path)).faults.seed == 4


def test_the_documentation_shows_the_line_that_tells_what_is_served() -> None:
    settings = ReplaySettings(data="generated:AAPL,EUR.USD,ES.FUT", fault=("restart",), pacing=PacingMode.IB)
    page = (Path(__file__).parents[3] / "docs/replay-gateway.md").read_text(encoding="utf-8")
    assert f"\n{ready_line(ReplayServer(settings), settings)}\n" in page


def test_windows_are_scaled_and_shortened_by_what_is_tolerated() -> None:
    limits = ReplaySettings(pacing_scale=0.01, pacing_tolerance_ms=50).pacing_limits
    assert limits.window_seconds(600) == pytest.approx(5.95)
    assert limits.window_seconds(2) == 0
