"""The operations service stays light: it knows hosts by gRPC alone."""

import subprocess
import sys

HEAVY = ("torch", "pandas", "ib_insync", "services.host", "services.training_host", "services.ib_host")


def test_importing_operations_loads_no_heavy_library_and_no_host() -> None:
    code = (
        "import sys, services.operations.command, services.operations.service\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
