"""Indicators with any allowed parameters."""

from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from services.training_host.indicators.definition import INDICATOR_TYPES, IndicatorDefinition

TYPES = list(INDICATOR_TYPES)
LONGEST = 30
"""Windows that are drawn: six times this fit into a few hundred bars."""
_ASCENDING = ("fast", "medium", "slow"), ("acceleration", "maximum")


def parameters(kind: type[IndicatorDefinition]) -> dict[str, FieldInfo]:
    """Return the parameters of an indicator: its fields but `type`."""
    return {name: field for name, field in kind.model_fields.items() if name != "type"}


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Return the smallest (or the value it has to exceed) and the largest value of a number."""
    (low,) = [rule.ge if isinstance(rule, Ge) else rule.gt for rule in field.metadata if isinstance(rule, Ge | Gt)]
    (high,) = [rule.le for rule in field.metadata if isinstance(rule, Le)]
    return float(low), float(high)  # type: ignore[arg-type]  # those of ours are numbers


def definitions(name: str) -> st.SearchStrategy[Any]:
    """Draw an indicator of a type, with parameters of short windows."""
    kind = INDICATOR_TYPES[name]
    drawn = st.fixed_dictionaries({each: _values(field) for each, field in parameters(kind).items()})
    return drawn.map(_in_order).filter(_differ).map(lambda values: kind.model_validate({"type": name, **values}))


def _values(field: FieldInfo) -> st.SearchStrategy[Any]:
    if get_origin(field.annotation) is Literal:
        return st.sampled_from(get_args(field.annotation))
    low, high = bounds(field)
    if field.annotation is int:
        return st.integers(int(low), LONGEST)
    return st.floats(low + 0.01, high)


def _in_order(values: dict[str, Any]) -> dict[str, Any]:
    for names in _ASCENDING:
        present = [name for name in names if name in values]
        values |= dict(zip(present, sorted(values[name] for name in present), strict=True))
    return values


def _differ(values: dict[str, Any]) -> bool:
    windows = [values[name] for name in _ASCENDING[0] if name in values]
    return len(set(windows)) == len(windows)
