"""`import-values`: the stack configuration of a Helm release."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..charts.checked import BYTES, ValuesError, document, problems, read
from ..charts.conversion import Conversion, Release
from ..charts.convert import convert
from ..charts.moving import Finding, judge, own_names, steps
from ..charts.table import chart
from .cluster import Cluster
from .console import Console
from .errors import FAILED, USAGE, MissingError, OperationError


def run(
    console: Console, values: str, name: str, release: str, namespace: str, output: Path | None, cluster: Cluster | None
) -> int:
    """Convert a file of values; returns the exit code.

    Args:
        console: Where to report.
        values: Path of the file, or `-` for standard input.
        name: Name of the chart.
        release, namespace: The release.
        output: Where to write the stack file; standard output if not given.
        cluster: Where to look at the release, if asked for.

    Raises:
        OperationError: The file cannot be read or written.
    """
    made = convert(chart(name), _values(values), Release(release, namespace))
    wrong = problems(made)
    text = document(made, "standard input" if values == "-" else Path(values).name)
    found = judge(made, _objects(cluster, made)) if cluster else []
    todo = steps(made, output.name if output else "the file")
    if output:
        _write(output, text)
    open_ = bool(wrong) or any(line.outcome.open for line in made.lines) or any(not each.ok for each in found)
    data = {
        "config": made.config,
        "values": [
            {"key": line.key, "outcome": line.outcome.value, "arguments": list(line.ours), "text": line.text}
            for line in made.lines
        ],
        "remarks": made.remarks,
        "problems": wrong,
        "secrets": [{"argument": each.path, "key": each.key, "command": each.command} for each in made.secrets],
        "cluster": [{"object": each.what, "ok": each.ok, "text": each.text} for each in found],
        "steps": todo,
        "complete": not open_,
    }
    if not console.as_json:
        _tell(console, made, wrong, found, todo)
    console.result(data, f"written: {output}" if output else text)
    return FAILED if open_ else 0


def _values(path: str) -> dict[str, Any]:
    try:
        if path == "-":
            content = sys.stdin.buffer.read(BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(BYTES + 1)
    except OSError as error:
        raise OperationError(
            f"{path}: {error.strerror}", "Name a file of values, or - for standard input.", USAGE
        ) from None
    try:
        return read(content)
    except ValuesError as error:
        raise OperationError(
            f"{path}: {error}", "Give the values of the release: helm get values <release> --output yaml.", USAGE
        ) from None


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OperationError(f"{path} exists already", "Name another file, or remove it first.", USAGE) from None
    except OSError as error:
        raise OperationError(f"{path}: {error.strerror}", "Name a file that can be written.", USAGE) from None


def _objects(cluster: Cluster, made: Conversion) -> dict[tuple[str, str], Any]:
    wanted = {("deployments", made.full_name), *own_names(made).items()}
    wanted |= {("persistentvolumeclaims", claim) for claim in made.claims}
    wanted |= {(f"{kind.lower()}s", name) for kind, name in made.referred}
    objects: dict[tuple[str, str], Any] = {}
    for kind, name in sorted(wanted):
        try:
            objects[kind, name] = cluster.get(kind, made.release.namespace, name)
        except MissingError:
            objects[kind, name] = None
    return objects


def _tell(console: Console, made: Conversion, wrong: list[str], found: list[Finding], todo: list[str]) -> None:
    """The report, on standard error: the file itself may go to standard output."""
    for line in made.lines:
        ours = f" -> {', '.join(line.ours)}" if line.ours else ""
        console.say(f"{line.outcome.value}: {line.key}{ours}" + (f" ({line.text})" if line.text else ""))
    for remark in made.remarks:
        console.say(f"note: {remark}")
    for each in wrong:
        console.say(f"to decide: {each}")
    for finding in found:
        console.say(f"{'found' if finding.ok else 'wrong'}: {finding.what}: {finding.text}")
    console.say("\nSteps:")
    for number, step in enumerate(todo, 1):
        console.say(f"{number}. {step}")
    console.say("")
