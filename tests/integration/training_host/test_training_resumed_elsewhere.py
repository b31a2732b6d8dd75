"""Another process takes up a training from files, and comes to the same end."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ktrdr_bridge import Cancelled

from tests.support.resumed_loop import RECIPE, read_state, write_state
from tests.support.training_loops import RecordedProgress, differences

ROOT = Path(__file__).parents[3]


def test_another_process_comes_to_the_same_end(tmp_path: Path) -> None:
    torch.manual_seed(7)
    unbroken, _ = RECIPE.loop(RecordedProgress())
    unbroken.run()
    expected = unbroken.state()
    torch.manual_seed(7)
    loop, _ = RECIPE.loop(RecordedProgress(stop_at=[6]))  # in the second epoch
    with pytest.raises(Cancelled):
        loop.run()
    write_state(tmp_path, "state", loop.state())
    command = [sys.executable, "-m", "tests.support.resumed_loop", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=100)
    assert not differences(read_state(tmp_path, "end"), expected)
