"""What a benchmark found: told on standard output line by line, and kept as JSON."""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path


class Findings:
    """Targets and figures of one benchmark.

    Args:
        benchmark: Its name.
    """

    def __init__(self, benchmark: str) -> None:
        self._content: dict[str, object] = {
            "benchmark": benchmark,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "load": round(os.getloadavg()[0], 2),
        }
        self._figures: dict[str, object] = {}
        self._checks: list[dict[str, object]] = []

    @property
    def passed(self) -> bool:
        """Every target was met."""
        return all(check["passed"] for check in self._checks)

    def head(self) -> None:
        """Tell where and when this was measured."""
        print(f"CPython {self._content['python']}, {self._content['machine']}, load {self._content['load']}")

    def keep(self, name: str, **figures: object) -> None:
        """Keep figures under a name."""
        self._figures[name] = figures

    def check(self, name: str, value: float | None, told: str, target: str, *, passed: bool) -> bool:
        """Tell whether a target was met, and keep it.

        Args:
            name: What was measured.
            value: What was found, as a number where there is one.
            told: The same for people.
            target: What was aimed at, for people.
            passed: It was met.
        """
        print(f"{'PASS' if passed else 'MISS'}  {name}: {told}, target {target}")
        self._checks.append({"name": name, "value": value, "told": told, "target": target, "passed": passed})
        return passed

    def write(self, path: Path | None) -> int:
        """Write everything as JSON, where a path is given, and return the exit code: 0 where all targets were met."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = {**self._content, "passed": self.passed, "checks": self._checks, "figures": self._figures}
            path.write_text(json.dumps(content, indent=2) + "\n")
        return 0 if self.passed else 1


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--json PATH`."""
    parser.add_argument("--json", type=Path, metavar="PATH", help="write what was found to this file, as JSON")
