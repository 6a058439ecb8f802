"""The commands of `pulumi-mlflow`.

One module although it is long: a command is hardly more than its options and its help, which users read as one.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Console
from .errors import FAILED, INTERRUPTED, USAGE, OperationError
from .stack import deployment as of_stack
from .target import Target, find, of_deployment

app = typer.Typer(
    help="Operate a deployment of MLflow that `pulumi up` has made: with your own kubeconfig, by Jobs that the component has declared.\n\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not found, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_NAMESPACE = "PULUMI_MLFLOW_NAMESPACE"
_COMMON = {
    "name": Annotated[str | None, typer.Option(help="Name of the deployment, if there is more than one.")],
    "namespace": Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            envvar=_NAMESPACE,
            help="Its namespace. Default: the context's, then any.",
        ),
    ],
    "context": Annotated[str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")],
    "stack": Annotated[
        str | None, typer.Option(help="Pulumi stack whose outputs name the deployment, instead of both.")
    ],
    "as_json": Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")],
    "yes": Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")],
}
_DEFAULTS: dict[str, Any] = {
    "name": None,
    "namespace": None,
    "context": None,
    "stack": None,
    "as_json": False,
    "yes": False,
}


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    target: Target
    console: Console
    stack: str | None


class Format(str, Enum):
    """What `gate` prints."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


class ChartName(str, Enum):
    """Whose values `import-values` reads."""

    OFFICIAL = "official"
    COMMUNITY = "community"
    KUBERNETES = "kubernetes"
    SB_HELM_CHARTS = "sb-helm-charts"
    DEPRECATED = "deprecated"


class Way(str, Enum):
    """How `upgrade` changes the version."""

    IN_PLACE = "in-place"
    STANDARD = "standard"
    BLUE_GREEN = "blue-green"


class Key(str, Enum):
    """What `rotate` rotates."""

    ADMIN_PASSWORD = "admin-password"
    DATABASE_PASSWORD = "database-password"
    KEK = "kek"
    FLASK_KEY = "flask-key"
    WEBHOOK_KEY = "webhook-key"


def _command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Register a command. It gets the session first; the options that all commands have are added to its own."""

    @functools.wraps(function)
    def run(**given: Any) -> None:
        common = {name: given.pop(name) for name in _COMMON}
        console = Console(as_json=common["as_json"], yes=common["yes"])
        raise typer.Exit(
            _guarded(console, lambda: function(Session(_target(common), console, common["stack"]), **given))
        )

    own = list(inspect.signature(function).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=annotation)
        for name, annotation in _COMMON.items()
    ]
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    run.__signature__ = inspect.Signature([*keyword, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    del run.__wrapped__
    app.command(name=function.__name__.rstrip("_").replace("_", "-"))(run)
    return run


def _target(common: dict[str, Any]) -> Target:
    from .cluster import Cluster

    # The variable, which `make shell` sets, only stands for what nobody has said.
    namespace = common["namespace"] if common["namespace"] != os.environ.get(_NAMESPACE) else None
    if common["stack"] and (common["name"] or namespace):
        raise OperationError("--stack names the deployment already", "Leave out --name and --namespace.", USAGE)
    where = of_stack(common["stack"]) if common["stack"] else None
    cluster = Cluster.connect(common["context"])
    if where:
        return of_deployment(cluster, *where)
    return find(cluster, common["name"], common["namespace"])


def _guarded(console: Console, work: Callable[[], int | None]) -> int:
    """Run a command; returns its exit code, with errors told."""
    try:
        return work() or 0
    except OperationError as error:
        if console.as_json:
            console.result({"error": error.message, "fix": error.fix}, "")
        console.say(f"error: {error}")
        for each in console.going_on:
            console.say(f"  note: {each}")
        return error.code
    except KeyboardInterrupt:
        console.say("\ninterrupted")
        for each in console.going_on:
            console.say(f"  note: {each}")
        return INTERRUPTED
    except BrokenPipeError:  # `pulumi-mlflow list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@_command
def status(session: Session) -> int:
    """Show what runs, the last backups, what is half done, and why pods do not start. Exit code 1 if somebody has to act."""
    from . import status as state

    found = state.status(session.target)
    session.console.result(found, state.describe(found))
    return 0 if found["healthy"] else FAILED


@_command
def check(
    session: Session,
    image: Annotated[str | None, typer.Option(help="Check an upgrade to this image before anything changes.")] = None,
) -> int:
    """Check an upgrade before (--image), or the servers that run: health, version, search, a run logged and read back."""
    from . import checks

    if image is not None:
        found = checks.before_upgrade(session.target, session.console, image)
        session.console.result(found, checks.describe(found))
        return FAILED if checks.problems(found) else 0
    done = checks.of_server(session.target, session.console)
    failed = [each["check"] for each in done if not each["ok"]]
    session.console.result(done, f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return FAILED if failed else 0


@_command
def backup(session: Session) -> None:
    """Take a backup now."""
    from . import backups

    outcome, snapshot = backups.back_up(session.target, session.console)
    session.console.result({**outcome.data(), "snapshot": snapshot}, f"saved as the snapshot {snapshot}")


@_command
def list_(session: Session) -> None:
    """List the backups in the repository."""
    from . import backups
    from .status import age

    found = backups.snapshots(session.target, session.console)
    rows = [
        (each["short_id"], each["time"][:19], age(each["time"][:19] + "Z"), ", ".join(each.get("tags") or []))
        for each in found
    ]
    session.console.table(found, ("snapshot", "time (UTC)", "age", "tags"), rows)


@_command
def verify(session: Session) -> None:
    """Read everything in the repository back and compare every checksum. `drill` also loads a backup into a database."""
    from . import backups

    outcome = backups.on_repository(session.target, session.console, "verify")
    session.console.result(outcome.data(), "the repository is complete and readable")


@_command
def prune(session: Session) -> None:
    """Delete the backups that the declared retention does not keep, as every backup does at its end."""
    from . import backups

    outcome = backups.on_repository(session.target, session.console, "prune")
    session.console.result(outcome.data(), "done")


@_command
def drill(session: Session) -> None:
    """Restore the latest backup into a database that is thrown away, and compare it with what was saved."""
    from . import backups

    session.console.result(backups.drill(session.target, session.console).data(), "the drill has passed")


@_command
def restore(
    session: Session,
    snapshot: Annotated[str, typer.Argument(help="Id of the backup as `list` shows it, or `latest`.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what the database holds, which is saved first.")
    ] = False,
    without_backup: Annotated[
        bool, typer.Option("--without-backup", help="Do not save first what is replaced.")
    ] = False,
    other_schema: Annotated[
        bool, typer.Option("--other-schema", help="Accept a schema of another version of MLflow.")
    ] = False,
    other_keys: Annotated[
        bool, typer.Option("--other-keys", help="Accept a backup whose encryption keys differ.")
    ] = False,
    other_deployment: Annotated[
        bool, typer.Option("--other-deployment", help="Accept a backup of another deployment.")
    ] = False,
    artifacts: Annotated[bool, typer.Option(help="Restore artifacts too, where backups have them.")] = True,
    incomplete_artifacts: Annotated[
        bool, typer.Option("--incomplete-artifacts", help="Accept a backup whose artifacts were not all copied.")
    ] = False,
) -> None:
    """Stop the servers, restore a backup, start them again. After an interruption the same command goes on."""
    from . import backups

    given = {
        "RESTORE_OTHER_SCHEMA": other_schema,
        "RESTORE_OTHER_KEYS": other_keys,
        "RESTORE_OTHER_DEPLOYMENT": other_deployment,
    }
    options = {name: "true" for name, value in given.items() if value}
    if not artifacts:
        options["RESTORE_ARTIFACTS"] = "false"
    elif incomplete_artifacts:
        options["RESTORE_ARTIFACTS"] = "incomplete"
    done = backups.restore(
        session.target, session.console, snapshot, replace=replace, without_backup=without_backup, options=options
    )
    session.console.result(
        done, f"restored {done['snapshot']}" + (f"; before it: {done['before']}" if done["before"] else "")
    )


@_command
def upgrade(
    session: Session,
    tag: Annotated[str, typer.Argument(help="Tag of the new image.")],
    mode: Annotated[
        Way | None,
        typer.Option(
            help="in-place: refuse if the schema changes; standard: stop the servers, back up, migrate; blue-green: the same, and keep a "
            "copy of the database as it was. Default: the stack's `upgrade.mode`."
        ),
    ] = None,
) -> int:
    """Check, change the version in the configuration of --stack, run `pulumi up`, check. After an interruption the same command goes on."""
    from . import upgrade as upgrading

    done = upgrading.upgrade(session.target, session.console, session.stack, tag, mode and mode.value)
    failed = [each["check"] for each in done["checks"] if not each["ok"]]
    frozen = "" if done["freezeSeconds"] is None else f"; nobody could write for {done['freezeSeconds']} s"
    session.console.result(
        done, f"failed: {', '.join(failed)}" if failed else f"{done['to']} serves, and all checks passed{frozen}"
    )
    return FAILED if failed else 0


@_command
def rollback(
    session: Session,
    without_backup: Annotated[
        bool, typer.Option("--without-backup", help="Do not save the database as it is now.")
    ] = False,
) -> None:
    """Undo the last upgrade: the image alone where the schema is the same, else the database of before it, kept or backed up."""
    from . import rollback as back

    done = back.rollback(session.target, session.console, without_backup=without_backup)
    session.console.result(done, back.advice(done["image"]))


@_command
def drop(
    session: Session,
    database: Annotated[str, typer.Argument(help="Name of the database, as `status` shows it.")],
) -> None:
    """Drop a database that an upgrade with `upgrade.mode: blue-green`, or a rollback, has kept."""
    from . import kept

    session.console.result(kept.drop(session.target, session.console, database).data(), f"dropped {database}")


@_command
def open_(session: Session) -> None:
    """Start the servers as they were before `restore` or `rollback` stopped them."""
    from . import fence

    fence.open_(session.target, session.console)
    session.console.result({"opened": str(session.target)}, "done")


@_command
def gc(session: Session) -> None:
    """Delete now what users have deleted, instead of at the next time of the schedule."""
    from ..labels import GARBAGE_COLLECTION
    from .jobs import from_cron_job, run

    cron_job = session.target.cron_job(GARBAGE_COLLECTION)
    session.console.confirm(f"permanently delete what users of {session.target} have deleted")
    session.console.result(run(session.target, from_cron_job(cron_job), session.console).data(), "done")


@_command
def rotate(
    session: Session,
    what: Annotated[Key, typer.Argument(help="What to rotate.")],
    secret: Annotated[
        str | None, typer.Option(help="For `kek`: the Secret with the new passphrase; a Job wraps the keys with it.")
    ] = None,
    key: Annotated[str, typer.Option(help="The key in that Secret.")] = "passphrase",
) -> None:
    """Print how to replace a password or key of this deployment, step by step; with --secret, replace the passphrase of the gateway's
    secrets. After an interruption the same command goes on."""
    from . import rotation

    if secret is not None:
        if what is not Key.KEK:
            raise OperationError("--secret is for `rotate kek` alone", "Leave it out to see the steps.", USAGE)
        done = rotation.rotate_kek(session.target, session.console, secret, key)
        session.console.result(done, rotation.advice(session.target, done))
        return
    steps = rotation.steps(session.target, what.value)
    session.console.result(steps, "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)))


@app.command()
def gate(
    file: Annotated[
        typer.FileText,
        typer.Argument(help="Output of `pulumi preview --json --show-sames`, or an event log. `-`: standard input."),
    ] = sys.stdin,  # type: ignore[assignment]
    allow: Annotated[
        list[str] | None,
        typer.Option(help="URN or type of a resource to whose loss or change you agree. May be repeated."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
) -> None:
    """Judge a preview of any program: exit code 1 if it loses data, keys or protection, or changes a schema without a backup."""
    from . import gate as gates

    def judge() -> int:
        found = gates.judge(gates.read(file.read()), allow or ())
        data, text = gates.as_data(found), gates.as_text(found)
        console.result(data, gates.as_markdown(found) if format_ is Format.MARKDOWN else text)
        return FAILED if found.refused else 0

    console = Console(as_json=format_ is Format.JSON)
    raise typer.Exit(_guarded(console, judge))


@app.command(name="import-values")
def import_values(
    values: Annotated[
        str, typer.Argument(help="File of values (`helm get values RELEASE --output yaml`), or - for standard input.")
    ],
    chart: Annotated[ChartName, typer.Option(help="Whose values they are: docs/charts.md names the charts.")],
    release: Annotated[str, typer.Option(help="Name of the release.")] = "mlflow",
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Its namespace. Default: mlflow; with --check the context's."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New stack file to write, such as Pulumi.prod.yaml.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look at the running release, without changing anything.")
    ] = False,
    context: Annotated[
        str | None, typer.Option(help="Context of the kubeconfig for --check. Default: the current one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Make a stack configuration of a Helm chart's values: what is carried, what differs, what is not, and the steps of the move.

    Exit code 1 if something could not be carried or has to be decided. Passwords are not written into the file.
    """
    from . import import_values as moving

    console = Console(as_json=as_json)

    def work() -> int:
        from .cluster import Cluster

        cluster = Cluster.connect(context) if check else None
        where = namespace or (cluster.namespace if cluster else "mlflow")
        return moving.run(console, values, chart.value, release, where, output, cluster)

    raise typer.Exit(_guarded(console, work))


@app.command()
def policies() -> None:
    """Print the folder of the policy pack: pack="$(pulumi-mlflow policies)" && pulumi preview --policy-pack "$pack"."""
    print(Path(__file__).resolve().parents[1] / "policies")
