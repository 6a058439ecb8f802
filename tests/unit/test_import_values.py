"""`pulumi-mlflow import-values`: the charts' own examples, secrets, what is unknown, and files that are none."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml
from typer.testing import CliRunner

from components.arguments import MlflowDeploymentArgs
from components.charts.checked import BYTES, ValuesError, document, problems, read
from components.charts.conversion import Conversion, Outcome, Release, target
from components.charts.convert import convert, counterpart, kept
from components.charts.moving import judge, steps
from components.charts.table import CHARTS, chart
from components.operations.cli import ChartName, app
from toolchain.paths import ROOT

FOLDERS = {"community": "community-charts", "deprecated": "tracking-server", "kubernetes": "mlflow-kubernetes"}
DOCUMENTED: dict[str, Any] = yaml.safe_load((Path(__file__).with_name("charts") / "examples.yaml").read_text())
CASES = [(name, example) for name, examples in DOCUMENTED.items() for example in examples]
ARGUMENTS = pydantic.TypeAdapter(MlflowDeploymentArgs)
MISSING = object()


def convert_values(name: str, values: Mapping[str, Any], release: str = "mlflow") -> Conversion:
    return convert(chart(name), values, Release(release, "ml"))


def at(tree: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return MISSING
        tree = tree[part]
    return tree


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    if value is MISSING:
        tree.pop(last, None)
    else:
        tree[last] = copy.deepcopy(value)


def flat(value: Any, under: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            path: each
            for key, item in value.items()
            for path, each in flat(item, f"{under}.{key}" if under else key).items()
        }
    return {under: value}


@pytest.mark.parametrize(("name", "example"), CASES, ids=lambda each: str(each))
def test_examples_of_the_charts_become_what_stands_in_examples(name: str, example: str) -> None:
    """Every difference is in the list, with its reason, and nothing else differs."""
    path = ROOT / "examples" / "charts" / FOLDERS.get(name, name) / f"{example}.yaml"
    config = yaml.safe_load(path.read_text())["config"]
    expected = {key.removeprefix("mlflow:"): value for key, value in config.items()}
    case = DOCUMENTED[name][example]
    values = copy.deepcopy(case["values"])
    if "ldapAuth" in values and values["ldapAuth"].get("encodedTrustedCACertificate"):
        pem = expected["auth"]["ldap"]["tls"]["caCertificate"]
        values["ldapAuth"]["encodedTrustedCACertificate"] = base64.b64encode(pem.encode()).decode()
    conversion = convert_values(name, values)
    made = copy.deepcopy(conversion.config)
    assert (made.pop("namespace"), made.pop("createNamespace")) == ("ml", False)
    assert not [line for line in conversion.lines if line.outcome is Outcome.UNKNOWN]
    for secret in conversion.secrets:
        assert at(conversion.config, secret.path) is MISSING
        put(made, secret.path, secret.value)
    for place, named in case.get("held", {}).items():
        assert at(made, place) == named
        put(made, place, MISSING)
        block, _, _ = place.rpartition(".")
        for field in (
            "username",
            "password",
            "accessKeyId",
            "secretAccessKey",
            "accessKey",
            "adminUsername",
            "adminPassword",
        ):
            if (given := at(expected, f"{block}.{field}")) is not MISSING:
                put(made, f"{block}.{field}", given)
    for place in {**case.get("instead", {}), **case.get("decided", {})}:
        assert at(made, place) != at(expected, place), f"{place} is the same"
        put(made, place, at(expected, place))
    theirs, ours = (flat(dataclasses.asdict(ARGUMENTS.validate_python(each))) for each in (expected, made))
    held = [
        ".".join(map(str, target(counterpart(row, key))))
        for key, _ in kept(conversion)
        if (row := conversion.chart.row(key))
    ]
    differing = {key for key in {*theirs, *ours} if theirs.get(key, MISSING) != ours.get(key, MISSING)}
    assert {key for key in differing if not key.startswith(tuple(held))} == set()
    told = " ".join(problems(conversion))
    for place in case.get("decided", {}):
        assert place.split(".")[-1] in told, (place, told)
    if not case.get("decided"):
        assert not told


def test_every_example_is_tried() -> None:
    there = {(path.parent.name, path.stem) for path in (ROOT / "examples" / "charts").rglob("*.yaml")}
    assert there == {(FOLDERS.get(name, name), example) for name, example in CASES}
    assert {each.value for each in ChartName} == set(CHARTS)


@pytest.mark.parametrize("name", CHARTS)
def test_every_key_of_every_table_has_a_transformation(name: str) -> None:
    """A value under each key, of each kind that YAML has, is told of and breaks nothing."""
    table = chart(name)
    for key in (key for row in table.rows for key in row.keys):
        key = key.replace("[]", "").replace(".*", ".some")
        for value in (
            "text",
            7,
            1.5,
            True,
            [],
            ["a"],
            [{"name": "a"}],
            {"a": {"b": 1}},
            [None],
            "",
            None,
            "s3://b/p",
            "%",
            [[1]],
        ):
            values: dict[str, Any] = {}
            node = values
            parts = key.split(".")
            for depth, part in enumerate(parts[:-1], 1):
                block = ".".join(parts[:depth])
                node = node.setdefault(part, {})
                if block in table.switches:
                    node["enabled"] = True
            node[parts[-1]] = value
            made = convert_values(name, values)
            if value == "text" and key in {row.keys[0] for row in table.rows}:  # slow
                problems(made)
            told = {line.key for line in made.lines}
            default = table.is_default(key, value) or value in (None, "", [])
            assert default or any(
                key == each or key.startswith(f"{each}.") or each.startswith(f"{key}.") for each in told
            ), (key, value)
            assert yaml.safe_load(document(made, "v"))["config"]


@pytest.mark.parametrize(("name", "example"), CASES, ids=lambda each: str(each))
def test_no_secret_is_written_or_told(name: str, example: str) -> None:
    values = copy.deepcopy(DOCUMENTED[name][example]["values"])
    planted: list[str] = []

    def plant(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            if (
                isinstance(value, str)
                and ("assword" in key or "ecret" in key)
                and not key.endswith(("Name", "Key", "Secret", "Certificate"))
            ):
                node[key] = f"planted-{len(planted)}-Xy"
                planted.append(node[key])
            plant(value)
        for each in node if isinstance(node, list) else ():
            plant(each)

    plant(values)
    if "backendStore" in values and "createSecret" in values["backendStore"]:
        planted.append("secret@")
    made = convert_values(name, values)
    text = (
        document(made, "v")
        + repr(made.lines)
        + repr(made.remarks)
        + repr(problems(made))
        + repr(steps(made, "f"))
        + repr(made.secrets)
    )
    assert not [each for each in planted if each in text]


def test_values_of_the_chart_itself_are_no_noise() -> None:
    values: dict[str, Any] = {}
    for path, value in chart("community").defaults.items():
        put(values, path, value)
    put(values, "oauth2Proxy.enabled", False)
    made = convert_values("community", values)
    assert made.lines == []


def test_what_is_unknown_or_off_is_told() -> None:
    made = convert_values(
        "community",
        {
            "replicaCont": 2,
            "minio": {"users": [{"accessKey": "a"}]},
            "service": {"prot": 1},
            "ingress": {"className": "nginx"},
        },
    )
    told = {line.key: (line.outcome, line.text) for line in made.lines}
    assert told["replicaCont"] == (
        Outcome.UNKNOWN,
        "community-charts/mlflow 1.12.0 has no such value; did you mean replicaCount?",
    )
    assert told["service.prot"][0] is Outcome.UNKNOWN
    assert told["minio.users"] == (Outcome.NOT_IN_USE, "minio.enabled is off")
    assert told["ingress.className"] == (Outcome.NOT_IN_USE, "ingress.enabled is off")


def test_names_are_those_of_the_release() -> None:
    def full(name: str, release: str, **values: Any) -> str:
        return convert_values(name, values, release).full_name

    assert full("official", "mlflow") == "mlflow-mlflow" and full("community", "mlflow") == "mlflow"
    assert full("community", "team-a") == "team-a-mlflow" and full("community", "a", nameOverride="b") == "a-b"
    assert full("official", "a", fullnameOverride="given") == "given"


def test_files_that_keep_data_are_taken_over_or_copied() -> None:
    claim = {
        "extraVolumes": [
            {"name": "v", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "ca", "configMap": {"name": "ca"}},
        ]
    }
    claim["extraVolumeMounts"] = [
        {"name": "v", "mountPath": "/data", "subPath": "inner"},
        {"name": "ca", "mountPath": "/ca"},
    ]
    made = convert_values("community", {**claim, "backendStore": {"defaultSqlitePath": "/data/db/other.db"}})
    assert made.config["database"] == {"sqlite": {"volume": {"existingClaim": "data", "subPath": "inner/db"}}}
    assert made.copies[0].startswith("Rename inner/db/other.db on the claim data to inner/db/mlflow.db, while")
    assert [each["name"] for each in made.config["pod"]["volumes"]] == ["ca"]
    assert [each["name"] for each in made.config["pod"]["mounts"]] == ["ca"]
    # The chart puts folder and file of users together as they are.
    users = {"auth": {"enabled": True, "adminPassword": "x" * 12, "sqliteFullPath": "/data/db/"}}
    made = convert_values("community", {**claim, **users, "backendStore": {"defaultSqlitePath": "/data/db/mlflow.db"}})
    (step,) = made.copies
    assert step.startswith("Rename inner/db/basic_auth.db on the claim data to inner/db/users.db")
    overrides = json.loads(shlex.split(step[step.index("kubectl ") :])[-1].partition("=")[2])
    assert overrides["spec"]["securityContext"] == {"runAsUser": 1001}
    assert overrides["spec"]["containers"][0]["command"][2:] == [
        "/data/inner/db/basic_auth.db",
        "/data/inner/db/users.db",
    ]
    lost = convert_values("community", {"backendStore": {"defaultSqlitePath": "/somewhere/mlflow.db"}})
    assert "lost with the pod" in lost.lines[0].text and lost.lines[0].outcome is Outcome.LEFT
    copied = convert_values("community", {"postgresql": {"enabled": True}}, "ml")
    assert "ml-mlflow-postgresql-0" in copied.copies[0]


SETTINGS = {"name": "MLFLOW_AUTH_CONFIG_PATH", "value": "/etc/auth/basic_auth.ini"}
FROM = {"secretKeyRef": {"name": "root", "key": "word"}}


def with_a_log_in(*variables: Mapping[str, Any], **volume: Any) -> Conversion:
    """The official chart's release whose log-in its variables describe."""
    values: dict[str, Any] = {
        "mlflow": {"backendStoreUriFrom": {"secretKeyRef": {"name": "db", "key": "uri"}}},
        "server": {"value_options": {"app_name": "basic-auth"}},
        "env": list(variables),
    }
    if volume:
        values["extraVolumes"] = [{"name": "users", **volume}]
        values["extraVolumeMounts"] = [{"name": "users", "mountPath": "/etc/auth"}]
    return convert_values("official", values)


def test_a_mounted_file_of_settings_and_variables_become_the_log_in() -> None:
    password = {"name": "MLFLOW_AUTH_ADMIN_PASSWORD", "valueFrom": FROM}
    name = {"name": "MLFLOW_AUTH_ADMIN_USERNAME", "value": "ada"}
    made = with_a_log_in(name, SETTINGS, password, secret={"secretName": "ini"})
    secret, file = {"name": "root", "passwordKey": "word"}, {"name": "ini", "key": "basic_auth.ini"}
    assert made.config["auth"]["basic"] == {"existingConfig": file, "existingSecret": secret, "adminUsername": "ada"}
    assert "pod" not in made.config and ("Secret", "ini") in made.referred and ("Secret", "root") in made.referred
    assert not [line for line in made.lines if line.outcome.open] and not problems(made)

    by_reference = {"secretKeyRef": {"name": "root", "key": "who"}}
    items = {"secretName": "ini", "items": [{"key": "a", "path": "basic_auth.ini"}]}
    made = with_a_log_in({**name, "value": None, "valueFrom": by_reference}, SETTINGS, password, secret=items)
    assert made.config["auth"]["basic"]["existingSecret"] == {**secret, "usernameKey": "who"}
    assert made.config["auth"]["basic"]["existingConfig"] == {"name": "ini", "key": "a"}

    made = with_a_log_in(SETTINGS, secret={"secretName": "ini"})
    assert [each.path for each in made.secrets] == ["auth.basic.adminPassword"] and not problems(made)
    assert "mlflow:auth.basic.adminPassword" in "\n".join(steps(made, "f"))


@pytest.mark.parametrize(
    ("file", "ok", "told"),
    [
        ("[mlflow]\ndatabase_uri = postgresql+psycopg2://u:planted%%40@db/mlflow\n", True, "users are in postgresql"),
        ("[mlflow]\ndatabase_uri = sqlite:////mlflow/users.db\n", False, "users are in sqlite, in a file: leave"),
        ("[mlflow]\nadmin_password = planted\n", False, "is no basic_auth.ini"),
        ("planted", False, "is no basic_auth.ini"),
    ],
)
def test_where_users_are_is_looked_up_in_the_cluster(file: str, ok: bool, told: str) -> None:
    made = with_a_log_in(SETTINGS, secret={"secretName": "ini"})
    data = {"basic_auth.ini": base64.b64encode(file.encode()).decode()}
    found = {each.what: each for each in judge(made, {("secrets", "ini"): {"data": data}})}
    assert found["Secret ini"].ok and "planted" not in repr(found)
    users = found["basic_auth.ini of Secret ini"]
    assert users.ok is ok and told in users.text
    assert not [each for each in judge(made, {("secrets", "ini"): {"data": {}}}) if each.what.startswith("basic_auth")]


@pytest.mark.parametrize(
    ("variable", "volume", "told"),
    [
        (SETTINGS, {}, "comes from no Secret"),
        (SETTINGS, {"configMap": {"name": "ini"}}, "comes from no Secret"),
        ({**SETTINGS, "value": "/elsewhere/basic_auth.ini"}, {"secret": {"secretName": "ini"}}, "comes from no Secret"),
        ({"name": "MLFLOW_AUTH_ADMIN_PASSWORD", "value": "short"}, {}, "is too short"),
        ({"name": "MLFLOW_AUTH_ADMIN_PASSWORD", "valueFrom": {"fieldRef": {}}}, {}, "name the Secret that holds it"),
        ({"name": "MLFLOW_AUTH_ADMIN_USERNAME", "valueFrom": FROM}, {}, "give the name in auth.basic.adminUsername"),
    ],
)
def test_what_a_log_in_cannot_take_is_told(variable: Mapping[str, Any], volume: dict[str, Any], told: str) -> None:
    made = with_a_log_in(variable, **volume)
    (line,) = [each for each in made.lines if each.outcome is Outcome.LEFT]
    assert told in line.text
    assert any("in a file in the pod, which is lost" in each for each in made.remarks)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "not YAML: line"),
        (b"- a\n- b\n", "a list, not keys"),
        (b"text", "a single value"),
        (b"a: 1\n---\nb: 2\n", "2 documents"),
        (b"a: 1\na: 2\n", "line 2: the key 'a' is given twice"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: !!python/object/apply:os.system [id]\n", "not YAML"),
        (b"{[1]: 2}", "not YAML"),
        (b"a: &a [*a]\n", "levels"),
        (b"a: " + b"[" * 2000, "not YAML"),
        (b"a: &a [1,1,1,1,1,1,1,1,1]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8)), "aliases"),
        (b"x: " + b"y" * BYTES, "bytes"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_values_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValuesError, match=message):
        read(content)


def test_odd_files_of_values_are_read() -> None:
    assert read(b"") == {} == read(b"# nothing\n")
    assert read("\ufeffa: 1".encode()) == {"a": 1}
    assert read(b"a: 2024-01-01\nb: &b {c: 1}\nd: {<<: *b, e: 2}\n") == {
        "a": "2024-01-01",
        "b": {"c": 1},
        "d": {"c": 1, "e": 2},
    }
    assert convert_values("official", read(b"1: 2\nserver: text\ntrue: 3")).lines[0].outcome is Outcome.UNKNOWN


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def invoke(values: str, *options: str) -> Any:
        Path("values.yaml").write_text(values)
        return CliRunner().invoke(app, ["import-values", "values.yaml", *options])

    return invoke


def test_the_command_writes_a_file_and_tells_the_rest(run: Any) -> None:
    done = run(
        "mlflow: {backendStoreUriFrom: {secretKeyRef: {name: db, key: uri}}}",
        "--chart",
        "official",
        "--output",
        "Pulumi.a.yaml",
    )
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load(Path("Pulumi.a.yaml").read_text())["config"]["mlflow:database"] == {
        "uri": {"existingSecret": {"name": "db", "key": "uri"}}
    }
    assert "Steps:\n1." in done.stderr and "written: Pulumi.a.yaml" in done.stdout
    again = run("{}", "--chart", "official", "--output", "Pulumi.a.yaml")
    assert again.exit_code == 2 and "exists already" in again.stderr
    told = json.loads(run("replicaCount: 2\nodd: 1", "--chart", "official", "--json").stdout)
    assert not told["complete"] and [each["outcome"] for each in told["values"]] == ["differs", "unknown"]
    assert "replicas cannot share" in told["problems"][0]
    assert run("odd: 1", "--chart", "official").exit_code == 1
    assert run("- a", "--chart", "official").exit_code == 2 and run("a: 1", "--chart", "none").exit_code == 2
    shown = run("{}", "--help")
    assert shown.exit_code == 0 and "--chart" in shown.output


def test_the_cluster_is_compared_with_the_configuration() -> None:
    values = DOCUMENTED["community"]["sqlite-and-files-on-a-claim"]["values"] | {
        "auth": {"enabled": True, "adminPassword": "x" * 12}
    }
    made = convert_values("community", values)
    release = {"annotations": {"meta.helm.sh/release-name": "mlflow"}, "labels": {"helm.sh/chart": "mlflow-1"}}
    objects: dict[tuple[str, str], Any] = {
        ("deployments", "mlflow"): {"metadata": release, "status": {"replicas": 1}},
        ("services", "mlflow"): {"metadata": release},
        ("persistentvolumeclaims", "mlflow-pvc"): {
            "status": {"phase": "Bound", "capacity": {"storage": "5Gi"}},
            "spec": {"accessModes": ["ReadWriteOnce"]},
        },
        ("secrets", "mlflow-auth-admin-secret"): {"data": {"username": "YQ=="}},
    }
    found = {each.what: (each.ok, each.text) for each in judge(made, objects)}
    assert found["Deployment mlflow"][0] and "1 running" in found["Deployment mlflow"][1]
    assert found["PersistentVolumeClaim mlflow-pvc"] == (True, "5Gi, ReadWriteOnce, class none, Bound")
    assert found["Secret mlflow-auth-admin-secret"] == (False, "has no key password")
    assert found["service mlflow"][0] is False and "of the release mlflow" in found["service mlflow"][1]
    gone = {each.what: each.text for each in judge(made, {})}
    assert gone["PersistentVolumeClaim mlflow-pvc"] == "not found"
    told = "\n".join(steps(made, "f"))
    assert "persistentVolumeReclaimPolicy" in told and "Do not run `helm uninstall`" in told
    assert "--regexp secret/mlflow-auth-admin-secret" in told and "cronjob --selector" not in told


def test_the_way_back_names_the_namespace_and_the_revision_and_spares_protected_keys() -> None:
    made = convert_values("community", {"autoscaling": {"enabled": True, "minReplicas": 2}})
    (back,) = (step for step in steps(made, "f") if step.startswith("The way back"))
    order = (
        "scale deployment/mlflow-server --replicas=0",
        "wait pod --for=delete",
        "pulumi destroy --exclude-protected",
        'helm rollback mlflow "$(helm status mlflow --namespace ml',
        "--namespace ml && kubectl --namespace ml scale deployment/mlflow --replicas=2",
    )
    places = [back.index(each) for each in order]
    assert places == sorted(places)


def test_a_job_of_the_release_that_deletes_runs_ends_with_it() -> None:
    made = convert_values("official", {"garbageCollection": {"enabled": True}})
    (stop,) = (step for step in steps(made, "f") if step.startswith("Stop the release"))
    assert "delete cronjob --selector app.kubernetes.io/instance=mlflow,app.kubernetes.io/managed-by=Helm && " in stop
