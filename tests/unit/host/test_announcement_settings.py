"""What a host can be told about announcing itself."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.host.announcement import announcement_of
from tests.support.host_service import ProbeHostSettings


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"announce_to": "nowhere"}, "announce_to"),
        ({"announce_to": "h:1", "announce_as": "a b"}, "announce_as"),
        ({"announce_to": "h:1", "announce_address": "h"}, "announce_address"),
        ({"announce_lease_seconds": 0}, "announce_lease_seconds"),
        ({"announce_to": "10.0.0.1:5003"}, "--announce-address"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, fields: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        ProbeHostSettings(home=tmp_path, **fields)


def test_hosts_are_announced_where_somebody_asks_for_it(tmp_path: Path) -> None:
    assert announcement_of(ProbeHostSettings(home=tmp_path), "uid", 5002) is None
    for fields in ({"announce_to": "127.0.0.1:5003"}, {"announce_to": "h:5003", "announce_address": "gpu-1:5002"}):
        assert announcement_of(ProbeHostSettings(home=tmp_path, **fields), "uid", 5002) is not None  # type: ignore[arg-type]  # texts
