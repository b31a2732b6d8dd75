"""`python -m ktrdr_client`: the `ktrdr` command, where the script of that name is not on the path."""

from ktrdr_client.cli.main import run

run()
