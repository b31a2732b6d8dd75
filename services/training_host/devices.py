"""The devices of this machine, as the host shows them."""

import asyncio
import contextlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from ktrdr.host.v1.host_pb2 import Device, Host

PROBE_SECONDS: Final = 60.0
"""Longest time to look for devices: loading torch takes seconds, a first look at a GPU some more."""


class Devices:
    """Lists the processor at once, and accelerators as soon as a process of its own has found them.

    Args:
        environment: Environment of that process.
        look: Whether to look for accelerators.
    """

    def __init__(self, environment: Mapping[str, str], *, look: bool) -> None:
        self._environment = dict(environment)
        self._look = look
        self._found = [Device(name="cpu", description=f"{platform.machine()} processor, {os.cpu_count()} cores")]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._look:
            self._task = asyncio.create_task(self._probe(), name="device-probe")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def describe(self, host: Host) -> None:
        """Add what is known so far to a host's description."""
        host.devices.extend(self._found)

    async def _probe(self) -> None:
        try:
            self._found += accelerators(await self._probe_output())
        except (OSError, TimeoutError, ValueError) as error:
            structlog.get_logger().warning("device_probe_failed", cause=type(error).__name__)

    async def _probe_output(self) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.training_host.model.probe",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), PROBE_SECONDS)
            return output
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def accelerators(output: bytes) -> list[Device]:
    """Read what the probe has printed: everything it found beside the processor.

    Raises:
        ValueError: It is not the probe's list.
    """
    found = [Device(name=name, description=description) for name, description in json.loads(output)]
    return [device for device in found if device.name != "cpu"]


def accelerator_is_likely() -> bool:
    """Tell whether looking for accelerators is worth a process: NVIDIA's driver is loaded, or this is an Apple chip."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()
