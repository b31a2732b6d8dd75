"""What a training reads is told by its host while it runs, after its end, and after a restart of the host."""

import hashlib
from pathlib import Path

from ktrdr.host.v1.session_pb2 import DatasetUse

from tests.support.eventually import eventually
from tests.support.recorded_bars import write_recorded_bars
from tests.support.training_service import local_spec, served_training_host


async def test_the_file_is_told_as_soon_as_it_was_read(tmp_path: Path) -> None:
    path = write_recorded_bars("AAPL", tmp_path / "AAPL.csv")
    use = DatasetUse(fingerprint=hashlib.sha256(path.read_bytes()).hexdigest(), name=str(path))
    async with served_training_host(tmp_path / "home") as calls:
        spec = local_spec(path, training__epochs="10000", training__early_stopping__patience="10000")
        started = await calls.start(spec, session_id="long")
        assert not started.inputs

        async def told() -> bool:
            return bool((await calls.session("long")).inputs)

        await eventually(told, timeout_seconds=150)
        (live,) = (await calls.session("long")).inputs
        use.bars = live.bars
        assert live == use
        assert live.bars > 0
    async with served_training_host(tmp_path / "home") as calls:
        ended = await calls.end("long")
        assert list(ended.inputs) == [use]
