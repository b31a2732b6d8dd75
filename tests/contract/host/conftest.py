from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.host_service import ProbeHostSettings
from tests.support.scripted_work import ScriptedHost, scripted_host


@pytest.fixture
def settings(tmp_path: Path) -> ProbeHostSettings:
    """Settings of a host in a folder of its own, with room for two open watches."""
    return ProbeHostSettings(home=tmp_path, name="box-7", watch_limit=2)


@pytest.fixture
async def served(settings: ProbeHostSettings) -> AsyncIterator[ScriptedHost]:
    """A host behind a real server, whose sessions do what the test says."""
    async with scripted_host(settings) as served:
        yield served
