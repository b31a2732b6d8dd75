"""KEY=VALUE flags."""

from collections.abc import Sequence

from ktrdr_client.cli.invocation import UsageProblem


def parse_pairs(words: Sequence[str], flag: str) -> dict[str, str]:
    """Return the pairs of a flag that may be given several times.

    Raises:
        UsageProblem: A word is no pair, or a key comes twice.
    """
    pairs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key.strip() and equals):
            message = f"{flag} {word!r} is no KEY=VALUE"
            raise UsageProblem(message)
        if key.strip() in pairs:
            message = f"{flag} {key.strip()} is given twice"
            raise UsageProblem(message)
        pairs[key.strip()] = value
    return pairs
