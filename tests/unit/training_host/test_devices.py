"""The devices that a host shows: the processor at once, the rest once a process of its own has found them."""

import os

import pytest
from ktrdr.host.v1.host_pb2 import Host

from services.training_host.devices import Devices, accelerators


def names(devices: Devices) -> list[str]:
    host = Host()
    devices.describe(host)
    return [device.name for device in host.devices]


async def test_the_processor_is_shown_at_once_and_stopping_ends_the_look() -> None:
    devices = Devices(os.environ, look=True)
    devices.start()
    assert names(devices) == ["cpu"]
    await devices.stop()


async def test_the_look_itself_finds_no_second_processor() -> None:
    devices = Devices(os.environ, look=True)
    devices.start()
    assert devices._task is not None
    await devices._task
    assert names(devices).count("cpu") == 1


async def test_a_look_that_fails_leaves_the_processor() -> None:
    devices = Devices({**os.environ, "PYTHONHOME": "/nowhere"}, look=True)
    devices.start()
    assert devices._task is not None
    await devices._task
    assert names(devices) == ["cpu"]


async def test_without_a_look_nothing_is_started() -> None:
    devices = Devices(os.environ, look=False)
    devices.start()
    await devices.stop()
    assert names(devices) == ["cpu"]


def test_what_the_probe_prints_is_read() -> None:
    (device,) = accelerators(b'[["cpu", "x86_64 processor"], ["cuda:0", "NVIDIA H100, 80 GiB"]]')
    assert (device.name, device.description) == ("cuda:0", "NVIDIA H100, 80 GiB")
    for output in (b"", b"no", b"[[1]]"):
        with pytest.raises(ValueError):  # noqa: PT011 - any text will do
            accelerators(output)
