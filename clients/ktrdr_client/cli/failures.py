"""Say what went wrong, why, and what to type next; and choose the exit code."""

import re
from typing import NamedTuple

from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.errors import DeadlineExceeded, InvalidArgument, KtrdrError, Unavailable, WaitTimeout
from ktrdr_client.times import duration_text

_REFUSED_BY_THE_GATEWAY = frozenset({"GATEWAY_REFUSED"})
_HINTS = {
    "DATASET_AMBIGUOUS": "name it:  --source ib|replay|imported, or --contract-id ID; what is stored: ktrdr data list",
}
"""What a refusal means in flags of commands; the services know only the names of the contract."""


class Explanation(NamedTuple):
    """A failure, for people and for scripts."""

    text: str
    code: ExitCode


def explain(error: Exception, invocation: Invocation | None) -> Explanation | None:
    """Return what to say of an error; None for one that nobody foresaw."""
    if isinstance(error, WaitTimeout):
        return Explanation(str(error), ExitCode.WAIT_TIMEOUT)
    if isinstance(error, Unavailable | DeadlineExceeded) and not error.reason:
        return Explanation(_unreachable(error, invocation), ExitCode.UNREACHABLE)
    if isinstance(error, Unavailable):
        return Explanation(_with_retry(error), ExitCode.UNREACHABLE)
    if isinstance(error, KtrdrError):
        wrong_usage = isinstance(error, InvalidArgument) and error.reason not in _REFUSED_BY_THE_GATEWAY
        code = ExitCode.USAGE if wrong_usage else ExitCode.REFUSED
        return Explanation(_with_retry(error), code)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | UnicodeDecodeError):
        return Explanation(str(error), ExitCode.REFUSED)
    if isinstance(error, ValueError):
        return Explanation(str(error), ExitCode.USAGE)
    return None


def _with_retry(error: KtrdrError) -> str:
    text = "\n".join(error_text_lines(error))
    if error.retry_after is not None:
        text += f"\n  try again in {duration_text(error.retry_after)}"
    return text


def error_text_lines(error: KtrdrError) -> list[str]:
    """Return what happened and what to do, then each fault of a field on a line of its own, and the flags."""
    message, faults = error.message, []
    for fault in error.fields:
        if str(fault) in message or fault.description not in message:
            faults.append(fault)
        message = message.replace(str(fault), "")
    # What is left where the faults stood: "The strategy is invalid. ; . Correct what is named."
    message = re.sub(r"(?<=[.:])(?:\s*[;.,])+(?=\s|$)", "", message)
    message = re.sub(r"(?<=\S) {2,}", " ", message)  # not at the beginning of a line
    hint = _HINTS.get(error.reason)
    return [message.strip(), *(f"  {fault}" for fault in faults), *([f"  {hint}"] if hint else [])]


def _unreachable(error: KtrdrError, invocation: Invocation | None) -> str:
    server = invocation.server if invocation is not None else ""
    lines = [str(error)]
    if server and server in error.message:
        lines.append("  start the services here:      ktrdr up")
        lines.append("  or name where they are:       ktrdr --server HOST:PORT …   (or KTRDR_SERVER)")
    else:
        lines.append("  see how the hosts stand:      ktrdr hosts list")
    return "\n".join(lines)
