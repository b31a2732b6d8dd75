"""Settings of the training host."""

from pathlib import Path

import pytest

from services.common.settings import load_settings
from services.common.startup import ConfigurationError
from services.training_host.settings import TrainingHostSettings


def test_defaults_and_flags(tmp_path: Path) -> None:
    settings = load_settings(TrainingHostSettings, flags={"home": str(tmp_path), "ib_host": "box.lan:6001"})
    assert (settings.port, settings.slots, settings.threads, settings.spare_workers) == (5002, 1, 1, 0)
    assert settings.ib_host == "box.lan:6001"
    assert settings.folder == tmp_path / "training-host"


@pytest.mark.parametrize(
    ("field", "value"), [("ib_host", "5001"), ("ib_host", "a:b"), ("threads", "0"), ("spare_workers", "9")]
)
def test_a_wrong_value_names_its_field(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{field} = {value}"):
        load_settings(TrainingHostSettings, flags={"home": str(tmp_path), field: value})
