from pathlib import Path

import pytest

from tests.support.host_service import ProbeHostSettings


@pytest.fixture
def settings(tmp_path: Path) -> ProbeHostSettings:
    """Settings of a host in a folder of its own."""
    return ProbeHostSettings(home=tmp_path)
