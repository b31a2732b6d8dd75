"""Hosts and intervals as people configure them."""

from pathlib import Path

import pytest

from services.common.settings import load_settings
from services.common.startup import ConfigurationError
from services.operations.host_address import HostAddress
from services.operations.settings import OperationsSettings


def load(tmp_path: Path, **flags: object) -> OperationsSettings:
    return load_settings(OperationsSettings, config=None, flags={"home": str(tmp_path), **flags})


def test_without_configuration_the_hosts_of_this_machine_are_followed(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.hosts == (HostAddress("training-host", "127.0.0.1:5002"), HostAddress("ib-host", "127.0.0.1:5001"))
    assert settings.port == 5003
    assert settings.store_path == tmp_path / "operations" / "operations.sqlite3"


def test_hosts_come_from_flags_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ktrdr.toml").write_text('[operations]\nhosts = ["file=a:1", "file-2=b:2"]\n')
    assert [host.name for host in load(tmp_path).hosts] == ["file", "file-2"]
    monkeypatch.setenv("KTRDR_OPERATIONS_HOSTS", "env=a:1, env-2=b:2")
    assert load(tmp_path).hosts[1] == HostAddress("env-2", "b:2")
    assert load(tmp_path, hosts=["flag=[::1]:7"]).hosts == (HostAddress("flag", "[::1]:7"),)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"hosts": ["gpu"]}, "NAME=HOST:PORT"),
        ({"hosts": ["gpu=host"]}, "NAME=HOST:PORT"),
        ({"hosts": ["gpu=host:0"]}, "NAME=HOST:PORT"),
        ({"hosts": ["gpu=host:70000"]}, "NAME=HOST:PORT"),
        ({"hosts": ["a b=host:1"]}, "NAME=HOST:PORT"),
        ({"hosts": ["gpu=a:1", "gpu=b:1"]}, "two hosts have the name gpu: gpu=a:1 and gpu=b:1"),
        ({"hosts": ["a=x:1", "b=x:1"]}, "two hosts have the address x:1"),
        ({"poll_wait_seconds": 0}, "poll_wait_seconds"),
        ({"poll_min_interval_seconds": 20}, "poll_max_interval_seconds"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, flags: dict[str, object], part: str) -> None:
    with pytest.raises(ConfigurationError, match=r"host|poll_") as refused:
        load(tmp_path, **flags)
    assert part in str(refused.value)
