"""The text of a strategy as it is trained."""

import io
from collections.abc import Mapping

from ruamel.yaml import YAML

from services.training_host.strategy.override import apply_overrides
from services.training_host.strategy.source import parse


def effective_text(text: str, overrides: Mapping[str, str]) -> str:
    """Return a strategy with its overrides applied: the text itself where there are none.

    Raises:
        StrategyInvalid: Text or overrides cannot be read.
    """
    if not overrides:
        return text
    document = parse(text)
    apply_overrides(document, overrides)
    changed = ", ".join(sorted(overrides))
    written = io.StringIO()
    written.write(f"# With overrides of {changed}.\n")
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # declared as always None
    yaml.dump(document.values, written)
    return written.getvalue()
