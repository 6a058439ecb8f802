"""Backups in the graph: grants of identities on the place of backups, and what their pods may and must hold."""

from typing import Any

import pytest

from tests.configurations import AWS, AZURE, CERTIFICATE, DEV, GCP, PRODUCTION, with_changes
from tests.graph.invariants import volumes_and_mounts_fit
from tests.graph.program import Graph, Secret, deploy
from tests.graph.scenarios import SCENARIOS

CONTAINER = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/b/blobServices/default/containers/c"
)
GRANTS = [
    (AWS, {"s3": {"bucket": "backups", "region": "eu-central-1"}}, "RolePolicy", "mlflow-backups/*"),
    (GCP, {"gcs": {"bucket": "backups"}}, "BucketIAMMember", "'backups'"),
    (
        AZURE,
        {"azure": {"account": "backups", "container": "mlflow", "containerId": CONTAINER}},
        "RoleAssignment",
        CONTAINER,
    ),
]


@pytest.mark.parametrize(("base", "destination", "kind", "place"), GRANTS, ids=["aws", "gcp", "azure"])
def test_an_identity_of_this_stack_may_write_backups(base: Any, destination: Any, kind: str, place: str) -> None:
    graph = deploy(with_changes(base, {"backup": {"destination": destination}}))
    (grant,) = [each for each in graph.of(kind) if each.name == "mlflow-backup"]
    assert place in str(grant.inputs)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "s3.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "s3.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_backups_go_to_the_endpoint_of_their_region_in_every_partition(region: str, host: str) -> None:
    keys = {"accessKeyId": "i", "secretAccessKey": "k"}
    to = {"backup": {"destination": {"s3": {"bucket": "backups", "region": region, **keys}}, "continuous": {}}}
    graph = deploy(with_changes(DEV, to))
    found = {
        variable["value"]
        for _, pod in graph.pods()
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
        for variable in container["env"]
        if variable["name"] == "RESTIC_REPOSITORY"
    }
    assert found == {f"s3:https://{host}/backups/mlflow-backups/restic"}
    assert (
        f'"endpoint": "https://{host}"'
        in graph.named("mlflow-continuous", "ConfigMap").inputs["data"]["litestream.yml"]
    )


def test_a_dump_has_the_room_that_it_may_take() -> None:
    """On the node's disk no shared limit may be less; on volumes of its own it takes nothing of the node's."""
    on_node = with_changes(SCENARIOS["backup-postgresql"], {"resources.all.ephemeralStorageLimit": "8Gi"})
    for configuration, limit in ((on_node, "20Gi"), ({**on_node, "backup": {**on_node["backup"], "scratchVolume": {"storageClass": "fast"}}}, "8Gi")):  # fmt: skip
        pod = deploy(configuration).named("mlflow-backup", "CronJob").pod["spec"]
        for container in (*pod["initContainers"], *pod["containers"]):
            expected = "8Gi" if container["name"] == "database-login" else limit
            assert container["resources"]["limits"]["ephemeral-storage"] == expected, container["name"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for name in ("dump", "restored"):
            assert ("emptyDir" in volumes[name]) == (limit == "20Gi"), volumes[name]
            if limit == "8Gi":
                claim = volumes[name]["ephemeral"]["volumeClaimTemplate"]["spec"]
                assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "20Gi")


def test_one_grant_on_a_bucket_that_holds_both() -> None:
    artifacts = {"gcs": {"bucket": "both", "prefix": "artifacts"}}
    graph = deploy(with_changes(GCP, {"artifacts": artifacts, "backup": {"destination": {"gcs": {"bucket": "both"}}}}))
    assert [each.name for each in graph.of("BucketIAMMember")] == ["mlflow-artifacts"]


ARCHIVING = {"database": {"inClusterPostgresql": {}}, "backup": {"destination": {"volume": {}}, "continuous": {}}}


def _init_container(graph: Graph, owner: str, kind: str, name: str) -> Any:
    (found,) = [each for each in graph.named(owner, kind).pod["spec"]["initContainers"] if each["name"] == name]
    return found


def _verifies(graph: Graph) -> Any:
    """What looks through the archive in the pod of drills."""
    return _init_container(graph, "mlflow-backup-drill", "CronJob", "continuous-database")


def test_a_server_that_archives_to_a_volume_may_write_where_backups_do() -> None:
    """By the group of MLflow's pods, whose user it does not have, and without which a drill could not read what it wrote."""
    graph = deploy(with_changes(PRODUCTION, ARCHIVING))
    pod = graph.named("mlflow-database", "StatefulSet").pod["spec"]
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["supplementalGroups"]) == (999, [1000])
    drill = _verifies(graph)["securityContext"]
    assert (drill["runAsUser"], drill["runAsGroup"]) == (999, 999)
    chosen = deploy(with_changes(PRODUCTION, {**ARCHIVING, "pod": {"runAsUser": None}}))
    assert "runAsUser" not in _verifies(chosen)["securityContext"], "by the cluster, one for all pods"


PLACES: dict[str, Any] = {
    "s3": {
        "bucket": "backups",
        "endpointUrl": "https://objects.example.com",
        "accessKeyId": "i",
        "secretAccessKey": "k",
    },
    "gcs": {"bucket": "backups", "existingSecret": {"name": "key"}},
    "azure": {"account": "backups", "container": "mlflow", "accessKey": "k"},
    "sftp": {
        "host": "vault.example.com",
        "username": "mlflow",
        "knownHosts": "vault.example.com ssh-ed25519 AAAA",
        "existingSecret": {"name": "vault", "privateKeyKey": "id"},
    },
    "volume": {},
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_drill_reads_where_postgresql_archives_and_nothing_of_its_pod(kind: str) -> None:
    changes = {"backup.continuous.image": "r.example/p:1", "backup.destination": {kind: PLACES[kind]}}
    graph = deploy(with_changes(SCENARIOS["backup-continuous-postgresql"], changes))
    archives, drill = _init_container(graph, "mlflow-database", "StatefulSet", "archive"), _verifies(graph)
    its_own = ("PGBACKREST_PROCESS_MAX", "PGBACKREST_LOG_LEVEL_CONSOLE")
    environments = [[each for each in one["env"] if each["name"] not in its_own] for one in (archives, drill)]
    assert environments[0] == environments[1] and drill["image"] == archives["image"] == "r.example/p:1"
    mounts = {each["mountPath"] for each in drill["volumeMounts"]}
    assert mounts < {each["mountPath"] for each in archives["volumeMounts"]}
    assert not [each for each in mounts if each.startswith(("/var/lib/postgresql", "/mlflow/pgbackrest"))]
    stores = _init_container(graph, "mlflow-backup-drill", "CronJob", "fetch")
    reach = [each for each in drill["volumeMounts"] if each["mountPath"] != "/tmp"]
    assert len(reach) == (kind in ("gcs", "sftp", "volume"))
    assert all(each in stores["volumeMounts"] for each in reach)
    volumes_and_mounts_fit(graph, None)


@pytest.mark.parametrize("scenario", ["backup", "backup-postgresql", "backup-mysql"])
def test_passwords_are_in_no_argument_and_no_config_map(scenario: str) -> None:
    graph = deploy(SCENARIOS[scenario])
    for made in graph.of("CronJob"):
        for container in (*made.pod["spec"]["initContainers"], *made.pod["spec"]["containers"]):
            assert "canary" not in str(container)
            for variable in container["env"]:
                if variable["name"] in ("RESTIC_PASSWORD", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
                    assert "secretKeyRef" in variable["valueFrom"]
    assert not any(
        isinstance(value, Secret) for made in graph.of("ConfigMap") for value in made.inputs["data"].values()
    )


@pytest.mark.parametrize(
    ("pod", "user"),
    [
        ({}, 1000),
        ({"runAsUser": None, "securityContext": {"runAsUser": 2000}}, 2000),
        ({"securityContext": {"runAsUser": 2000}, "containerSecurityContext": {"runAsUser": 3000}}, 3000),
        ({"runAsUser": None}, None),
        ({"securityContext": {"runAsUser": None}}, None),
    ],
)
def test_the_user_has_a_name_wherever_its_number_is_given(pod: dict[str, Any], user: int | None) -> None:
    """Without one `initdb` and `ssh` refuse to start."""
    graph = deploy(with_changes(SCENARIOS["backup-postgresql"], {f"pod.{key}": value for key, value in pod.items()}))
    accounts = [each.inputs["data"]["passwd"] for each in graph.of("ConfigMap") if each.name == "mlflow-backup-account"]
    assert accounts == ([] if user is None else [f"mlflow:x:{user}:{user}::/tmp:/bin/sh\n"])
    mounts = {
        each["mountPath"] for each in _init_container(graph, "mlflow-backup-drill", "CronJob", "load")["volumeMounts"]
    }
    assert ("/etc/passwd" in mounts) == (user is not None)


def test_a_drill_reaches_no_database() -> None:
    graph = deploy(SCENARIOS["backup-postgresql"])
    drill = graph.named("mlflow-backup-drill", "CronJob").pod["spec"]
    assert not any("PGHOST" in str(each) for each in (*drill["initContainers"], *drill["containers"]))


def test_artifacts_are_copied_by_pods_that_reach_both_sides_and_read_back_by_one_that_does_not() -> None:
    """Also where both sides have authorities of their own, and Go would take those of one of them alone."""
    graph = deploy(with_changes(SCENARIOS["backup-continuous-postgresql"], {"artifacts.s3.caCertificate": CERTIFICATE}))
    found = {}
    for owner, pod in graph.pods():
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
            if (container.get("command") or [])[-2:-1] == ["/etc/mlflow/backup/copies.sh"]:
                found[owner.name, container["command"][-1]] = {each["name"]: each for each in container["env"]}
    both = [("mlflow-backup", "keep"), ("mlflow-restore", "check-restore"), ("mlflow-restore", "restore")]
    assert set(found) == {*both, ("mlflow-backup-drill", "drill")}
    for where, variables in found.items():
        of_the_store = {name for name in variables if name.startswith(("RCLONE_CONFIG_STORE_", "ARTIFACTS"))}
        assert bool(of_the_store) == (where in both)
        assert variables["COPIES"]["value"] == "place:backups/mlflow-backups/artifacts"
        folders = variables["SSL_CERT_DIR"]["value"].split(":")
        assert folders[:2] == ["/etc/mlflow/backup-destination", "/etc/mlflow/artifacts-storage"]
        assert all(
            "value" not in variables[name] for name in variables if name.endswith(("PASSWORD", "SECRET_ACCESS_KEY"))
        )


def test_a_restore_is_a_template_that_never_starts_by_itself() -> None:
    restore = deploy(with_changes(DEV, {"backup": {"destination": {"volume": {}}}})).named("mlflow-restore", "CronJob")
    assert restore.spec["suspend"] is True and restore.spec["jobTemplate"]["spec"]["backoffLimit"] == 0
