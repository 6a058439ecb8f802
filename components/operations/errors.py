"""How an operation ends that could not be done."""

FAILED = 1
"""Exit code: the cluster, a Job or the user refused, or a Job failed."""
USAGE = 2
"""Exit code: the command line itself is wrong."""
NOT_FOUND = 3
"""Exit code: there is no such deployment, or it declares nothing of the kind."""
INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class OperationError(Exception):
    """What the command line prints, without a traceback.

    Args:
        message: What went wrong, with the object concerned.
        fix: What to do about it, as one or more full sentences.
        code: The exit code.
    """

    def __init__(self, message: str, fix: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.code = code

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}"


class MissingError(OperationError):
    """The cluster has no such object."""
