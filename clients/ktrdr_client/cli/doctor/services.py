"""The services: whether they answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ktrdr.host.v1.session_pb2 import HOST_KIND_IB, HOST_KIND_TRAINING
from ktrdr.ib.v1.ib_pb2 import Finding
from ktrdr.operations.v1.operations_pb2 import HostRecord

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.doctor.findings import ok, problem, warning
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.errors import KtrdrError, NotFound
from ktrdr_client.sizes import size_text
from ktrdr_client.states import host_kind_name, host_state_name
from ktrdr_client.times import duration_text

_LITTLE_BYTES = 2 * 2**30
"""Free space below this is worth a warning."""


@dataclass
class Services:
    """What is known of the services."""

    findings: list[Finding] = field(default_factory=list)
    """How each of them stands."""
    ib_hosts: Sequence[HostRecord] = ()
    """IB hosts that may answer."""
    training_hosts: Sequence[HostRecord] = ()
    """Training hosts that may answer."""


async def look_at_services(client: AsyncClient, invocation: Invocation, host: str) -> Services:
    """Ask the operations service for the hosts.

    Args:
        client: Client of the operations service.
        invocation: Flags of the call.
        host: Only the host of this name; empty for all.

    Raises:
        NotFound: There is no host of this name.
    """
    try:
        records = await client.hosts()
    except KtrdrError as error:
        advice = "start the services here: ktrdr up\nor name where they are: ktrdr --server HOST:PORT doctor"
        text = error.message.splitlines()[0].partition(" (")[0]  # without what gRPC says of it
        return Services([problem("operations", text, advice)])
    if host and host not in {record.name for record in records}:
        message = f"there is no host {host!r}; see: ktrdr hosts list"
        raise NotFound(message, reason="HOST_NOT_FOUND", metadata={"host": host})
    chosen = [record for record in records if host in {"", record.name}]
    findings = [ok("operations", f"answers at {invocation.server}"), *(_finding(record) for record in chosen)]
    findings += [each for record in chosen if record.kind != HOST_KIND_IB for each in disk_findings(record)]
    if not host:
        kinds = {record.kind for record in records}
        findings += [_missing("ib-host", "bars cannot be loaded")] if HOST_KIND_IB not in kinds else []
        findings += [_missing("training-host", "nothing can be trained")] if HOST_KIND_TRAINING not in kinds else []
    return Services(
        findings,
        [record for record in chosen if record.kind == HOST_KIND_IB],
        [record for record in chosen if record.kind == HOST_KIND_TRAINING],
    )


def _finding(record: HostRecord) -> Finding:
    kind = host_kind_name(record.kind) or "kind not known"
    where = f"{kind} host at {record.address}"
    if record.state == HostRecord.STATE_UP:
        if record.draining:
            undo = f"place work on it again: ktrdr hosts drain {record.name} --undo"
            return warning(record.name, f"{where}, takes no new operations", undo)
        return ok(record.name, f"{where}, version {record.host.version}")
    seen = duration_text(record.last_success_age.ToTimedelta()) if record.HasField("last_success_age") else ""
    text = f"{where} is {host_state_name(record).lower()}" + (f", last seen {seen} ago" if seen else ", never seen")
    return problem(record.name, text, record.problem or f"see whether it runs: ktrdr hosts get {record.name}")


def disk_findings(record: HostRecord) -> list[Finding]:
    """Return how much space a host has left; nothing where it has not told."""
    disk = record.host.disk
    if not disk.total_bytes:
        return []
    text = f"{size_text(disk.free_bytes)} free of {size_text(disk.total_bytes)}"
    if disk.free_bytes < _LITTLE_BYTES:
        advice = "free some space: when the disk is full, sessions fail and bars cannot be stored"
        return [warning(f"{record.name} disk", text, advice)]
    return [ok(f"{record.name} disk", text)]


def _missing(service: str, consequence: str) -> Finding:
    advice = f"start one: ktrdr serve {service} --announce-to HOST:PORT of the operations service"
    return warning(service, f"none is known: {consequence}", advice)
