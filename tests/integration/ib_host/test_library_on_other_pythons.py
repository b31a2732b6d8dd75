"""Importing the adapter gives no warning and leaves no loop open, under every Python that this machine has."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from services.ib_host.connection.library import library_name
from services.ib_host.connection.library.installed import LIBRARY
from tests.support.interpreters import interpreter

ROOT = Path(__file__).parents[3]
IMPORT = """
import asyncio, gc, importlib, sys

if "as in 3.14" in sys.argv:
    def get_event_loop(self):
        if self._local._loop is None:
            raise RuntimeError("There is no current event loop")
        return self._local._loop
    asyncio.events.BaseDefaultEventLoopPolicy.get_event_loop = get_event_loop

def adapter():
    return importlib.import_module("services.ib_host.connection.library")

async def adapter_on_a_loop():
    return adapter()

if "no loop" in sys.argv:
    found = adapter()
elif "running loop" in sys.argv:
    found = asyncio.run(adapter_on_a_loop())
else:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        found = runner.run(adapter_on_a_loop())
gc.collect()
assert not [loop for loop in gc.get_objects() if isinstance(loop, asyncio.BaseEventLoop) and not loop.is_closed()]
print(found.library_name())
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Return a folder with the installed library and what it is made of.

    NumPy is compiled for one version of Python, so something of its name stands in: importing uses nothing of it.
    """
    for name in (LIBRARY.__name__, "eventkit", "nest_asyncio", "tzdata"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (tmp_path / found.name).symlink_to(found)
    for metadata in {
        *found.parent.glob(f"{LIBRARY.__name__}-*.dist-info"),
        *found.parent.glob("*eventkit-*.dist-info"),
    }:
        (tmp_path / metadata.name).symlink_to(metadata)
    (tmp_path / "numpy.py").write_text("def __getattr__(name): raise AttributeError(name)\n")
    return tmp_path


@pytest.mark.parametrize("where", ["no loop", "running loop", "loop of a factory"])
@pytest.mark.parametrize(("minor", "rules"), [(12, ""), (13, ""), (13, "as in 3.14"), (14, "")])
def test_importing_is_silent(libraries: Path, minor: int, rules: str, where: str) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"no Python 3.{minor} here")
    done = subprocess.run(
        [python, "-S", "-W", "error", "-c", IMPORT, where, rules],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{libraries}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", f"{library_name()}\n")
