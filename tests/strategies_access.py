"""Generated blocks for access: Service, account, rights, Ingress, route and network policies."""

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

_NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
_WORDS = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True)
_LABELS = st.dictionaries(_NAMES.map("example.com/{}".format), _WORDS, max_size=2)
_PORTS = st.integers(1, 65_535)
_HOSTS = st.one_of(_NAMES.map("{}.example.com".format), _NAMES.map("*.{}.example.com".format))
_CIDRS = st.lists(st.sampled_from(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]), max_size=2)


def _block(required: Mapping[str, Any] | None = None, /, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(dict(required or {}), optional=optional)


_PEER = st.one_of(
    _block({"podLabels": st.just({"role": "client"})}, namespaceLabels=_LABELS),
    _block({"namespaceLabels": st.just({"team": "a"})}),
)
_RULE = _block({"resources": st.just(["pods", "pods/log"]), "verbs": st.just(["get"])}, resourceNames=st.just(["a"]))
_PATH = st.one_of(
    st.just({}),
    _block({"path": st.just("/"), "pathType": st.sampled_from(["Prefix", "ImplementationSpecific"])}),
    _block({"path": st.just("/docs"), "serviceName": _NAMES, "servicePort": _PORTS}),
    _block({"path": st.just("/redirect"), "serviceName": _NAMES, "servicePortName": st.just("use-annotation")}),
)
_INGRESS_HOST = _block(
    {"host": _HOSTS}, paths=st.lists(_PATH, min_size=1, max_size=2, unique_by=lambda path: path.get("path"))
)

_TYPES: list[dict[str, Any]] = [
    {},
    {"type": "ClusterIP"},
    {"type": "NodePort"},
    {"type": "NodePort", "nodePort": 30_080},
    {"type": "LoadBalancer"},
    {"type": "LoadBalancer", "loadBalancerClass": "example.com/internal"},
]

ACCESS: dict[str, st.SearchStrategy[Any]] = {
    "service": st.tuples(
        st.sampled_from(_TYPES),
        _block(
            port=st.integers(1, 40_000),
            extraPorts=st.just([{"name": "proxy", "port": 41_000, "targetPort": 8080}]),
            annotations=_LABELS,
            labels=_LABELS,
            ipFamilyPolicy=st.just("PreferDualStack"),
            ipFamilies=st.just(["IPv6"]),
        ),
    ).map(lambda parts: {**parts[0], **parts[1]}),
    "serviceAccount": st.one_of(
        _block(name=_NAMES, annotations=_LABELS, labels=_LABELS), _block({"create": st.just(False), "name": _NAMES})
    ),
    "rbac": _block(rules=st.lists(_RULE, max_size=2), clusterRules=st.lists(_RULE, max_size=1)),
    "ingress": _block(
        {"hosts": st.lists(_INGRESS_HOST, min_size=1, max_size=2, unique_by=lambda entry: entry["host"])},
        className=st.one_of(
            _NAMES, st.sampled_from(["nginx", "alb", "gce", "traefik", "haproxy", "openshift-default"])
        ),
        annotations=_LABELS,
        labels=_LABELS,
        tls=st.sampled_from([[], [{"secretName": "certificate"}]]),
        https=st.booleans(),
    ),
    "route": _block(
        {
            "parentRefs": st.lists(
                _block({"name": _NAMES}, namespace=_NAMES, port=st.sampled_from([443, 8443])),
                min_size=1,
                max_size=2,
                unique_by=lambda parent: (parent["name"], parent.get("namespace"), parent.get("port")),
            ),
            "hostnames": st.lists(_HOSTS, min_size=1, max_size=2, unique=True),
        },
        https=st.booleans(),
        gatewayClassName=st.sampled_from(["gke-l7-rilb", "istio"]),
        timeouts=_block(request=st.just("1h")),
        filters=st.just([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-internal"]}}]),
        labels=_LABELS,
    ),
    "networkPolicy": _block(
        {"allowCidrs": st.just(["10.0.0.0/8"])},
        allowSameNamespace=st.booleans(),
        allowNamespaces=st.lists(_NAMES, max_size=2),
        allowPods=st.lists(_PEER, max_size=2),
        dnsCidrs=_CIDRS,
        databaseCidrs=_CIDRS,
        artifactsCidrs=_CIDRS,
        identityCidrs=_CIDRS,
        egress=st.lists(
            st.one_of(
                _block(
                    {"ports": st.lists(_PORTS, min_size=1, max_size=2)}, cidrs=_CIDRS, pods=st.lists(_PEER, max_size=1)
                ),
                _block(
                    {
                        "cidrs": st.just(["10.0.0.0/8", "0.0.0.0/0"]),
                        "portRanges": st.just([{"port": 3000, "endPort": 3009}]),
                    },
                    exceptCidrs=st.sampled_from([[], ["10.1.0.0/16"]]),
                    protocol=st.sampled_from(["TCP", "UDP", "SCTP"]),
                ),
            ),
            max_size=2,
        ),
    ),
}

_MONITOR = _block(
    namespace=_NAMES,
    labels=_LABELS,
    interval=st.just("1m"),
    basicAuth=_block({"name": _NAMES}),
    metricRelabelings=st.just([{"action": "labeldrop", "regex": "mlflow_version"}]),
    targetLabels=st.just(["team"]),
)
ACCESS["monitoring"] = st.one_of(
    st.just({}),
    _block(
        {"prometheus": st.just(True)},
        serviceMonitor=_MONITOR,
        dashboard=_block(namespace=_NAMES, annotations=_LABELS),
        alerts=_block(
            configMap=st.booleans(),
            alertLabels=st.just({"team": "ml"}),
            runbookUrl=st.just("https://docs.example.com/operations"),
            errorPercent=st.integers(1, 100),
            backupAgeHours=st.just(48),
            drillAgeDays=st.just(14),
        ),
    ),
)
ACCESS["garbageCollection"] = _block(
    schedule=st.sampled_from(["@daily", "*/15 1-5 1,15 * mon-fri"]),
    timeZone=st.just("Europe/Berlin"),
    olderThan=st.sampled_from(["30d", "1d12h", "0.5h"]),
    allWorkspaces=st.booleans(),
    suspend=st.booleans(),
)
_SCHEDULE: dict[str, st.SearchStrategy[Any]] = {
    "schedule": st.sampled_from(["@daily", "30 1 * * *"]),
    "timeZone": st.just("Europe/Berlin"),
    "suspend": st.booleans(),
    "resources": st.just({"cpuRequest": "50m", "cpuLimit": "1", "memoryRequest": "128Mi", "memoryLimit": "1Gi"}),
    "timeoutSeconds": st.just(1800),
    "startingDeadlineSeconds": st.just(600),
    "successfulHistory": st.just(2),
    "failedHistory": st.just(2),
}
_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
_SFTP = {"host": "vault.example.com", "username": "u", "knownHosts": "vault.example.com ssh-ed25519 AAAA"}
_S3_KEYS = {"accessKeyId": "id", "secretAccessKey": "canary-of-backups"}
_PLACES = st.one_of(
    _block(
        {
            "bucket": st.just("backups"),
            "endpointUrl": st.just("https://s3.example.com"),
            **{k: st.just(v) for k, v in _S3_KEYS.items()},
        },
        prefix=st.just("a/b"),
        addressingStyle=st.sampled_from(["auto", "path", "virtual"]),
        region=st.just("eu-central-1"),
        caCertificate=st.just("-----BEGIN CERTIFICATE-----"),
    ).map(lambda made: {"s3": made}),
    st.just(
        {
            "s3": {
                "bucket": "backups",
                "region": "eu-central-1",
                "existingSecret": {"name": "s", "accessKeyIdKey": "a", "secretAccessKeyKey": "b"},
            }
        }
    ),
    _block({"bucket": st.just("backups"), "keyFile": st.just('{"type": "canary"}')}, prefix=st.just("a")).map(
        lambda made: {"gcs": made}
    ),
    st.just({"gcs": {"bucket": "backups", "existingSecret": {"name": "s", "key": "k"}}}),
    st.just(
        {
            "azure": {
                "account": "backups",
                "container": "mlflow",
                "accessKey": "canary",
                "prefix": "a",
                "domain": "blob.core.chinacloudapi.cn",
            }
        }
    ),
    st.just(
        {"azure": {"account": "backups", "container": "mlflow", "existingSecret": {"name": "s", "accessKeyKey": "k"}}}
    ),
    st.just({"sftp": {**_SFTP, "privateKey": _KEY, "port": 2222, "path": "/a"}}),
    st.just({"sftp": {**_SFTP, "existingSecret": {"name": "s", "privateKeyKey": "k"}}}),
    st.sampled_from(
        [{"volume": {}}, {"volume": {"sizeGb": 5, "storageClass": "s"}}, {"volume": {"existingClaim": "kept"}}]
    ),
)
ACCESS["backup"] = st.tuples(
    st.sampled_from([{}, {"password": "canary-password-of-backups"}, {"existingSecret": {"name": "s", "key": "k"}}]),
    _block(
        {"destination": _PLACES},
        retention=_block(daily=st.just(7), weekly=st.just(0), monthly=st.just(1)),
        artifacts=st.sampled_from(["copied", "versions"]),
        drill=st.one_of(st.none(), _block(**_SCHEDULE)),
        scratchSize=st.just("1Gi"),
        scratchVolume=_block(storageClass=st.just("fast")),
        image=st.just("registry.example.com/restic:1"),
        artifactsImage=st.just("registry.example.com/rclone:1"),
        clientImage=st.just("registry.example.com/mysql:8"),
        continuous=_block(
            intervalSeconds=st.just(5),
            retentionDays=st.just(2),
            pointInTime=st.just("2026-03-14T09:26:53Z"),
            scratchSize=st.just("1Gi"),
            metricsPort=st.just(9109),
            image=st.just("registry.example.com/litestream:1"),
            resources=_block(cpuRequest=st.just("10m"), cpuLimit=st.just("1"), memoryLimit=st.just("512Mi")),
        ),
        **_SCHEDULE,
    ),
).map(lambda parts: {**parts[0], **parts[1]})


def _without_backup(configuration: dict[str, Any]) -> bool:
    """Whether what there is cannot be backed up."""
    database, server = configuration["database"], configuration.get("server", {})
    volumes = [configuration["artifacts"].get("volume", {}), database.get("sqlite", {}).get("volume", {})]
    return (
        bool({"none", "mssql", "sqlServer", "uri", "registry"} & set(database))
        or "database" in (configuration.get("auth") or {})
        or "storeUri" in server.get("workspaces", {})
        or any(volume.get("accessMode") == "ReadWriteOncePod" for volume in volumes)
    )


def _kept(artifacts: dict[str, Any]) -> str:
    """How artifacts of a store can be kept: some cannot be copied, or not with these settings."""
    settings = str(artifacts)
    copied = {"volume", "nfs", "minio", "gcs", "sftp", "awsBucket", "gcpBucket", "azureContainer", "s3", "azureBlob"}
    if "oss" in artifacts and {"accessKeyId", "existingSecret"} & set(artifacts["oss"]):
        return "copied"
    without = ("'ignoreTls': True", "onnectionString")
    return "copied" if copied & set(artifacts) and not any(each in settings for each in without) else "versions"


def _label_once(configuration: dict[str, Any], ours: dict[str, str]) -> None:
    """Leave out of an identity's labels of pods those that the configuration gives elsewhere: one of the two would be lost."""
    pod = configuration.get("pod", {})
    given = {**configuration.get("labels", {}), **pod.get("labels", {}), **pod.get("jobLabels", {})}
    for name in given.keys() & ours.keys():
        del ours[name]


def consistent(configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what its blocks may not say together."""
    database = configuration["database"]
    if "none" in database:
        configuration.pop("garbageCollection", None)
    if _without_backup(configuration):
        configuration.pop("backup", None)
    elif "backup" in configuration:
        if "artifacts" in configuration["backup"]:
            configuration["backup"]["artifacts"] = _kept(configuration["artifacts"])
        if "sqlite" not in database or "existingConfig" in (configuration.get("auth") or {}).get("basic", {}):
            configuration["backup"].pop("continuous", None)
    if (
        bool({"none", "sqlite", "registry"} & set(database))
        or not database
        or "database" in (configuration.get("auth") or {})
    ) and configuration.get("upgrade", {}).get("mode") == "blue-green":
        configuration["upgrade"]["mode"] = "automatic"
    if "ftp" in configuration["artifacts"]:
        configuration.pop("garbageCollection", None)
    if "workspaces" not in configuration.get("server", {}):
        configuration.get("garbageCollection", {}).pop("allWorkspaces", None)
    monitor = (configuration.get("monitoring") or {}).get("serviceMonitor", {})
    if "auth" in configuration and "namespace" in monitor:
        monitor.setdefault("basicAuth", {"name": "scraper"})
    service = configuration.get("service", {})
    if {"ingress", "route"} & set(configuration) or service.get("type", "ClusterIP") != "ClusterIP":
        configuration["allowInsecure"] = True
    oidc = configuration.get("auth", {}).get("oidc")
    if oidc is not None:
        hosts = [entry["host"] for entry in configuration.get("ingress", {}).get("hosts", ())]
        hosts += configuration.get("route", {}).get("hostnames", ())
        host = hosts[0].replace("*", "any") if hosts else "mlflow.example.com"
        prefix = configuration.get("server", {}).get("staticPrefix", "")
        oidc["redirectUrl"] = f"https://{host}{prefix}/oauth2/callback"
    if re.search(r"'mode': 'disable'|'ignoreTls': True", str(configuration)):
        configuration["allowInsecure"] = True
    identity = (configuration.get("identity") or {}).get("existing", {})
    if configuration.get("serviceAccount", {}).get("create") is False:
        identity.pop("serviceAccountAnnotations", None)
    _label_once(configuration, identity.get("podLabels", {}))
    return configuration
