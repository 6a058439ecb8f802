"""What holds for every deployment, whatever its configuration. Each function asserts one thing of a graph.

They take the graph and the configuration that it was made from.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from components import versions
from components.arguments import DatabaseArgs
from components.arguments.environment import OWN_VARIABLES
from components.arguments.kinds import variables_of, variables_of_kind
from components.arguments.reserved import DEFAULTS
from components.in_image import Program
from components.pods.front import DRAIN
from tests.graph.access import ACCESS_CHECKS, entrance
from tests.graph.program import Graph, Registration, Secret, arguments_of
from tests.graph.restricted import containers, violations
from tests.support.sdk_types import is_typed, misfits

Check = Callable[[Graph, Mapping[str, Any]], None]
CLAIM, JOB, SERVER = "core/v1:PersistentVolumeClaim", "batch/v1:Job", "apps/v1:Deployment"


def component(graph: Graph) -> Registration:
    return graph.one("index:MlflowDeployment")


def kubernetes(graph: Graph) -> list[Registration]:
    return [r for r in graph if r.type.startswith("kubernetes:")]


def server_container(graph: Graph) -> Mapping[str, Any]:
    return graph.one(SERVER).pod["spec"]["containers"][0]


def own_config_maps(graph: Graph) -> list[Registration]:
    """The ConfigMaps of the component, without those that a user adds, and without the record of upgrades."""
    return [r for r in graph.of("ConfigMap") if "-extra-" not in r.name and not r.name.endswith("-upgrade")]


def own_containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The containers of a pod, but for those that a user adds; generated ones are called so."""
    return [container for container in containers(pod) if not container["name"].startswith("extra")]


def values(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All leaves with their paths; a secret is a leaf."""
    if isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from values(item, f"{path}.{key}")
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from values(item, f"{path}[{index}]")
    else:
        yield path, tree


def keys_of(registration: Registration) -> set[str]:
    """Keys of a Secret or ConfigMap."""
    data: Any = registration.inputs.get("stringData") or registration.inputs.get("data")
    return set(data.value if isinstance(data, Secret) else data)


def everything_is_a_child_of_the_component(graph: Graph, _: Any) -> None:
    children = [r for r in graph if r is not component(graph)]
    assert children
    assert [r.name for r in children if not r.parent.endswith(f"MlflowDeployment::{component(graph).name}")] == []


def urns_are_unique(graph: Graph, _: Any) -> None:
    assert len({r.urn for r in graph}) == len(graph)


SECRET_INPUTS = {
    ("kubernetes:core/v1:Secret", ".stringData"),
    ("aws:rds/instance:Instance", ".password"),
    ("aws:rds/cluster:Cluster", ".masterPassword"),
    ("gcp:sql/user:User", ".password"),
    ("azure-native:dbforpostgresql:Server", ".administratorLoginPassword"),
    ("azure-native:dbformysql:Server", ".administratorLoginPassword"),
}
"""Where secrets are meant to be."""


def secrets_are_in_secrets_only(graph: Graph, _: Any) -> None:
    found = [(r, path, value) for r in graph for path, value in values(r.inputs)]
    assert found
    for registration, path, value in found:
        inside = (registration.type, path) in SECRET_INPUTS
        assert isinstance(value, Secret) == inside, f"{registration.name}{path}"
        assert inside or "canary" not in str(value), f"{registration.name}{path}"


OUTPUTS = {
    "namespace",
    "serviceName",
    "servicePort",
    "trackingUri",
    "deploymentName",
    "admin",
    "url",
    "forwardCommand",
    "passwordCommand",
    "backupPasswordCommand",
    "readme",
}
"""What the component exports."""


def outputs_hold_no_secret(graph: Graph, _: Any) -> None:
    outputs = graph.outputs[next(urn for urn in graph.outputs if "MlflowDeployment" in urn)]
    assert set(outputs) >= OUTPUTS
    assert [path for path, value in values(outputs) if isinstance(value, Secret) or "canary" in str(value)] == []


def secrets_and_config_maps_are_replaced_not_changed(graph: Graph, _: Any) -> None:
    """A name made by Pulumi changes with the content, and the pods that refer to it with the name."""
    for registration in [*graph.of("Secret"), *own_config_maps(graph)]:
        assert registration.inputs["immutable"] is True
        assert "name" not in registration.metadata


NAMED_BY_PULUMI = ("Secret", "ConfigMap", "Job", "ClusterRole", "ClusterRoleBinding", "SecretProviderClass")
"""What another content replaces, and what holds nothing and is selected by nothing."""


def what_lasts_cannot_be_made_twice(graph: Graph, configuration: Mapping[str, Any]) -> None:
    """It has one name in every stack; what an earlier version left Pulumi to name keeps that name."""
    given = (configuration.get("names") or {}).get("deployment")
    explicit = ("Namespace", "Service", "ServiceAccount", "BackendConfig", *(["Deployment"] if given else []))
    for made in kubernetes(graph):
        kind = made.type.rpartition(":")[2]
        # The claim of an NFS volume holds no data, and must be replaced with its volume.
        if "-extra-" in made.name or kind in NAMED_BY_PULUMI or _of_nfs(made):
            continue
        assert made.metadata.get("name"), f"{kind} {made.name}"
        assert (made.ignored == ["metadata.name"]) is (kind not in explicit), f"{kind} {made.name}"


def _of_nfs(made: Registration) -> bool:
    return made.type.endswith(":PersistentVolume") or bool(made.type.endswith(CLAIM) and made.spec.get("volumeName"))


def pods_pass_restricted_security(graph: Graph, _: Any) -> None:
    pods = list(graph.pods())
    assert pods
    for registration, pod in pods:
        assert violations(pod["spec"]) == [], registration.name


def _has_rights(configuration: Mapping[str, Any]) -> bool:
    rbac = configuration.get("rbac") or {}
    return bool(rbac.get("rules") or rbac.get("clusterRules"))


def _upgrades_itself(configuration: Mapping[str, Any]) -> bool:
    return arguments_of(configuration).upgrades_itself


def _account(graph: Graph, configuration: Mapping[str, Any]) -> str:
    """Name of the account, which is made unless the configuration says that it exists."""
    args = configuration.get("serviceAccount") or {}
    made = [r.metadata["name"] for r in graph.of("core/v1:ServiceAccount") if not r.name.endswith("-migration")]
    assert made == ([args.get("name", component(graph).name)] if args.get("create", True) else [])
    return args.get("name", component(graph).name)


def pods_have_a_read_only_root_and_a_token_only_with_rights(graph: Graph, configuration: Mapping[str, Any]) -> None:
    for owner, pod in graph.pods():
        spec = pod["spec"]
        upgrades = _upgrades_itself(configuration) and owner.name.endswith("-migration")
        given = _has_rights(configuration) and owner.type.endswith(SERVER)
        assert spec["automountServiceAccountToken"] is (given or upgrades)
        assert spec["enableServiceLinks"] is False
        account = f"{component(graph).name}-migration" if upgrades else _account(graph, configuration)
        assert spec["serviceAccountName"] == account
        for container in own_containers(spec):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        scratch = [v for v in spec["volumes"] if "emptyDir" in v]
        claimed = [v["name"] for v in spec["volumes"] if "ephemeral" in v]
        assert "tmp" in [*claimed, *(v["name"] for v in scratch)]
        assert all(v["emptyDir"]["sizeLimit"] for v in scratch if not v["name"].startswith("extra"))
    assert [
        a for a in graph.of("core/v1:ServiceAccount") if a.inputs["automountServiceAccountToken"] is not False
    ] == []


def only_server_pods_match_the_service(graph: Graph, _: Any) -> None:
    service = graph.named(f"{component(graph).name}-service")
    selector = service.spec["selector"]
    server = graph.one(SERVER)
    assert selector and selector == server.spec["selector"]["matchLabels"]
    matching = [r for r, pod in graph.pods() if selector.items() <= pod["metadata"]["labels"].items()]
    assert matching == [server]
    port, *_further = service.spec["ports"]
    assert port["targetPort"] == "http"


def environment_names_each_variable_once(graph: Graph, _: Any) -> None:
    for owner, pod in graph.pods():
        for container in own_containers(pod["spec"]):
            names = [variable["name"] for variable in container["env"]]
            assert len(names) == len(set(names)), f"{owner.name}: {sorted(n for n in names if names.count(n) > 1)}"


def variables_of_the_server_are_in_the_register(graph: Graph, configuration: Mapping[str, Any]) -> None:
    """What is not refused to users, they could overwrite without anybody telling them."""
    arguments = arguments_of(configuration)
    server = arguments.server
    own = OWN_VARIABLES | variables_of("database", DatabaseArgs)
    if arguments.artifacts.chosen is not None:
        own |= variables_of_kind("", arguments.artifacts.chosen[1])
    uri = arguments.artifacts.uri
    theirs = {*server.env, *(server.secret_env or {}), *server.value_from}
    theirs |= {*uri.env, *(uri.secret_env or {})} if uri is not None else set()
    found = {variable["name"] for variable in server_container(graph)["env"]}
    # Python's path is joined, whoever adds to it.
    assert found - set(own) - DEFAULTS - theirs - {"PYTHONPATH"} == set()


def references_have_their_objects(graph: Graph, configuration: Mapping[str, Any]) -> None:
    """Each reference of a pod is to something that this program makes before it, or that the configuration names."""
    named = [*graph.of("Secret"), *graph.of("ConfigMap"), *graph.of(CLAIM)]
    # Objects of users may be called as something of another kind that they refer to.
    own = [r for r in named if not r.name.startswith(f"{component(graph).name}-extra-")]
    made = {r.metadata.get("name") or f"{r.name}-1a2b3c4d": r for r in own}
    given = {
        str(value)
        for path, value in values(configuration)
        if re.search(r"existingClaim$|existing(Secret|Config|ConfigMap)(\.name)?$|valueFrom\..*\.name$|envFrom", path)
    }
    for owner, pod in graph.pods():
        for name, key in _references(pod["spec"]):
            if name == UNKNOWN:
                assert any(r.urn in owner.depends_on for r in made.values())
            elif name in made:
                assert made[name].urn in owner.depends_on
                assert key is None or key in keys_of(made[name])
            else:
                assert name in given, f"{owner.name} refers to {name}"


def _references(pod: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for container in own_containers(pod):
        for source in container.get("envFrom", []):
            for kind in ("secretRef", "configMapRef"):
                if kind in source:
                    yield source[kind]["name"], None
        for variable in container["env"]:
            for kind in ("secretKeyRef", "configMapKeyRef"):
                if reference := variable.get("valueFrom", {}).get(kind):
                    yield reference["name"], reference["key"]
    for volume in pod["volumes"]:
        if "configMap" in volume:
            yield volume["configMap"]["name"], None
        if "secret" in volume:
            items = volume["secret"].get("items", [{"key": None}])
            yield from ((volume["secret"]["secretName"], item["key"]) for item in items)
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"], None
        for source in volume.get("projected", {}).get("sources", []):
            for reference in source.values():
                yield from ((reference["name"], item["key"]) for item in reference["items"])


def objects_have_names_of_their_own(graph: Graph, _: Any) -> None:
    names = [
        (r.type, r.metadata.get("namespace"), r.metadata["name"]) for r in kubernetes(graph) if "name" in r.metadata
    ]
    assert len(names) == len(set(names))


def ports_of_a_pod_are_those_of_one_container(graph: Graph, _: Any) -> None:
    for owner, pod in graph.pods():
        ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
        for field in ("containerPort", "name"):
            found = [port[field] for port in ports if field in port]
            assert len(found) == len(set(found)), owner.name


def volumes_and_mounts_fit(graph: Graph, _: Any) -> None:
    for owner, pod in graph.pods():
        volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
        mounts = [
            (c["name"], m["name"], m["mountPath"]) for c in containers(pod["spec"]) for m in c.get("volumeMounts", [])
        ]
        assert len(volumes) == len(set(volumes)), owner.name
        assert set(volumes) == {name for _, name, _ in mounts}, owner.name
        assert len(mounts) == len({(container, path) for container, _, path in mounts}), owner.name


def probes_ask_for_health_under_the_prefix(graph: Graph, configuration: Mapping[str, Any]) -> None:
    prefix = arguments_of(configuration).server.static_prefix
    container = server_container(graph)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        scheme = {} if arguments_of(configuration).server.tls is None else {"scheme": "HTTPS"}
        assert container[probe]["httpGet"] == {"path": f"{prefix}/health", "port": entrance(graph), **scheme}
    startup = container["startupProbe"]
    assert (
        startup["periodSeconds"] * startup["failureThreshold"]
        == arguments_of(configuration).server.startup_timeout_seconds
    )


def strategy_fits_the_volumes(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    spec = graph.one(SERVER).spec
    assert spec.get("replicas") == (arguments.server.replicas if arguments.autoscaling is None else None)
    volume = arguments.artifacts.volume
    alone = arguments.database.sqlite is not None or (
        volume is not None and volume.access_mode.value != "ReadWriteMany"
    )
    if alone and (arguments.most_replicas < 2 or arguments.database.sqlite is not None):
        assert spec["strategy"] == {"type": "Recreate"}
    else:
        assert spec["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": arguments.server.max_surge,
                "maxUnavailable": arguments.server.max_unavailable,
            },
        }
    hook = server_container(graph).get("lifecycle", {}).get("preStop", {})
    *wait, seconds = hook.get("exec", {}).get("command", [*DRAIN, "0"])
    assert (wait, seconds) == (DRAIN, str(arguments.server.drain_seconds))
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > arguments.server.drain_seconds


CLOUD_DATA = {
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:s3/bucket:Bucket",
    "aws:kms/key:Key",
    "gcp:sql/databaseInstance:DatabaseInstance",
    "gcp:sql/database:Database",
    "gcp:sql/user:User",
    "gcp:storage/bucket:Bucket",
    "azure-native:dbforpostgresql:Server",
    "azure-native:dbforpostgresql:Database",
    "azure-native:dbformysql:Server",
    "azure-native:dbformysql:Database",
    "azure-native:storage:StorageAccount",
    "azure-native:storage:BlobServiceProperties",
    "azure-native:storage:BlobContainer",
}
"""What holds data in a cloud, or what it cannot be read without."""


def data_with_its_namespace_and_encryption_keys_are_protected(graph: Graph, configuration: Mapping[str, Any]) -> None:
    keys = [r for r in graph.of("RandomPassword") if not re.search("flask|minio|admin-password|proxied|cookie", r.name)]
    clouds = [r for r in graph if r.type in CLOUD_DATA]
    # Part of the name of a storage account.
    keys += [r for r in graph.of("RandomString") if r.name.endswith("-artifacts")]
    data = [*graph.of(CLAIM), *graph.of("core/v1:Namespace"), *keys, *clouds]
    expected = {r.name for r in data} if arguments_of(configuration).deletion_protection else set()
    assert {r.name for r in graph if r.protect} == expected


def server_waits_for_the_migration(graph: Graph, configuration: Mapping[str, Any]) -> None:
    server = graph.one(SERVER)
    accounts = [r for r in graph.of("core/v1:ServiceAccount") if not r.name.endswith("-migration")]
    assert {account.urn for account in accounts} <= server.depends_on
    if "none" in configuration["database"]:
        assert [r.name for r in graph if "migration" in r.name] == []
        return
    in_pod = "sqlite" in configuration["database"]
    if in_pod:
        assert [r.name for r in graph.of(JOB) if r.name.endswith("-migration")] == []
        (migration,) = [c for c in server.pod["spec"]["initContainers"] if c["name"] == "migration"]
    else:
        job = graph.named(f"{component(graph).name}-migration", JOB)
        assert job.urn in server.depends_on
        assert job.spec["backoffLimit"] == 0 and job.pod["spec"]["restartPolicy"] == "Never"
        assert job.spec["activeDeadlineSeconds"] == arguments_of(configuration).migration_timeout_seconds
        (migration,) = job.pod["spec"]["containers"]
    name = "migrate_users.py" if arguments_of(configuration).users_in_mlflow else "migrate.py"
    name = name if in_pod else "upgrade.py"
    assert migration["command"] == ["python", f"/etc/mlflow/migration/{name}"]
    scripts = graph.named(f"{component(graph).name}-migration", "core/v1:ConfigMap").inputs["data"]
    assert scripts == Program(name).files and {"migrate.py", "connecting.py"} <= set(scripts)


IDENTITY = {
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "gcp:serviceaccount/iAMMember:IAMMember",
    "azure-native:managedidentity:FederatedIdentityCredential",
}
"""What makes the pods somebody towards a cloud; a pod that is admitted before it has no credentials until it is restarted."""
GRANTS = {
    "aws:iam/rolePolicy:RolePolicy",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "azure-native:authorization:RoleAssignment",
}
"""What lets them use the artifact store."""


def pods_wait_for_their_identity_and_what_it_may_do(graph: Graph, _: Any) -> None:
    before = {r.urn: r.depends_on for r in graph}

    def all_before(urn: str) -> set[str]:
        return {urn}.union(*(all_before(each) for each in before.get(urn, ())))

    identity, grants = ({r.urn for r in graph if r.type in types} for types in (IDENTITY, GRANTS))
    for owner, pod in graph.pods():
        known = all_before(owner.urn)
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] in ("migration", "database-creation"):
            assert identity <= known, owner.name
        elif owner.type.endswith((SERVER, "batch/v1:CronJob")):
            assert identity | grants <= known, owner.name


def behind_a_proxy_the_server_is_on_the_loopback(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    auth, server = arguments.auth, server_container(graph)
    assert ("--app-name=basic-auth" in server["args"]) == arguments.users_in_mlflow
    proxied = auth is not None and (auth.ldap is not None or auth.oidc is not None)
    assert ("--host=127.0.0.1" in server["args"]) == proxied == ("ports" not in server)
    assert proxied == any(v["name"] == "PROXIED_USER_SECRET" for v in server["env"])


def containers_run_one_image(graph: Graph, configuration: Mapping[str, Any]) -> None:
    image = arguments_of(configuration).image
    digest = f"@{image.digest}" if image.digest else ""
    expected = (f"{image.repository}:{image.tag}{digest}", image.pull_policy.value)
    arguments = arguments_of(configuration)
    others = (
        arguments.artifacts.minio,
        arguments.database.in_cluster_postgresql,
        arguments.database.in_cluster_mysql,
        *([arguments.auth.ldap, arguments.auth.oidc] if arguments.auth else []),
        arguments.backup,
    )
    companions = {(other.image, image.pull_policy.value) for other in others if other}
    if (continuous := arguments.backup and arguments.backup.continuous) is not None:
        sender = versions.PGBACKREST_IMAGE if arguments.archives else versions.LITESTREAM_IMAGE
        companions.add((continuous.image or sender, image.pull_policy.value))
    found = {(c["image"], c["imagePullPolicy"]) for _, pod in graph.pods() for c in own_containers(pod["spec"])}
    backup = arguments.backup
    clients: tuple[object, ...] = ()
    if backup is not None:
        clients = (versions.POSTGRESQL_IMAGE, versions.MARIADB_IMAGE, backup.client_image, backup.artifacts_image)
    assert {each for each in found if each[0] not in clients} == {
        each for each in (expected, *companions) if each[0] not in clients
    }
    for _, pod in graph.pods():
        assert [secret["name"] for secret in pod["spec"].get("imagePullSecrets", [])] == image.pull_secrets


def _watched(arguments: Any) -> list[Any]:
    """Blocks whose objects may live in a namespace of their own."""
    return [arguments.monitoring.service_monitor, arguments.monitoring.dashboard, arguments.monitoring.alerts]


def objects_are_in_the_namespace_and_labelled(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    without = (":Namespace", ":PersistentVolume", ":ClusterRole", ":ClusterRoleBinding")
    objects = [r for r in kubernetes(graph) if not r.type.endswith(without)]
    assert objects
    elsewhere = [part.namespace for part in _watched(arguments) if part is not None and part.namespace]
    for registration in objects:
        if "-extra-" not in registration.name:
            assert registration.metadata["namespace"] in [arguments.namespace, *elsewhere], registration.name
        labels = registration.metadata["labels"]
        # Their names, since a value that is given for one kind of object wins there.
        assert arguments.labels.keys() <= labels.keys()
        assert labels["app.kubernetes.io/instance"] == component(graph).name
        if arguments.create_namespace and registration.metadata["namespace"] not in elsewhere:
            assert graph.one("core/v1:Namespace").urn in registration.depends_on, registration.name


def several_pods_have_a_budget_and_are_spread(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    several = arguments.most_replicas > 1
    budgets = graph.of("PodDisruptionBudget")
    assert len(budgets) == (several and arguments.disruption_budget.enabled)
    selector = graph.one(SERVER).spec["selector"]
    for budget in budgets:
        assert budget.spec["selector"] == selector
        assert ("maxUnavailable" in budget.spec) != ("minAvailable" in budget.spec)
    given = arguments.spread.constraints
    constraints = graph.one(SERVER).pod["spec"].get("topologySpreadConstraints", [])
    ours = constraints[: len(constraints) - len(given)]
    assert [each["topologyKey"] for each in ours] == (arguments.spread.across if several else [])
    for constraint in ours:
        assert constraint["labelSelector"] == selector and constraint["matchLabelKeys"] == ["pod-template-hash"]


def autoscaler_alone_decides_the_number_of_pods(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    if arguments.autoscaling is None:
        assert graph.of("HorizontalPodAutoscaler") == []
        return
    scaler = graph.one("autoscaling/v2:HorizontalPodAutoscaler")
    assert graph.one(SERVER).urn in scaler.depends_on and "replicas" not in graph.one(SERVER).spec
    assert scaler.spec["maxReplicas"] == arguments.autoscaling.max_replicas and scaler.spec["metrics"]


def cloud_inputs_fit_the_sdk(graph: Graph, _: Any) -> None:
    for registration in graph:
        if is_typed(registration.type):
            found = misfits(registration.type, plain(registration.inputs))
            assert found == [], f"{registration.type} {registration.name}"


def plain(value: Any) -> Any:
    """Inputs without the marks of secrets."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


CHECKS: list[Check] = [
    cloud_inputs_fit_the_sdk,
    everything_is_a_child_of_the_component,
    urns_are_unique,
    secrets_are_in_secrets_only,
    outputs_hold_no_secret,
    secrets_and_config_maps_are_replaced_not_changed,
    what_lasts_cannot_be_made_twice,
    pods_pass_restricted_security,
    pods_have_a_read_only_root_and_a_token_only_with_rights,
    only_server_pods_match_the_service,
    environment_names_each_variable_once,
    variables_of_the_server_are_in_the_register,
    references_have_their_objects,
    volumes_and_mounts_fit,
    objects_have_names_of_their_own,
    ports_of_a_pod_are_those_of_one_container,
    probes_ask_for_health_under_the_prefix,
    strategy_fits_the_volumes,
    data_with_its_namespace_and_encryption_keys_are_protected,
    server_waits_for_the_migration,
    pods_wait_for_their_identity_and_what_it_may_do,
    containers_run_one_image,
    objects_are_in_the_namespace_and_labelled,
    behind_a_proxy_the_server_is_on_the_loopback,
    *ACCESS_CHECKS,
    several_pods_have_a_budget_and_are_spread,
    autoscaler_alone_decides_the_number_of_pods,
]
