"""Which keys a part of the strategy may have, read off the models."""

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from services.training_host.strategy.path import Step


def allowed_keys(model: type[BaseModel], location: Sequence[Step]) -> list[str]:
    """Return the keys that a mapping may have.

    Args:
        model: Model of the root.
        location: Where the mapping is, in the words of a validation error (tags of unions are steps of their own).
    """
    models = _models(model)
    for step in location:
        models = [below for candidate in models for below in _below(candidate, step)]
    return sorted({key for candidate in models if _is_model(candidate) for key in candidate.model_fields})


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _models(annotation: Any) -> list[Any]:
    """Take unions and annotations apart."""
    if get_origin(annotation) is Annotated:
        parts = _models(get_args(annotation)[0])
        tags = [extra.tag for extra in get_args(annotation)[1:] if isinstance(extra, Tag)]
        return [Annotated[part, Tag(tags[0])] for part in parts] if tags else parts
    if get_origin(annotation) in (Union, UnionType):
        return [part for member in get_args(annotation) for part in _models(member)]
    return [annotation]


def _below(annotation: Any, step: Step) -> list[Any]:
    """Go one step down from an annotation; a tag selects a member of a union."""
    tags = [extra.tag for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, Tag)]
    if tags:
        return [get_args(annotation)[0]] if step in tags else []
    if _is_model(annotation):
        if step in annotation.model_fields:
            return _models(_annotation(annotation, str(step)))
        if _has_tag(annotation, step):
            return [annotation]
        extra = annotation.__annotations__.get("__pydantic_extra__")
        return _models(get_args(extra)[1]) if extra else []
    if get_origin(annotation) in (dict, list):
        return _models(get_args(annotation)[-1])
    return []


def _annotation(model: type[BaseModel], field: str) -> Any:
    """Return a field's annotation; pydantic keeps what was inside Annotated apart, which matters here for nothing."""
    return model.model_fields[field].annotation


def _has_tag(model: type[BaseModel], step: Step) -> bool:
    """Tell whether a literal field (`type`, `source`) of the model has this value."""
    return any(
        get_origin(field.annotation) is Literal and step in get_args(field.annotation)
        for name, field in model.model_fields.items()
        if name in ("type", "source")
    )
