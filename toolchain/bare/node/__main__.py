"""`python3 -m toolchain.bare.node start | stop [--purge] | status`."""

from __future__ import annotations

import argparse
import sys

from toolchain.bare import node
from toolchain.console import UserError, fail, say


def main() -> int:
    """Run one command and return its exit code; `status` returns 1 if no node runs."""
    parser = argparse.ArgumentParser(prog="python3 -m toolchain.bare.node", description=node.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("start", help="start the node, or wait until it is ready")
    stop = commands.add_parser("stop", help="stop the node; its data stays")
    stop.add_argument("--purge", action="store_true", help="also delete its data")
    commands.add_parser("status", help="say whether the node runs")
    arguments = parser.parse_args()
    try:
        if arguments.command == "stop":
            node.stop(purge=arguments.purge)
            return 0
        running = node.start() if arguments.command == "start" else node.current()
    except UserError as error:
        return fail(error)
    except KeyboardInterrupt:
        say("interrupted: what was begun goes on in the background; run the same command again to wait for it")
        return 130
    if not running:
        say("no built-in Kubernetes of this user runs")
        return 1
    say(f"the built-in Kubernetes runs: export KUBECONFIG={running.kubeconfig}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
