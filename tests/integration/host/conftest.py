from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.host_service import ProbeHostSettings, end_session_processes


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ProbeHostSettings]:
    """Settings of a host in a folder of its own; whatever still works there is ended after the test."""
    yield ProbeHostSettings(home=tmp_path)
    end_session_processes(tmp_path)
