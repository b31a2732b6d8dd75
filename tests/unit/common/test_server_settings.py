"""Settings come from flags, variables, a file and defaults, in this order, and a wrong one is named with its place."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from services.common.settings import Port, ServerSettings, is_loopback, load_settings
from services.common.startup import ConfigurationError


class Settings(ServerSettings):
    service: ClassVar[str] = "training_host"
    port: Port = Field(default=5002, description="Port.")
    hosts: list[str] = Field(default=[], description="Hosts.", json_schema_extra={"flag": "--host"})
    weights: dict[str, float] = Field(default={}, description="Weights.")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KTRDR_HOME", str(tmp_path))
    monkeypatch.delenv("KTRDR_CONFIG", raising=False)
    return tmp_path


def _refusal(**flags: object) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(Settings, flags=flags)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_the_stronger_source_wins_field_by_field(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(Settings).port == 5002
    file = home / "ktrdr.toml"
    file.write_text(
        'log_level = "error"\n[training_host]\nport = 1\nname = "file"\ngrace_seconds = 1\nlog_level = "debug"\n'
    )
    monkeypatch.setenv("KTRDR_TRAINING_HOST_PORT", "2")
    monkeypatch.setenv("KTRDR_TRAINING_HOST_NAME", "variable")
    settings = load_settings(Settings, flags={"port": "3", "bind": None})
    assert (settings.port, settings.name, settings.grace_seconds, settings.log_level) == (3, "variable", 1.0, "debug")
    assert (settings.home, settings.folder) == (home, home / "training-host")


def test_a_named_file_is_read_instead_of_the_homes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "ktrdr.toml").write_text("[training_host]\nport = 1\n")
    (home / "by-flag.toml").write_text("[training_host]\nport = 2\n")
    (home / "by-variable.toml").write_text("[training_host]\nport = 3\n[operations]\nany = 1\n")
    assert load_settings(Settings).port == 1
    monkeypatch.setenv("KTRDR_CONFIG", str(home / "by-variable.toml"))
    assert load_settings(Settings).port == 3
    assert load_settings(Settings, config=home / "by-flag.toml").port == 2


@pytest.mark.parametrize(
    ("text", "hosts"),
    [("a=1:2", ["a=1:2"]), ("a=1:2, b=3:4,", ["a=1:2", "b=3:4"]), ('["a", "b,c"]', ["a", "b,c"]), ("", [])],
)
def test_lists_in_variables_are_written_with_commas_or_as_json(
    text: str, hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KTRDR_TRAINING_HOST_HOSTS", text)
    assert load_settings(Settings).hosts == hosts


def test_tables_in_variables_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTRDR_TRAINING_HOST_WEIGHTS", '{"a": 0.5}')
    assert load_settings(Settings).weights == {"a": 0.5}


def test_settings_made_directly_read_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTRDR_TRAINING_HOST_PORT", "7")
    monkeypatch.setenv("PORT", "8")
    assert Settings(home=tmp_path).port == 5002


def test_the_name_is_the_services_where_none_is_given(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).display_name == "training-host"
    assert Settings(home=tmp_path, name="gpu-1").display_name == "gpu-1"


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(home=Path("data")).home == tmp_path / "data"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings(home=Path("~/data")).home == tmp_path / "data"


def test_a_wrong_value_is_named_with_where_it_comes_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _refusal(port="70000") == "port = 70000 (from --port): it should be less than or equal to 65535."
    monkeypatch.setenv("KTRDR_TRAINING_HOST_GRACE_SECONDS", "soon")
    assert "grace_seconds = soon (from KTRDR_TRAINING_HOST_GRACE_SECONDS): it should be a valid number" in _refusal()
    monkeypatch.delenv("KTRDR_TRAINING_HOST_GRACE_SECONDS")
    (home / "ktrdr.toml").write_text('[training_host]\nhosts = ["a", 5]\n')
    assert _refusal() == f"hosts[1] = 5 (from {home}/ktrdr.toml [training_host]): it should be a valid string."
    monkeypatch.setenv("KTRDR_TRAINING_HOST_HOSTS", "[broken")
    assert "hosts = [broken (from KTRDR_TRAINING_HOST_HOSTS)" in _refusal()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[training_host]\nprot = 1\n", "[training_host]: there is no setting prot; did you mean port?"),
        ("[training_host]\nzzz = 1\n", "[training_host]: there is no setting zzz; there are: bind, "),
        ("[training_hosts]\nport = 1\n", ": there is no table [training_hosts]; did you mean [training_host]?"),
        ("training_host = 1\n", ": there is no setting training_host"),
        ("port = 1\n", ": there is no setting port; there are: home, log_format, log_level."),
        ("[training_host]\nready_file = 'x'\n", "there is no setting ready_file"),
        ("[training_host\n", "is not valid TOML: "),
        ("[training_host]\nport = 70000\n", "port = 70000 (from "),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong_in_it(home: Path, content: str, words: str) -> None:
    (home / "ktrdr.toml").write_text(content)
    refusal = _refusal()
    assert words in refusal
    assert str(home / "ktrdr.toml") in refusal


def test_a_file_that_is_named_and_missing_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTRDR_CONFIG", str(home / "none.toml"))
    assert _refusal() == f"cannot read the configuration file {home}/none.toml: No such file or directory."


def test_a_misspelt_variable_is_refused_and_a_strangers_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTRDR_TRAINING_HOST_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KTRDR_TRAINING_HOST_PORT_5002_TCP_ADDR", "10.0.0.1")
    assert load_settings(Settings).port == 5002
    monkeypatch.setenv("KTRDR_TRAINING_HOST_PROT", "1")
    assert _refusal() == "KTRDR_TRAINING_HOST_PROT: there is no such setting; did you mean KTRDR_TRAINING_HOST_PORT?"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.2", "gpu-box", "[::]", "localhost.evil.example"])
def test_an_address_that_others_reach_needs_insecure(address: str) -> None:
    assert "allow it with --insecure" in _refusal(bind=address)
    assert load_settings(Settings, flags={"bind": address, "insecure": True}).bind == address


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_needs_nothing(address: str) -> None:
    assert is_loopback(address)
    assert load_settings(Settings, flags={"bind": address}).bind == address


def test_channelz_stays_on_this_machine() -> None:
    assert "loopback" in _refusal(bind="0.0.0.0", insecure=True, channelz=True)
