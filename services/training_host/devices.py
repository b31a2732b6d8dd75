"""The devices of this machine, as the host shows them."""

import asyncio
import contextlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from ktrdr.host.v1.host_pb2 import Device, Host

from services.host.allotment import Allotment
from services.host.device_pool import DevicePool
from services.training_host.cuda_ids import CudaIds

PROBE_SECONDS: Final = 60.0
"""Longest time to look for devices: loading torch takes seconds, a first look at a GPU some more."""


class Devices:
    """Lists the processor at once, and accelerators as soon as a process of its own has found them.

    Args:
        environment: Environment of that process.
        look: Whether to look for accelerators.
        listed: Accelerators that are known without a look, by the ids that CUDA knows them by.

    Attributes:
        pool: The accelerators, for sessions to have for themselves.
    """

    def __init__(self, environment: Mapping[str, str], *, look: bool, listed: Sequence[str] = ()) -> None:
        self._environment = dict(environment)
        self._look = look and not listed
        self._cuda = CudaIds(self._environment, listed)
        self._found = [
            Device(name="cpu", description=f"{platform.machine()} processor, {os.cpu_count()} cores"),
            *(Device(name=f"cuda:{index}", description=f"GPU {name}") for index, name in enumerate(listed)),
        ]
        self.pool = DevicePool(None if self._look else [device.name for device in self._found[1:]])
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
        for device in self._found:
            shown = host.devices.add()
            shown.CopyFrom(device)
            shown.session_id = self.pool.holder(device.name)

    def worker_environment(self, allotment: Allotment) -> Mapping[str, str]:
        """Return the variables by which a session's worker sees its own devices only."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(self._cuda.ids(allotment.devices))}

    async def _probe(self) -> None:
        found: list[Device] = []
        try:
            found = accelerators(await self._probe_output())
        except (OSError, TimeoutError, ValueError) as error:
            structlog.get_logger().warning("device_probe_failed", cause=type(error).__name__)
        self._found += found
        # The probe names the best one last, which is the first one of CUDA's.
        self.pool.find([device.name for device in reversed(found)])

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
