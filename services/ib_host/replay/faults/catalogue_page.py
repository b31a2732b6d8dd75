"""The page docs/replay-gateway-faults.md.

`python -m services.ib_host.replay.faults.catalogue_page` writes it to stdout.
"""

import sys

from services.ib_host.replay.faults.catalogue import CataloguedFault, describe, fault_names

_HEAD = """# The faults of the replay gateway

Every fault has a name, which `--fault NAME` of the [replay gateway](replay-gateway.md) takes, and `fault(NAME)` in a
test. Below each name is a complete file for `--faults`. Other values are given with the name: `--fault
silent:nth=3,symbol=MSFT`.

What a client can end up with that does everything right:

- passing: all bars, once it asks again;
- refusing: no bars, and a reason;
- altering: it is told well-formed things that are not, or no longer, so; only a comparison can tell.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(_section(describe(name)) for name in fault_names())])


def _section(fault: CataloguedFault) -> str:
    return f"## `{fault.name}`\n\n{fault.description} ({fault.effect.capitalize()})\n\n```toml\n{fault.text}```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
