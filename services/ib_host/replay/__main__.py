"""Runs the replay gateway: `python -m services.ib_host.replay`."""

from services.ib_host.replay.command import command

if __name__ == "__main__":
    command()
