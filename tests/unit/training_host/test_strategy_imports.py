"""Checking a strategy loads no numeric library: the host's process stays small, and its start quick."""

import subprocess
import sys


def test_checking_a_strategy_loads_nothing_heavy() -> None:
    program = (
        "import sys, services.training_host.strategy.check, services.training_host.strategy_command\n"
        "heavy = ('torch', 'numpy', 'pandas', 'pyarrow', 'talib', 'safetensors')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
