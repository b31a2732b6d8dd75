"""What training hosts can compute with."""

from ktrdr.host.v1.host_pb2 import Device
from ktrdr.ib.v1.ib_pb2 import Finding
from ktrdr.operations.v1.operations_pb2 import HostRecord

from ktrdr_client.cli.doctor.findings import Area, ok, skipped, warning
from ktrdr_client.cli.doctor.services import Services

_PROCESSOR = "cpu"


def gpu_area(services: Services) -> Area:
    """Return what the training hosts have found on their machines."""
    if not services.training_hosts:
        return Area("devices", [skipped("devices", "there is no training host to ask")])
    return Area("devices", [each for record in services.training_hosts for each in _findings(record)])


def _findings(record: HostRecord) -> list[Finding]:
    devices = record.host.devices
    if not devices:
        return [skipped(record.name, "it has not told yet what it has")]
    gpus = [device for device in devices if device.name != _PROCESSOR]
    findings = [ok(record.name, _words(device)) for device in devices]
    if not gpus:
        advice = (
            "if that machine has one, its torch does not see it. Look there:\n"
            'python -c "import torch; print(torch.__version__, torch.cuda.is_available())"'
        )
        findings.append(warning(record.name, "no GPU: trainings use the processor", advice))
    return findings


def _words(device: Device) -> str:
    taken = f", used by session {device.session_id}" if device.session_id else ""
    return f"{device.name}: {device.description}{taken}"
