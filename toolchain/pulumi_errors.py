"""What a failed Pulumi command means, and what to do about it."""

from __future__ import annotations

import os
import re

from toolchain.backend import passphrase_file
from toolchain.console import UserError


def failure(stack: str, command: str, output: str, *, shown: bool = False) -> UserError:
    """The error for a failed command, with the fix for the known causes.

    Args:
        stack: Name of the stack.
        command: The command without its options.
        output: What it printed.
        shown: Whether the user has seen that.
    """
    if re.search(r"incorrect passphrase|passphrase must be set|unable to find.*PASSPHRASE", output):
        used = next(
            (name for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE") if name in os.environ),
            None,
        )
        return UserError(
            f"the passphrase in {used or passphrase_file()} is not the one that the stack {stack} was made with",
            f"Unset {used}, or set it to the stack's own passphrase."
            if used
            else "Put the stack's own passphrase back into that file.",
        )
    if "currently locked" in output:
        return UserError(
            f"the stack {stack} is locked by another Pulumi run:\n{_indented(output)}",
            "See whether that process still runs, on the machine that is named above, and wait until it ends. Only if it is dead, run "
            f"`pulumi cancel --stack {stack}` in `make shell`, and then this command again: it settles what the dead one left "
            "unfinished (docs/operations.md).",
        )
    if "marked for protection" in output or "is protected" in output:
        return UserError(
            f"`pulumi {command}` would delete what holds data of the stack {stack}"
            + ("; see above" if shown else f":\n{_indented(output)}"),
            "Undo the change. Or, if the data may go, set `mlflow:deletionProtection: false`, run the update, and then this command again; "
            "do not unprotect resources in the state.",
        )
    return UserError(
        f"`pulumi {command}` failed for the stack {stack}" + ("; see above" if shown else f":\n{_indented(output)}"),
        "Mend the cause and run the same command again.",
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-30:])
