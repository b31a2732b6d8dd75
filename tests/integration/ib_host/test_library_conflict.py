"""Two client libraries in one environment: the command says what to do."""

import os
import subprocess
import sys
from pathlib import Path

from services.ib_host.connection.library.installed import IS_IB_ASYNC


def test_a_second_library_is_told_in_one_line(tmp_path: Path) -> None:
    other = "ib_insync" if IS_IB_ASYNC else "ib_async"
    (tmp_path / f"{other}.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "ktrdr_client", "serve", "ib-host", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Both ib_insync and ib_async are installed" in done.stderr
    assert "pip uninstall ib_insync ib_async eventkit aeventkit" in done.stderr
