"""From the location in a validation error to the place in the document."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from services.training_host.strategy.path import Path, Step

_DISCRIMINATORS = ("type", "source", "mode", "output_format")
"""Keys that tell the members of a union apart."""


@dataclass(frozen=True)
class Place:
    """A place in a document.

    Attributes:
        path: Its path.
        annotations: What the format has there; several where a union is not decided.
    """

    path: Path
    annotations: tuple[Any, ...]

    @property
    def allowed_keys(self) -> list[str]:
        """Keys that a mapping there may have, sorted."""
        return sorted({key for each in self.annotations if _is_model(each) for key in each.model_fields})


def locate(model: type[BaseModel], document: Any, location: Sequence[Step]) -> Place:
    """Follow the steps of a validation error through format and document.

    The error names the chosen member of a union as a step of its own, which the document does not have, and the keys
    that a shorthand stands for. Such steps are left out. A missing key is the last step.

    Args:
        model: Model of the root.
        document: Values that were validated.
        location: Steps from the root.
    """
    annotations = _members(model)
    node = document
    path: list[Step] = []
    for position, step in enumerate(location):
        chosen = [_without_tag(each) for each in annotations if _is_tagged(each, step)]
        if chosen and len(annotations) > 1:
            annotations = chosen
            continue
        annotations = [below for each in annotations for below in _below(_without_tag(each), step)]
        if isinstance(node, dict):
            if step in node or position == len(location) - 1:
                path.append(step)
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int):
            path.append(step)
            node = node[step] if step < len(node) else None
    return Place(tuple(path), tuple(_without_tag(each) for each in annotations))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _members(annotation: Any) -> list[Any]:
    """Take unions and annotations apart; members keep their tags."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        tags = [note for note in notes if isinstance(note, Tag)]
        return [Annotated[part, tags[0]] if tags else part for part in _members(inner)]
    if get_origin(annotation) in (Union, UnionType):
        return [part for member in get_args(annotation) for part in _members(member)]
    return [annotation]


def _without_tag(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_tagged(annotation: Any, step: Step) -> bool:
    """Tell whether a member of a union is called that: by a tag, or by the value of the key that tells them apart."""
    if get_origin(annotation) is Annotated:
        return any(isinstance(note, Tag) and note.tag == step for note in get_args(annotation)[1:])
    return _is_model(annotation) and any(
        get_origin(field.annotation) is Literal and step in get_args(field.annotation)
        for name, field in annotation.model_fields.items()
        if name in _DISCRIMINATORS
    )


def _below(annotation: Any, step: Step) -> list[Any]:
    if _is_model(annotation):
        if step in annotation.model_fields:
            return _members(annotation.model_fields[step].annotation)
        extra = annotation.__annotations__.get("__pydantic_extra__")
        return _members(get_args(extra)[1]) if extra else []
    if get_origin(annotation) in (dict, list):
        return _members(get_args(annotation)[-1])
    return []
