"""The command line, as far as no cluster is needed to see that it is right."""

import copy
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components import versions
from components.operations import backups, checks, cli, fence, jobs, kept, rollback, rotation, stack, status, upgrade
from components.operations import target as targets
from components.operations.cluster import Cluster
from components.operations.console import Console
from components.operations.errors import NOT_FOUND, USAGE, MissingError, OperationError
from toolchain.environments import DEVELOPMENT, requirements
from toolchain.paths import ROOT

NAME, NAMESPACE, OLD, NEW = "mlflow", "ml", "ghcr.io/mlflow/mlflow:v3.10.0", versions.MLFLOW_IMAGE
TAG = NEW.rpartition(":")[2]
KIND = {"deployments": "Deployment", "cronjobs": "CronJob", "jobs": "Job", "pods": "Pod"}


class Api:
    """Objects in memory, and Jobs that end at once: what `Cluster` is for the commands."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.started: list[dict[str, Any]] = []
        self.fails: set[str] = set()
        self.says = {"list": "[]"}
        self.client = self.context = None
        self.namespace = "default"

    def add(self, kind: str, name: str, component: str, **more: Any) -> dict[str, Any]:
        labels = targets.selector(NAME, component)
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": name,
            "labels": labels,
            "annotations": {},
            "creationTimestamp": f"2026-01-01T00:00:{len(self.objects):02}Z",
            "resourceVersion": "1",
            "generation": 1,
        }
        made = {"kind": KIND.get(kind, kind), "metadata": metadata, **copy.deepcopy(more)}
        self.objects[kind, name] = made
        return made

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if (kind, name) not in self.objects:
            raise MissingError(f"{kind} {name} not found", "", NOT_FOUND)
        return copy.deepcopy(self.objects[kind, name])

    def list(self, kind: str, namespace: str | None, labels: dict[str, str] | None = None) -> list[dict[str, Any]]:
        found = [each for (one, _), each in self.objects.items() if one == kind]
        fitting = [each for each in found if (labels or {}).items() <= each["metadata"].get("labels", {}).items()]
        return [copy.deepcopy(each) for each in fitting if namespace in (None, each["metadata"]["namespace"])]

    def create(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        (container, *_) = body["spec"]["template"]["spec"]["containers"]
        given = {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
        component = body["metadata"]["labels"]["app.kubernetes.io/component"]
        self.started.append({"component": component, "env": given})
        dry = given.get("RESTORE_DRY_RUN") == "true"
        failed = component in self.fails or (not dry and f"{component}, not as a dry run" in self.fails)
        condition = {"type": "Failed" if failed else "Complete", "status": "True", "message": "as the test says"}
        made = self.add("jobs", body["metadata"]["name"], component, spec=body["spec"])
        made["status"] = {"conditions": [condition], **({} if failed else {"completionTime": "2026-01-02T00:00:00Z"})}
        state = {"terminated": {"exitCode": int(failed)}}
        pod = self.add("pods", f"{body['metadata']['name']}-x", component)
        pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = body["metadata"]["name"]
        pod["status"] = {"containerStatuses": [{"name": container["name"], "state": state}]}
        lists = "restic snapshots" in " ".join(container.get("command", []))
        self.says[pod["metadata"]["name"]] = self.says.get("list" if lists else component, "")
        return made

    def patch(self, kind: str, namespace: str, name: str, body: Any) -> dict[str, Any]:
        if isinstance(body, list):
            return self.objects[kind, name]  # of managedFields, which tests with the real API look at
        made = self.objects[kind, name]
        notes = body.get("metadata", {}).get("annotations", {})
        made["metadata"]["annotations"] |= notes
        made["metadata"]["annotations"] = {k: v for k, v in made["metadata"]["annotations"].items() if v is not None}
        spec = body.get("spec", {})
        made.setdefault("spec", {}).update({key: value for key, value in spec.items() if key != "template"})
        for each in copy.deepcopy(spec.get("template", {}).get("spec", {}).get("containers", [])):
            container = made["spec"]["template"]["spec"]["containers"][0]
            named = {one["name"]: one for one in [*container.get("env", []), *each.pop("env", [])]}
            container |= {**each, **({"env": list(named.values())} if named else {})}
        for key, value in body.get("data", {}).items():
            made["data"].pop(key, None) if value is None else made["data"].update({key: value})
        if kind == "deployments":
            replicas = made["spec"]["replicas"]
            made["status"] = {"observedGeneration": 1, "updatedReplicas": replicas, "readyReplicas": replicas}
        return made

    def log(self, namespace: str, pod: str, container: str) -> Any:
        yield from self.says.get(pod, "").splitlines()

    def kubectl(self, command: str, namespace: str) -> str:
        return f"kubectl {command}"


def _pod(*names: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "spec": {
            "containers": [
                {"name": name, "image": NEW, "volumeMounts": [], "command": ["sh", "/programs/store.sh"]}
                for name in names
            ]
        },
    }


@pytest.fixture
def api() -> Api:
    return _api()


def _api() -> Api:
    made = Api()
    made.add("deployments", "mlflow-server", "server", spec={"replicas": 3, "template": _pod("mlflow")})
    for component, container in (("backup", "store"), ("restore", "restore"), ("garbage-collection", "mlflow")):
        template = {"metadata": {"labels": targets.selector(NAME, component)}, "spec": {"template": _pod(container)}}
        spec = {"schedule": "0 0 * * *", "suspend": component == "restore", "jobTemplate": template}
        made.add("cronjobs", f"mlflow-{component}", component, spec=spec)
    made.says["list"] = json.dumps(
        [
            {"id": f"{short}ffffffff", "short_id": short, "time": f"2026-01-0{day}T00:00:00Z", "tags": tags}
            for day, short, tags in (
                (1, "aaaaaaaa", ["backup"]),
                (2, "bbbbbbbb", ["backup"]),
                (3, "cccccccc", ["before-restore"]),
            )
        ]
    )
    made.says["restore"] = "backup: what was there is saved as snapshot dddddddddddd"
    return made


@pytest.fixture
def target(api: Api) -> targets.Target:
    return targets.Target(api, NAMESPACE, NAME)  # type: ignore[arg-type]


def _server(api: Api) -> dict[str, Any]:
    return api.objects["deployments", "mlflow-server"]


def _suspended(api: Api) -> dict[str, bool]:
    return {name: each["spec"]["suspend"] for (kind, name), each in api.objects.items() if kind == "cronjobs"}


def test_help_answers_within_a_second_and_names_every_command() -> None:
    command = [sys.executable, "-m", "components.operations", "--help"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    commands = {
        "status",
        "check",
        "backup",
        "list",
        "verify",
        "prune",
        "drill",
        "restore",
        "rollback",
        "open",
        "gc",
        "rotate",
    }
    assert commands <= set(shown.split())
    # Of the processor, which others may be using as well.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_the_extra_of_the_wheel_is_what_the_tests_use() -> None:
    listed = requirements(DEVELOPMENT)
    extra = ", ".join(f'"{listed[name]}"' for name in ("kubernetes", "pyyaml", "rich", "typer"))
    assert f"cli = [{extra}]" in (ROOT / "pyproject.toml").read_text()


def test_a_wrong_kubeconfig_or_context_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    missing = tmp_path / "none"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(missing))
    with pytest.raises(OperationError, match="there is no kubeconfig"):
        Cluster.connect(None)
    missing.write_text(
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\n"
        "users: [{name: u, user: {token: none}}]\ncontexts: [{name: here, context: {cluster: c, user: u}}]\n"
        "current-context: here\n"
    )
    with pytest.raises(OperationError, match="no context 'there'") as error:
        Cluster.connect("there")
    assert "here" in error.value.fix and error.value.code == NOT_FOUND
    with pytest.raises(OperationError, match=r"the cluster https://127.0.0.1:9 does not answer"):
        Cluster.connect("here").list("pods", "default")


def test_the_deployment_is_found_or_those_there_are_listed(api: Api) -> None:
    cluster: Any = api
    assert str(targets.find(cluster, None, None)) == "ml/mlflow"
    with pytest.raises(OperationError, match="no deployment 'other'") as error:
        targets.find(cluster, "other", None)
    assert "ml/mlflow" in error.value.fix and error.value.code == NOT_FOUND
    api.add("deployments", "b-server", "server")["metadata"]["labels"]["app.kubernetes.io/instance"] = "b"
    with pytest.raises(OperationError, match="there are 2") as error:
        targets.find(cluster, None, None)
    assert "--namespace ml --name b" in error.value.fix and error.value.code == USAGE


def test_what_is_not_declared_is_named_with_its_argument(api: Api, target: targets.Target) -> None:
    with pytest.raises(OperationError, match=r"`backup\.drill` is not set") as error:
        target.cron_job("backup-drill")
    assert "mlflow:backup.drill" in error.value.fix and error.value.code == NOT_FOUND


def test_a_job_is_what_kubectl_makes_of_the_template(api: Api) -> None:
    cron_job = api.objects["cronjobs", "mlflow-backup"]
    template = cron_job["spec"]["jobTemplate"]
    template["metadata"]["annotations"] = {"note": "kept"}
    template["spec"]["fieldOfALaterVersion"] = 1
    before = copy.deepcopy(cron_job)
    made = jobs.from_cron_job(cron_job)
    assert made["spec"] == template["spec"]
    assert made["metadata"]["annotations"] == {"note": "kept", "cronjob.kubernetes.io/instantiate": "manual"}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "mlflow-backup", "uid": "mlflow-backup"}
    assert made["metadata"]["ownerReferences"] == [{**owner, "controller": True}]
    changed = jobs.from_cron_job(cron_job, {"A": "1"}, only=["store"])
    assert changed["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]
    assert cron_job == before


def test_restore_replaces_and_opens_again(api: Api, target: targets.Target) -> None:
    api.says["restore"] += "\nbackup: written since the backup, and replaced with it: 12 rows (metrics 10, runs 2)"
    with pytest.raises(OperationError, match="the 12 rows written since will be in a snapshot taken before it"):
        backups.restore(target, Console(), "latest", replace=True)
    with pytest.raises(OperationError, match="the 12 rows written since will be lost"):
        backups.restore(target, Console(), "latest", replace=True, without_backup=True)
    assert _server(api)["spec"]["replicas"] == 3
    api.started.clear()
    done = backups.restore(target, Console(yes=True), "latest", replace=True)
    # Not the one that was itself taken before a restore.
    assert done == {"snapshot": "bbbbbbbb", "before": "dddddddd", "lost": 12, "replicas": 3}
    listed, tried, restored = api.started
    assert listed["component"] == "backup"
    assert restored["env"] == {"RESTORE_SNAPSHOT": "bbbbbbbb", "RESTORE_REPLACE": "true"}
    assert tried["env"] == {**restored["env"], "RESTORE_DRY_RUN": "true"}
    assert _server(api)["spec"]["replicas"] == 3
    assert fence.ANNOTATION not in _server(api)["metadata"]["annotations"]
    expected = {"mlflow-backup": False, "mlflow-garbage-collection": False, "mlflow-restore": True}
    assert _suspended(api) == expected


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ((), {}),
        (("--no-artifacts",), {"RESTORE_ARTIFACTS": "false"}),
        (("--incomplete-artifacts", "--other-keys"), {"RESTORE_ARTIFACTS": "incomplete", "RESTORE_OTHER_KEYS": "true"}),
        (
            ("--other-schema", "--other-deployment"),
            dict.fromkeys(("RESTORE_OTHER_SCHEMA", "RESTORE_OTHER_DEPLOYMENT"), "true"),
        ),
    ],
)
def test_what_a_restore_may_pass_over_reaches_the_job_and_its_trial(
    options: tuple[str, ...],
    given: dict[str, str],
    api: Api,
    target: targets.Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "_target", lambda common: target)
    answer = CliRunner().invoke(cli.app, ["restore", "latest", "--replace", "--yes", *options])
    assert answer.exit_code == 0, answer.output
    _, tried, restored = api.started
    expected = {"RESTORE_SNAPSHOT": "bbbbbbbb", "RESTORE_REPLACE": "true", **given}
    assert restored["env"] == expected and tried["env"] == {**expected, "RESTORE_DRY_RUN": "true"}


def test_a_restore_that_failed_stays_closed_and_goes_on_with_the_same_command(api: Api, target: targets.Target) -> None:
    api.fails = {"restore"}
    console = Console(yes=True)
    with pytest.raises(OperationError, match="as the test says"):
        backups.restore(target, console, "bbbbbbbb", replace=True)
    # What would be refused is refused while the servers run.
    assert _server(api)["spec"]["replicas"] == 3 and console.going_on == []
    api.fails = {"restore, not as a dry run"}
    with pytest.raises(OperationError, match="as the test says"):
        backups.restore(target, console, "bbbbbbbb", replace=True)
    assert "`pulumi-mlflow open`" in console.going_on[0]
    assert _server(api)["spec"]["replicas"] == 0
    assert set(_suspended(api).values()) == {True}
    for snapshot, purpose in (("aaaaaaaa", "restore"), ("bbbbbbbb", "rollback")):
        with pytest.raises(OperationError, match="are stopped for `restore` of the backup bbbbbbbb"):
            backups.restore(target, Console(yes=True), snapshot, replace=True, purpose=purpose)

    api.fails, before = set(), len(api.started)
    done = backups.restore(target, Console(yes=True), "latest", replace=True)
    assert done == {"snapshot": "bbbbbbbb", "before": "dddddddd", "lost": None, "replicas": 3}
    assert [each["component"] for each in api.started[before:]] == ["restore"]
    assert _server(api)["spec"]["replicas"] == 3


def test_a_restore_whose_job_ended_while_nobody_watched_only_opens(api: Api, target: targets.Target) -> None:
    known = fence.note(target, fence.close(target, Console(), "restore"), snapshot="bbbbbbbb")
    body = jobs.from_cron_job(target.cron_job("restore"))
    fence.note(target, known, job=api.create("jobs", body)["metadata"]["name"])
    before = len(api.started)
    backups.restore(target, Console(), "bbbbbbbb", replace=False)
    assert len(api.started) == before and _server(api)["spec"]["replicas"] == 3


KEPT = {"name": "mlflow-server-1", "key": rotation.PASSPHRASE}


def _rotating(api: Api) -> None:
    """A server with a passphrase, a Secret with another one, and a migration Job that knows what to do."""
    reference = {"name": rotation.PASSPHRASE, "valueFrom": {"secretKeyRef": dict(KEPT)}}
    container = _server(api)["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "A", "value": "1"}, reference]
    api.add("secrets", "mlflow-kek-2", "")["data"] = {"passphrase": "bmV3"}
    pod = _pod("migration")
    pod["spec"]["containers"][0]["command"] = ["python", "/etc/mlflow/migration/upgrade.py"]
    job = api.add("jobs", "mlflow-migration-1", "migration", spec={"template": pod})
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}


def _rotate(target: targets.Target) -> Any:
    return rotation.rotate_kek(target, Console(yes=True), "mlflow-kek-2", "passphrase")


def test_a_passphrase_is_rotated_by_jobs_that_know_both(api: Api, target: targets.Target) -> None:
    with pytest.raises(OperationError, match=f"have no {rotation.PASSPHRASE} from a Secret"):
        _rotate(target)
    _rotating(api)
    with pytest.raises(OperationError, match="the Secret mlflow-kek-2 has no key other"):
        rotation.rotate_kek(target, Console(yes=True), "mlflow-kek-2", "other")
    with pytest.raises(OperationError, match="Confirm with --yes"):
        rotation.rotate_kek(target, Console(), "mlflow-kek-2", "passphrase")
    assert api.started == []
    done = _rotate(target)
    new = {"name": "mlflow-kek-2", "key": "passphrase"}
    assert done == {"from": KEPT, "to": new, "version": 2}
    assert len(api.started) == 2, "once more for what was written meanwhile"
    for made in [each for (kind, name), each in api.objects.items() if kind == "jobs" and "rotate-kek" in name]:
        (container,) = made["spec"]["template"]["spec"]["containers"]
        given = {each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"] for each in container["env"]}
        wanted = {"MIGRATION_MODE": "rotate-kek", rotation.VERSION: "1", "ROTATE_KEK_PASSPHRASE": new}
        assert given == {**wanted, rotation.PASSPHRASE: KEPT}
    server = {each["name"]: each for each in _server(api)["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert server[rotation.PASSPHRASE]["valueFrom"] == {"secretKeyRef": new}
    assert (server[rotation.VERSION]["value"], server["A"]["value"]) == ("2", "1")
    assert target.remembered(status.ROTATION) is None
    told = rotation.advice(target, done)
    assert "keys.existingSecret.name mlflow-kek-2" in told and "annotations.mlflow-deployment/kekPassphrase" in told
    with pytest.raises(OperationError, match="read their passphrase from mlflow-kek-2/passphrase already"):
        _rotate(target)


def test_a_rotation_that_was_begun_is_told_and_no_other_one_begins(api: Api, target: targets.Target) -> None:
    _rotating(api)
    api.fails = {"migration"}
    with pytest.raises(OperationError, match="as the test says"):
        _rotate(target)
    assert "`pulumi-mlflow rotate kek --secret mlflow-kek-2 --key passphrase` goes on" in status.describe(
        status.status(target)
    )
    with pytest.raises(OperationError, match="a rotation to the passphrase in mlflow-kek-2/passphrase has begun"):
        rotation.rotate_kek(target, Console(yes=True), "another", "passphrase")
    api.fails = set()
    assert _rotate(target)["version"] == 2


def _with_login(api: Api, own: bool, **variables: Any) -> None:
    """Servers with these variables, each a value or a Secret and a key in it."""
    (container,) = _server(api)["spec"]["template"]["spec"]["containers"]
    container["env"] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": value[0], "key": value[1]}}}
        if isinstance(value, tuple)
        else {"name": name, "value": value}
        for name, value in variables.items()
    ]
    for value in variables.values():
        if isinstance(value, tuple):
            api.add("secrets", value[0], "database")["metadata"]["labels"] |= {} if own else {targets.INSTANCE: "none"}


POSTGRESQL = {
    "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2://?keepalives=1",
    "PGHOST": "db.example.com",
    "PGUSER": "mlflow",
    "PGPASSWORD": ("login", "PGPASSWORD"),
}
MYSQL = {
    "MLFLOW_BACKEND_STORE_URI": "mysql+pymysql://db.example.com:3306/mlflow?read_default_file=x",
    "DATABASE_USERNAME": "mlflow",
    "DATABASE_PASSWORD": ("login", "DATABASE_PASSWORD"),
}


@pytest.mark.parametrize(
    ("variables", "own", "made", "wanted", "absent"),
    [
        (POSTGRESQL, True, None, ["postgresql.password", 'ALTER ROLE "mlflow"', "503"], ["If the", "root()", "patch"]),
        ({**POSTGRESQL, "PGHOST": "a.b.eu.rds.amazonaws.com"}, True, None, ["`database.rds` or `database.aurora`"], []),
        ({**POSTGRESQL, "PGHOST": "a.postgres.database.azure.com"}, True, None, ["`database.azureFlexible"], []),
        ({**POSTGRESQL, "PGHOST": "10.0.0.5"}, True, None, ["`database.cloudSql`"], []),
        (
            POSTGRESQL,
            False,
            None,
            ["patch secret login", "rollout restart deployment/mlflow-server"],
            ["pulumi config"],
        ),
        (POSTGRESQL, True, "jobs", ["The Job `database-creation` tells", "unprotect"], ["ALTER"]),
        (POSTGRESQL, False, "jobs", ["patch secret login", "ALTER ROLE"], ["database-creation"]),
        (POSTGRESQL, True, "statefulsets", ["exec --stdin mlflow-database-0", "starts anew"], ["administrator"]),
        (
            POSTGRESQL,
            False,
            "statefulsets",
            ["exec --stdin mlflow-database-0", "patch"],
            ["starts anew", "pulumi config"],
        ),
        (MYSQL, True, None, ["RETAIN CURRENT PASSWORD", "IDENTIFIED VIA", "DISCARD OLD"], ["503"]),
        (MYSQL, True, "statefulsets", ["inClusterMysql.password", "IDENTIFIED VIA", "forgets"], ["503", "RETAIN"]),
        (
            {**MYSQL, "MLFLOW_BACKEND_STORE_URI": "mssql+pymssql://x"},
            True,
            None,
            ["sqlServer", "ALTER LOGIN"],
            ["MySQL"],
        ),
        (
            {"MLFLOW_BACKEND_STORE_URI": ("login", "uri")},
            False,
            None,
            ["Write the URI", "ALTER LOGIN [USER]"],
            ["patch"],
        ),
        (
            {"MLFLOW_BACKEND_STORE_URI": ("login", "uri")},
            True,
            None,
            ["mlflow:database.uri.value"],
            ["rollout restart"],
        ),
    ],
)
def test_the_password_of_the_database_is_replaced_by_steps_for_its_kind(
    variables: dict[str, Any],
    own: bool,
    made: str | None,
    wanted: list[str],
    absent: list[str],
    api: Api,
    target: targets.Target,
) -> None:
    _with_login(api, own, **variables)
    if made == "jobs":
        api.add("jobs", "mlflow-database-creation-1", "database-creation")
    if made == "statefulsets":
        api.add("statefulsets", "mlflow-database", "database")
    steps = rotation.steps(target, "database-password")
    text = "\n".join(steps)
    assert steps[0].startswith("The servers of ml/mlflow read it from the Secret login, key ")
    assert [each for each in wanted if each not in text] == [] and [each for each in absent if each in text] == []
    # The server knows it before the servers need it.
    commands = [line for step in steps for line in step.splitlines()[1:] if line.startswith("   ")]
    first = {
        each: next((n for n, line in enumerate(commands) if each in line), -1)
        for each in ("ALTER ", "pulumi up", "restart")
    }
    assert first["ALTER "] < max(first["pulumi up"], first["restart"])


def test_what_has_no_password_is_told_and_further_databases_are_named(api: Api, target: targets.Target) -> None:
    with pytest.raises(OperationError, match="is not of a kind that has one"):
        rotation.steps(target, "database-password")
    _with_login(api, True, MLFLOW_BACKEND_STORE_URI="sqlite:////mlflow/database/mlflow.db")
    with pytest.raises(OperationError, match="is a file, which has none") as error:
        rotation.steps(target, "database-password")
    assert error.value.code == NOT_FOUND
    _with_login(api, True, **POSTGRESQL, MLFLOW_REGISTRY_STORE_URI=("more", "MLFLOW_REGISTRY_STORE_URI"))
    assert "Likewise for `database.registry`" in rotation.steps(target, "database-password")[-2]


def test_another_flask_key_logs_nobody_out_and_another_webhook_key_is_agreed_to(
    api: Api, target: targets.Target
) -> None:
    _with_login(api, True, MLFLOW_FLASK_SERVER_SECRET_KEY=("mlflow-server-1", "MLFLOW_FLASK_SERVER_SECRET_KEY"))
    where, effect, make, roll = rotation.steps(target, "flask-key")
    assert where == "The servers read it from the Secret mlflow-server-1, key MLFLOW_FLASK_SERVER_SECRET_KEY."
    assert "nobody is logged out" in effect and "mlflow:keys.flaskSecretKey" in make and "pulumi up" in roll
    webhook = "\n".join(rotation.steps(target, "webhook-key"))
    assert "annotations.mlflow-deployment/webhookSecretEncryptionKey" in webhook
    assert "RandomPassword::mlflow-webhook-key$" in webhook


class KilledError(BaseException):
    """The command line is gone."""


class Dying(Api):
    """Ends who asks it before or after one of its changes.

    Attributes:
        left: How many changes come before that one.
        made: Whether that one is still made.
    """

    left = 1000
    made = False

    def _change(self, change: Any) -> Any:
        self.left -= 1
        if self.left < 0 and not self.made:
            raise KilledError
        done = change()
        if self.left < 0:
            raise KilledError
        return done

    def create(self, kind: str, body: dict[str, Any]) -> Any:
        return self._change(lambda: Api.create(self, kind, body))

    def patch(self, kind: str, namespace: str, name: str, body: Any) -> Any:
        return self._change(lambda: Api.patch(self, kind, namespace, name, body))


def _restore(target: targets.Target) -> Any:
    return backups.restore(target, Console(yes=True), "latest", replace=True)


def _roll_back(target: targets.Target) -> Any:
    return rollback.rollback(target, Console(yes=True), without_backup=False)


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("command", [_restore, _roll_back])
def test_a_command_that_is_killed_anywhere_goes_on_and_does_nothing_twice(command: Any, made: bool) -> None:
    def world() -> tuple[Dying, targets.Target]:
        api: Any = _api()
        api.__class__ = Dying
        _upgrade(api, to="b", snapshot="aaaaaaaa")
        return api, targets.Target(api, NAMESPACE, NAME)

    def restored() -> int:
        """How many Jobs have done more than tell what they would do."""
        ran = [each["env"] for each in api.started if each["component"] == "restore"]
        return sum("RESTORE_DRY_RUN" not in each for each in ran)

    api, target = world()
    command(target)
    changes, ended = 1000 - api.left, (_image(api), _suspended(api))
    for number in range(changes):
        api, target = world()
        api.left, api.made = number, made
        with pytest.raises(KilledError):
            command(target)
        api.left = 1000
        stopped = fence.record(target) is not None
        assert stopped is (_server(api)["spec"]["replicas"] == 0)
        written = "rolled-back" in api.objects["configmaps", "mlflow-upgrade"]["data"]["history"]
        if stopped or not (written if command is _roll_back else restored()):
            command(target)
        assert (_image(api), _suspended(api)) == ended and _server(api)["spec"]["replicas"] == 3
        assert fence.record(target) is None
        assert restored() == 1, number
    if command is _roll_back:
        with pytest.raises(OperationError, match="was rolled back already"):
            command(target)


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
def test_a_rotation_that_is_killed_anywhere_goes_on(made: bool) -> None:
    def world() -> tuple[Dying, targets.Target]:
        api: Any = _api()
        api.__class__ = Dying
        _rotating(api)
        return api, targets.Target(api, NAMESPACE, NAME)

    api, target = world()
    _rotate(target)
    for number in range(1000 - api.left):
        api, target = world()
        api.left, api.made = number, made
        with pytest.raises(KilledError):
            _rotate(target)
        api.left = 1000
        if target.remembered(status.ROTATION) is not None or not api.started:
            assert _rotate(target)["from"] == KEPT
        server = {each["name"]: each for each in _server(api)["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert server[rotation.VERSION]["value"] == "2" and target.remembered(status.ROTATION) is None
        assert server[rotation.PASSPHRASE]["valueFrom"]["secretKeyRef"]["name"] == "mlflow-kek-2"


def test_nothing_is_stopped_without_an_answer_for_no_backup_or_beside_a_job(api: Api, target: targets.Target) -> None:
    with pytest.raises(OperationError, match="Confirm with --yes"):
        backups.restore(target, Console(), "latest", replace=True)
    with pytest.raises(OperationError, match="there is no snapshot 'eeee'"):
        backups.restore(target, Console(yes=True), "eeee", replace=True)
    job = api.add("jobs", "gc-now", "garbage-collection", spec={"template": _pod("mlflow")}, status={"active": 1})
    with pytest.raises(OperationError, match="gc-now works with the database"):
        backups.restore(target, Console(yes=True), "latest", replace=True)
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert _server(api)["spec"]["replicas"] == 3 and fence.record(target) is None


def _upgrade(api: Api, to: str = "a", unfinished: bool = False, **more: Any) -> None:
    """The record of an upgrade of an image whose schema is `a`."""
    record = {"from": {"image": OLD, "heads": {"mlflow": "a"}}, "to": {"image": NEW, "heads": {"mlflow": to}}, **more}
    data = {"history": json.dumps([] if unfinished else [{**record, "result": "upgraded"}, {"result": "failed"}])}
    data |= {"current": json.dumps(record)} if unfinished else {}
    api.add("configmaps", "mlflow-upgrade", "migration", data=data)


def _image(api: Api) -> str:
    return _server(api)["spec"]["template"]["spec"]["containers"][0]["image"]


def test_rollback_with_the_same_schema_is_the_image_alone(api: Api, target: targets.Target) -> None:
    _upgrade(api)
    done = rollback.rollback(target, Console(yes=True), without_backup=False)
    assert done == {"image": OLD, "restored": None, "lost": 0, "before": None}
    assert (_image(api), api.started) == (OLD, [])
    assert "mlflow:image.tag v3.10.0" in rollback.advice(OLD)
    with pytest.raises(OperationError, match="was rolled back already"):
        rollback.rollback(target, Console(yes=True), without_backup=False)


def test_rollback_with_another_schema_restores_and_opens_with_the_old_image(api: Api, target: targets.Target) -> None:
    _upgrade(api, to="b", snapshot="aaaaaaaa")
    done = rollback.rollback(target, Console(yes=True), without_backup=False)
    assert done == {"image": OLD, "restored": "aaaaaaaa", "lost": None, "before": "dddddddd"}
    assert api.started[-1]["env"]["RESTORE_OTHER_SCHEMA"] == "true"
    assert (_image(api), _server(api)["spec"]["replicas"]) == (OLD, 3)


@pytest.mark.parametrize("step", ["saved", "migrating"])
def test_rollback_gives_up_an_upgrade_that_stopped_half_way(step: str, api: Api, target: targets.Target) -> None:
    _server(api)["spec"]["replicas"] = 0
    for name in ("mlflow-backup", "mlflow-garbage-collection"):
        api.objects["cronjobs", name]["spec"]["suspend"] = True
    suspended = {"mlflow-backup": False, "mlflow-garbage-collection": True}
    _upgrade(api, "b", unfinished=True, step=step, replicas=2, suspended=suspended, snapshot="aaaaaaaa")
    done = rollback.rollback(target, Console(yes=True), without_backup=False)
    assert done["restored"] == (None if step == "saved" else "aaaaaaaa")
    assert (_image(api), _server(api)["spec"]["replicas"]) == (OLD, 2)
    assert _suspended(api) == {**suspended, "mlflow-restore": True}
    assert status.unfinished(target) is None


def test_rollback_puts_a_kept_database_back_and_another_command_drops_one(api: Api, target: targets.Target) -> None:
    _upgrade(api, to="b", kept="ml-flow_before_1")
    record = api.objects["configmaps", "mlflow-upgrade"]
    record["data"]["kept"] = json.dumps({"ml-flow_before_1": "as MLflow 3.10.0 left it"})
    pod = _pod("migration")
    pod["spec"]["containers"][0]["command"] = ["python", "/etc/mlflow/migration/upgrade.py"]
    api.add("jobs", "mlflow-migration-1", "migration", spec={"template": pod})["status"] = {
        "conditions": [{"type": "Complete", "status": "True"}]
    }
    assert "ml-flow_before_1 (as MLflow 3.10.0 left it)" in status.describe(status.status(target))
    api.says["migration"] = "migration: written since the upgrade, and kept in ml-flow_after_1: 5 rows (runs 5)"
    with pytest.raises(OperationError, match="the 5 rows written since will be in the database ml-flow_after_1 only"):
        rollback.rollback(target, Console(), without_backup=False)
    assert _server(api)["spec"]["replicas"] == 3
    done = rollback.rollback(target, Console(yes=True), without_backup=False)
    assert done == {"image": OLD, "restored": "ml-flow_before_1", "before": "ml-flow_after_1", "lost": 5}
    assert (_image(api), _server(api)["spec"]["replicas"]) == (OLD, 3)
    wanted = {"MIGRATION_MODE": "put-back", "UPGRADE_KEPT": "ml-flow_before_1"}
    rehearsed = [{**wanted, "UPGRADE_TRY_OUT": dry} for dry in ("true", "true", "false")]
    assert [each["env"] for each in api.started] == rehearsed

    with pytest.raises(OperationError, match="has kept a database 'mlflow'"):
        kept.drop(target, Console(yes=True), "mlflow")
    kept.drop(target, Console(yes=True), "ml-flow_before_1")
    assert api.started[-1]["env"] == {
        "MIGRATION_MODE": "drop",
        "UPGRADE_KEPT": "ml-flow_before_1",
        "UPGRADE_TRY_OUT": "false",
    }


def test_rollback_without_a_record_or_a_backup_says_what_to_do(api: Api, target: targets.Target) -> None:
    with pytest.raises(OperationError, match="no record of an upgrade"):
        rollback.rollback(target, Console(yes=True), without_backup=False)
    _upgrade(api, to="b", restorePoint="2026-01-01T00:00:00Z")
    with pytest.raises(OperationError, match="names no backup from before it") as error:
        rollback.rollback(target, Console(yes=True), without_backup=False)
    assert "2026-01-01T00:00:00Z" in error.value.fix


def test_an_image_is_checked_by_the_newest_migration_job_if_that_can(api: Api, target: targets.Target) -> None:
    with pytest.raises(OperationError, match="no migration Job whose pod could check"):
        checks.before_upgrade(target, Console(), OLD)
    pod = _pod("migration")
    pod["metadata"]["labels"] = {"job-name": "mlflow-migration-1"}
    job = api.add("jobs", "mlflow-migration-1", "migration", spec={"template": pod})
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container["command"] = ["python", "/etc/mlflow/migration/migrate.py"]
    # It would migrate.
    with pytest.raises(OperationError, match="is of an older version, which cannot check"):
        checks.before_upgrade(target, Console(), OLD)
    assert api.started == []

    container["command"] = ["python", "/etc/mlflow/migration/upgrade.py"]
    document = '{"mlflow_version": "3.10.0", "databases": [], "problems": ["a lock"]}'
    api.says["migration"] = f"migration: reading\n{document}\nmigration: refused: a lock"
    backed_up = {"taken": None, "drilled": None}
    api.fails = {"migration"}
    for _ in range(2):
        found = checks.before_upgrade(target, Console(), OLD)
        assert found == {"mlflow_version": "3.10.0", "databases": [], "problems": ["a lock"], "backup": backed_up}
        assert "last backup: never, last drill: never\n  ! a lock" in checks.describe({**found, "upgrade_needed": True})
    made = [each for (kind, name), each in api.objects.items() if kind == "jobs" and "check" in name]
    assert len(made) == 2
    for each in made:
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert container["image"] == OLD
        assert container["env"] == [{"name": "MIGRATION_MODE", "value": "check"}]
        assert "job-name" not in each["spec"]["template"]["metadata"]["labels"]


@pytest.fixture
def configuration(api: Api, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A stack's, whose `pulumi up` gives the servers the image that it names."""
    made: dict[str, str] = {}

    def up(name: str) -> None:
        assert name == "prod"
        server = _server(api)["spec"]["template"]["spec"]["containers"][0]
        server["image"] = f"{OLD.rpartition(':')[0]}:{made.get('image.tag', 'other')}"

    monkeypatch.setattr(stack, "configured", lambda name, path: made.get(path))
    monkeypatch.setattr(stack, "configure", lambda name, path, value: made.update({path: value}))
    monkeypatch.setattr(stack, "up", up)
    monkeypatch.setattr(checks, "of_server", lambda target, console: [{"check": "health", "ok": True}])
    _server(api)["spec"]["template"]["spec"]["containers"][0]["image"] = OLD
    return made


def _checked(monkeypatch: pytest.MonkeyPatch, *problems: str, changes: bool) -> None:
    """Let the new image say this of the database."""
    found = {"mlflow_version": versions.MLFLOW, "upgrade_needed": changes, "databases": [], "problems": problems}
    monkeypatch.setattr(checks, "before_upgrade", lambda target, console, image: found)


def test_an_upgrade_is_refused_before_anything_changes(
    api: Api, target: targets.Target, configuration: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(match: str, mode: str | None = None, name: str | None = "prod", yes: bool = True) -> None:
        with pytest.raises(OperationError, match=match):
            upgrade.upgrade(target, Console(yes=yes), name, NEW.rpartition(":")[2], mode)

    refused("an upgrade changes a stack", name=None)
    # SQLite: there is no migration Job.
    refused("only the server can tell", upgrade.IN_PLACE)
    _checked(monkeypatch, "a lock", changes=True)
    refused("would fail")
    _checked(monkeypatch, changes=True)
    refused("the schema changes, so this is not done in place", upgrade.IN_PLACE)
    refused("`upgrade.mode` is `manual`")
    refused("the servers stop until its schema is migrated", upgrade.STANDARD, yes=False)
    _checked(monkeypatch, changes=False)
    refused("the servers roll", yes=False)
    _server(api)["spec"]["template"]["spec"]["containers"][0]["image"] = f"{OLD}@sha256:{'0' * 64}"
    refused("named by a digest")
    assert configuration == {}


@pytest.mark.parametrize(
    ("mode", "changes", "expected"),
    [
        (upgrade.IN_PLACE, False, {}),
        (upgrade.STANDARD, True, {"upgrade.mode": "automatic"}),
        (upgrade.BLUE_GREEN, True, {"upgrade.mode": "blue-green"}),
    ],
)
def test_an_upgrade_is_a_change_of_the_configuration_and_goes_on_after_an_interruption(
    mode: str,
    changes: bool,
    expected: dict[str, str],
    api: Api,
    target: targets.Target,
    configuration: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _checked(monkeypatch, changes=changes)
    done = upgrade.upgrade(target, Console(yes=True), "prod", TAG, mode)
    assert (done["from"], done["to"], done["schema"], done["freezeSeconds"]) == (OLD, NEW, changes, None)
    assert configuration == {"image.tag": TAG, **expected}

    # The new version is there already, or the old one; and the database is not asked again.
    _upgrade(api, unfinished=True)
    monkeypatch.delattr(checks, "before_upgrade")
    again = upgrade.upgrade(target, Console(yes=True), "prod", TAG, mode)
    assert (again["from"], again["to"]) == (OLD, NEW)


def test_a_program_that_takes_its_image_from_elsewhere_is_told(
    target: targets.Target, configuration: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _checked(monkeypatch, changes=False)
    monkeypatch.setattr(stack, "up", lambda name: None)
    with pytest.raises(OperationError, match="does not take its image from"):
        upgrade.upgrade(target, Console(yes=True), "prod", TAG, None)


def test_status_tells_what_somebody_has_to_do(api: Api, target: targets.Target) -> None:
    _server(api)["status"] = {"readyReplicas": 3}
    cron_job = api.objects["cronjobs", "mlflow-backup"]
    cron_job["status"] = {"lastSuccessfulTime": "2026-01-01T00:00:00Z"}
    found = status.status(target)
    assert found["healthy"] and found["replicas"] == {"wanted": 3, "ready": 3}
    assert found["schedules"]["backup"]["lastSuccess"] == "2026-01-01T00:00:00Z"
    assert list(found["schedules"]) == ["backup", "garbage-collection"]

    api.fails = {"backup"}
    with pytest.raises(OperationError):
        backups.back_up(target, Console())
    found = status.status(target)
    assert not found["healthy"]
    assert "the Job mlflow-backup-" in status.describe(found) and "as the test says" in status.describe(found)


def test_a_stack_is_read_whatever_namespace_the_shell_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_stack(name: str) -> None:
        raise OperationError(f"read {name}", "", NOT_FOUND)

    monkeypatch.setattr(cli, "of_stack", of_stack)
    monkeypatch.setenv("PULUMI_MLFLOW_NAMESPACE", "of-the-shell")
    read = CliRunner().invoke(cli.app, ["status", "--stack", "own"])
    assert read.exit_code == NOT_FOUND and "read own" in read.stderr
    for options in (["--namespace", "ml"], ["--name", "mlflow"]):
        refused = CliRunner().invoke(cli.app, ["status", "--stack", "own", *options])
        assert refused.exit_code == USAGE and "Leave out --name and --namespace" in refused.stderr
