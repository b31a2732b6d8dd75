"""Entry point of `ktrdr`: runs a command and turns every outcome into an exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import CommandLine, Interrupted, Invocation, UsageProblem
from ktrdr_client.cli.root import root_command


def run() -> NoReturn:
    """Run `ktrdr` with the arguments of this process."""
    sys.exit(main(sys.argv[1:], os.environ))


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Words behind `ktrdr`.
        environment: Variables that settings are taken from.
    """
    line = CommandLine(environment)
    try:
        outcome = root_command().main(list(arguments), prog_name="ktrdr", standalone_mode=False, obj=line)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.REFUSED if error.code else ExitCode.OK
    except Interrupted:
        return _interrupted(line.invocation)
    except UsageProblem as error:
        return _print_problem(line, str(error), ExitCode.USAGE)
    except Exception as error:
        return _failed(error, line)
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _interrupted(invocation: Invocation | None) -> int:
    if invocation is not None:
        from ktrdr_client.cli.printer import Printer

        for text in invocation.on_interrupt:
            Printer(invocation).message(text)
    return ExitCode.INTERRUPTED


def _failed(error: Exception, line: CommandLine) -> int:
    if (message := _usage_message(error)) is not None:
        return _print_problem(line, message, ExitCode.USAGE) if message else ExitCode.USAGE
    from ktrdr_client.cli.failures import explain

    explanation = explain(error, line.invocation)
    if explanation is None:
        raise error
    return _print_problem(line, explanation.text, explanation.code)


def _usage_message(error: Exception) -> str | None:
    """Return what typer or click says of a wrong command line; None if the error is something else.

    Both have an exception of that shape with the exit code 2, and neither can be relied on to be the other's.
    """
    code, format_message = getattr(error, "exit_code", None), getattr(error, "format_message", None)
    if code != ExitCode.USAGE or format_message is None:
        return None
    context: Any = getattr(error, "ctx", None)
    hint = f"\n  see: {context.command_path} --help" if context is not None else ""
    message: str = format_message().replace(": Value error, ", ": ")  # what checks the values names its own exception
    # A group that was called without a command has printed its help instead of a message.
    return f"{message}{hint}" if message else ""


def _print_problem(line: CommandLine, text: str, code: ExitCode) -> int:
    from ktrdr_client.cli.printer import Printer

    invocation = line.invocation or Invocation("", color="NO_COLOR" not in line.environment)
    Printer(invocation).problem(text)
    return code
