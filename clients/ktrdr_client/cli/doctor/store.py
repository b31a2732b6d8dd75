"""The stored bars of each IB host: whether they can be read, and how complete they are."""

from collections.abc import Sequence

from ktrdr.ib.v1.ib_pb2 import Finding
from ktrdr.operations.v1.operations_pb2 import HostRecord

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.data.check import Checked, check_all
from ktrdr_client.cli.data.commands import data_command
from ktrdr_client.cli.dataset_verdicts import counted, revision_words, verdict_words
from ktrdr_client.cli.doctor.findings import Area, ok, problem, skipped, warning
from ktrdr_client.cli.doctor.services import Services, disk_findings
from ktrdr_client.cli.invocation import Invocation, default_home
from ktrdr_client.cli.words import dataset_title
from ktrdr_client.errors import KtrdrError
from ktrdr_client.sizes import size_text

_MOST_TOLD = 5


async def store_areas(client: AsyncClient, services: Services, invocation: Invocation) -> list[Area]:
    """Check all datasets of each IB host, and say what is configured here."""
    here = [ok("home", f"{default_home(invocation.environment)} (for services that are started here; KTRDR_HOME)")]
    here.append(ok("server", f"{invocation.server}{f', from {invocation.config}' if invocation.config else ''}"))
    areas = [Area("configured here", here)]
    if not services.ib_hosts:
        return [*areas, Area("store", [skipped("bars", "there is no IB host that stores any")])]
    return areas + [await _area(client, record) for record in services.ib_hosts]


async def _area(client: AsyncClient, record: HostRecord) -> Area:
    host, name = record.name, f"store of {record.name}"
    try:
        folders = await client.data.damaged_folders(host=host)
        datasets = [each async for each in client.data.datasets(host=host)]
        checked = await check_all(client, datasets, host=host)
    except KtrdrError as error:
        return Area(name, [problem("bars", error.message.splitlines()[0], f"see: ktrdr hosts get {host}")])
    size = size_text(sum(each.size_bytes for each in datasets))
    findings = [*disk_findings(record), ok("bars", f"{counted(len(datasets), 'dataset')}, {size}")]
    findings += [_damaged_folder(folder) for folder in folders]
    findings += _damaged(checked)
    findings += _incomplete(checked)
    return Area(name, findings)


def _damaged_folder(folder: str) -> Finding:
    advice = "move this folder of the host's home away, and load or import its bars again"
    return problem("damaged", f"{folder} cannot be read", advice)


def _damaged(checked: Sequence[Checked]) -> list[Finding]:
    return [
        problem(
            "damaged",
            f"{dataset_title(each.dataset.key)}: {each.problem.splitlines()[0]}",
            f"get its bars again: {data_command('load', each.dataset.key, '--mode', 'full', '--reload')}",
        )
        for each in checked
        if each.verdict is None
    ]


def _incomplete(checked: Sequence[Checked]) -> list[Finding]:
    verdicts = [each.verdict for each in checked if each.verdict is not None]
    incomplete = [each for each in verdicts if not each.complete]
    findings = []
    for verdict in incomplete[:_MOST_TOLD]:
        key = verdict.dataset.key
        advice = f"see: {data_command('gaps' if verdict.missing_bars else 'check', key, source=True)}"
        findings.append(warning("incomplete", f"{dataset_title(key)}: {verdict_words(verdict)}", advice))
    if len(incomplete) > _MOST_TOLD:
        more = f"{counted(len(incomplete) - _MOST_TOLD, 'dataset')} more"
        findings.append(warning("incomplete", more, "see all of them: ktrdr data check"))
    changed = [each for each in verdicts if each.revisions][:_MOST_TOLD]
    return findings + [
        ok("changed", f"{dataset_title(each.dataset.key)}: {revision_words(each.revisions)} noticed and repaired")
        for each in changed
    ]
