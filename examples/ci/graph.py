"""What a program would make, told without an engine, a cluster, credentials or the stack's state: for pull requests from forks.

Run it in the folder of the Pulumi program: `python graph.py <stack>`. It runs the program against Pulumi's mocks with the stack's configuration,
in which secrets are placeholders. A configuration that the program refuses ends it with exit code 1 and every mistake.
"""

import asyncio
import base64
import json
import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pulumi
import yaml

PLACEHOLDER = base64.urlsafe_b64encode(b"a-placeholder-for-a-secret-value").decode()
"""Long enough for a password, and a key of 32 bytes. A secret that is a URL or a certificate cannot be stood in for."""


class Recorder(pulumi.runtime.Mocks):
    """Accepts every resource; what its provider would compute stays unknown."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.made.append((args.typ, args.name))
        return None, dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[Any, Any]:
        return dict(args.args)


def without_secrets(value: Any) -> Any:
    """A value of a stack file with its encrypted parts replaced."""
    if isinstance(value, dict):
        return (
            PLACEHOLDER if value.keys() == {"secure"} else {key: without_secrets(each) for key, each in value.items()}
        )
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def main(stack: str) -> int:
    """Run the program and print its resources as Markdown."""
    project = yaml.safe_load(Path("Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    file = Path(f"Pulumi.{stack}.yaml")
    config = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("config") or {}
    values = {
        key if ":" in key else f"{project}:{key}": each if isinstance(each, str) else json.dumps(each)
        for key, each in without_secrets(config).items()
    }
    recorder = Recorder()
    asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_mocks(recorder, project, stack, preview=True)
    pulumi.runtime.set_all_config(values)
    sys.path.insert(0, str(Path.cwd()))
    try:
        pulumi.runtime.test(lambda: runpy.run_path("__main__.py", run_name="__main__") and None)()
    except Exception as error:  # what the program refuses
        print(f"### ❌ `{stack}` is refused\n\n```\n{error}\n```")
        return 1
    counts = Counter(kind for kind, _ in recorder.made)
    print(f"### `{stack}` makes {len(recorder.made)} resources\n\n| type | number |\n|---|---|")
    print("\n".join(f"| `{kind}` | {number} |" for kind, number in sorted(counts.items())))
    print("\nTold without the stack's state: what changes is seen when a maintainer runs the gate.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
