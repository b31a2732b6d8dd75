"""What importing the client costs, and what it must not bring along."""

import subprocess
import sys

import pytest


def _modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import ktrdr_client.client",
        "import ktrdr_client.async_client, ktrdr_client.cli.ops",
        "import ktrdr_client.cli.data.app, ktrdr_client.cli.doctor.app",
    ],
)
def test_the_client_brings_no_heavy_library_and_no_service(statement: str) -> None:
    loaded = {name.partition(".")[0] for name in _modules_after(statement)}
    assert not loaded & {"torch", "pandas", "pyarrow", "numpy", "ib_insync", "services", "ktrdr_bridge", "plotext"}


def test_the_tree_of_commands_is_built_without_the_commands() -> None:
    loaded = _modules_after("from ktrdr_client.cli.root import root_command; root_command()")
    assert "ktrdr_client.cli.ops" not in loaded
    assert "grpc" not in loaded


def test_every_public_name_is_there() -> None:
    import ktrdr_client

    for name in ktrdr_client.__all__:
        assert getattr(ktrdr_client, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = ktrdr_client.Nonsense
