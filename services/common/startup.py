"""Why a server does not start: each message is one line for people, without a traceback."""


class ConfigurationError(Exception):
    """A setting is wrong. The process exits with code 2."""


class CannotStartError(Exception):
    """The machine does not allow it: an occupied port, an unwritable folder. The process exits with code 1."""
