"""The commands of `ktrdr` by name: what each is for, and where it lives. Reading this imports none of them."""

from typing import Final, NamedTuple

RUN: Final = "Run"
WORK: Final = "Work"
LOOK: Final = "Look and steer"
MORE: Final = "More"


class Entry(NamedTuple):
    """One command below `ktrdr`."""

    help: str
    panel: str
    module: str = ""
    """Module with its typer app named `app`; empty for commands that services bring along."""


SERVICES: Final = {
    "operations": "The registry of all operations on all hosts",
    "training-host": "Trains strategies on this machine",
    "ib-host": "Loads bars through an Interactive Brokers gateway, and serves them",
    "replay-gateway": "Plays an Interactive Brokers gateway from recorded history",
}
"""What `ktrdr serve` can run; one that is missing here is listed by its name."""

COMMANDS: Final = {
    "up": Entry("Start all services on this machine, and stop them together", RUN, "ktrdr_client.cli.up"),
    "serve": Entry("Run one service: operations, training-host, ib-host, replay-gateway", RUN),
    "data": Entry("Load market data, check it, bring it in and out", WORK, "ktrdr_client.cli.data.app"),
    "strategy": Entry("Write and check strategies", WORK),
    "train": Entry("Train a strategy", WORK, "ktrdr_client.cli.train"),
    "ops": Entry("List, follow, wait for and cancel operations; read their metrics", LOOK, "ktrdr_client.cli.ops"),
    "models": Entry("List trained models, show their cards, download their files", LOOK, "ktrdr_client.cli.models"),
    "hosts": Entry("List hosts, and take them out of service", LOOK, "ktrdr_client.cli.hosts"),
    "gateway": Entry("Show how the IB host stands with its gateway", LOOK, "ktrdr_client.cli.gateway"),
    "doctor": Entry("Look for what is wrong, and what to do about it", LOOK, "ktrdr_client.cli.doctor.app"),
    "version": Entry("Show the version", MORE, "ktrdr_client.cli.version"),
    "completion": Entry("Print the completion script for bash, zsh or fish", MORE, "ktrdr_client.cli.completion"),
}
