"""The Pythons of this machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def interpreter(minor: int) -> str | None:
    """Return a Python 3.`minor`: this one, one on the path, or one that pyenv has."""
    if sys.version_info[:2] == (3, minor):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    by_pyenv = sorted(root.glob(f"versions/3.{minor}.*/bin/python"), key=_patch)
    for found in (*map(str, reversed(by_pyenv)), shutil.which(f"python3.{minor}")):
        if found is not None and _runs(found, minor):
            return found
    return None


def _patch(path: Path) -> int:
    match = re.fullmatch(r"3\.\d+\.(\d+)", path.parent.parent.name)
    return int(match[1]) if match else -1


def _runs(command: str, minor: int) -> bool:
    asked = [command, "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.split() == ["3", str(minor)]
