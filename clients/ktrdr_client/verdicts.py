"""The verdicts about metrics, as people write them."""

from typing import Final

from ktrdr.operations.v1 import trends_pb2
from ktrdr.operations.v1.trends_pb2 import VerdictKind

VERDICT_WORDS: Final = {
    "best-epoch": trends_pb2.VERDICT_KIND_BEST_EPOCH,
    "plateau": trends_pb2.VERDICT_KIND_PLATEAU,
    "overfitting": trends_pb2.VERDICT_KIND_OVERFITTING,
    "divergence": trends_pb2.VERDICT_KIND_DIVERGENCE,
    "nan": trends_pb2.VERDICT_KIND_NOT_FINITE,
    "no-learning": trends_pb2.VERDICT_KIND_NO_LEARNING,
    "stalled": trends_pb2.VERDICT_KIND_STALLED,
    "throughput-drop": trends_pb2.VERDICT_KIND_THROUGHPUT_DROP,
}
"""The word for each verdict."""
_NAMES: Final = {kind: word for word, kind in VERDICT_WORDS.items()}


def parse_verdict_kind(word: str) -> "VerdictKind.ValueType":
    """Return the verdict that "nan" or "no-learning" names.

    Raises:
        ValueError: There is no such verdict.
    """
    kind = VERDICT_WORDS.get(word.strip().lower().replace("_", "-"))
    if kind is None:
        message = f"{word!r} is no verdict; choose from {', '.join(VERDICT_WORDS)}"
        raise ValueError(message)
    return kind


def verdict_word(kind: "VerdictKind.ValueType") -> str:
    """Return the word for a verdict: "no-learning"."""
    return _NAMES.get(kind, VerdictKind.Name(kind).removeprefix("VERDICT_KIND_").lower().replace("_", "-"))
