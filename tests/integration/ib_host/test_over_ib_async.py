"""The same tests pass with the other client library, in an environment of its own."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-ib-async" / "bin" / "python"
PARTS = {
    "adapter": [
        "tests/unit/ib_host/test_client_library.py",
        "tests/unit/ib_host/test_gateway_connection.py",
        "tests/integration/ib_host/test_library_conflict.py",
        "tests/integration/ib_host/test_library_connecting.py",
        "tests/integration/ib_host/test_library_on_other_pythons.py",
    ],
    "host": [
        "tests/contract/ib_host/test_ib_host_service.py",
        "tests/integration/ib_host/test_gateway_requests.py",
        "tests/integration/ib_host/test_request_outcomes.py",
    ],
    "gateway": [
        "tests/integration/replay/test_replay_connecting.py",
        "tests/integration/replay/test_unmodified_clients.py",
    ],
}


def test_the_environment_with_ib_async_is_there() -> None:
    assert PYTHON.exists(), "run the tests with `make test`, which sets it up"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", PARTS)
def test_the_same_tests_pass(part: str, tmp_path: Path) -> None:
    command = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tests'}"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    asked = subprocess.run(
        [*command, *PARTS[part]], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stdout[-20_000:] + asked.stderr[-2_000:]
    assert " passed" in asked.stdout
