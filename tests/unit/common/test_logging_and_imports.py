"""Log lines are JSON where nobody watches, libraries included; importing what servers share stays cheap."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "pandas", "numpy", "pyarrow", "ib_insync", "sqlalchemy", "matplotlib")

WRITE = """
import logging, structlog
from services.common.log import configure_logging
configure_logging(level="info", form="{form}", service="operations", name="main")
structlog.contextvars.bind_contextvars(request_id="r-1")
structlog.get_logger().debug("hidden")
structlog.get_logger().info("host_added", host="gpu-1", age_seconds=1.5)
logging.getLogger("a.library").warning("low on %s", "space")
secret = "hush"
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("handler_failed")
"""


def _write(form: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", WRITE.format(form=form)], check=True, capture_output=True, text=True)
    assert run.stdout == ""
    return run.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_each_line_is_one_json_object_with_the_context(form: str) -> None:
    added, library, failed = map(json.loads, _write(form))
    assert added | {"timestamp": ""} == {
        "event": "host_added",
        "host": "gpu-1",
        "age_seconds": 1.5,
        "level": "info",
        "request_id": "r-1",
        "service": "operations",
        "name": "main",
        "timestamp": "",
    }
    assert added["timestamp"].endswith("Z")
    assert (library["event"], library["level"], library["service"]) == ("low on space", "warning", "operations")
    assert "ZeroDivisionError" in failed["exception"]


def test_the_console_form_is_for_people() -> None:
    first, *others = _write("console")
    assert "host_added" in first
    assert "host=gpu-1" in first
    assert not first.startswith("{")
    assert any("ZeroDivisionError" in line for line in others)
    assert not any("hush" in line for line in others)


@pytest.mark.parametrize("module", ["bootstrap", "serve_command", "process", "errors", "settings", "files"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, services.common.{module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == []
