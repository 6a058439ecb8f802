"""Generated configurations: valid ones over all blocks, and mappings of anything."""

import re
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.cloud_strategies import CLOUDS
from tests.configurations import AWS_FACTS, CERTIFICATE
from tests.strategies_access import ACCESS, consistent

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)
_FULL_TEXTS = TEXTS.filter(str.strip)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=33, max_size=40).map(
    lambda t: f"canary-{t}"
)
"""Long enough for every key, and not to be found in a message by chance."""
_VARIABLES = st.from_regex(r"X_[A-Z]{1,8}", fullmatch=True).filter(
    lambda name: "TOKEN" not in name and "SECRET" not in name
)
_LABELS = st.dictionaries(NAMES.map("example.com/{}".format), WORDS, max_size=2)


def block(required: dict[str, Any] | None = None, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A block of keys, with any of the optional ones."""
    return st.fixed_dictionaries(required or {}, optional=optional)


_DIRECTORY_NAMES = st.sampled_from(["mlflow", "a/b-c"])


def _volume(*modes: str) -> st.SearchStrategy[Any]:
    made = block({"accessMode": st.sampled_from(modes)}, sizeGb=st.integers(1, 65_536), storageClass=NAMES)
    return st.one_of(made, block({"existingClaim": NAMES}, subPath=_DIRECTORY_NAMES))


_TLS = st.sampled_from([{}, {"mode": "disable"}, {"mode": "require"}, {"caCertificate": CERTIFICATE}])
SECRETS_STORES = [
    {"aws": {"secret": "master", "usernameKey": "username", "region": "eu-central-1"}},
    {
        "azure": {
            "vault": "vault-of-tests",
            "tenantId": "00000000-0000-0000-0000-000000000001",
            "clientId": "00000000-0000-0000-0000-000000000002",
            "passwordSecret": "password",
            "usernameSecret": "username",
        }
    },
    {
        "gcp": {
            "passwordVersion": "projects/p/secrets/password/versions/latest",
            "usernameVersion": "projects/p/secrets/username/versions/1",
        }
    },
    {"vault": {"address": "https://vault", "role": "mlflow", "path": "secret/data/master", "usernameKey": "username"}},
]
_CREATE = st.one_of(
    block({"existingSecret": block({"name": NAMES}, passwordKey=WORDS, usernameKey=WORDS)}),
    block({"existingSecret": block({"name": NAMES}, passwordKey=WORDS), "username": NAMES}),
    block({"secretsStore": st.sampled_from(SECRETS_STORES)}),
)


def _database_server(tls: st.SearchStrategy[Any] = _TLS, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A database server that is there already."""
    credentials = st.one_of(
        block({"password": SECRETS}),
        block({"existingSecret": block({"name": NAMES}, usernameKey=WORDS, passwordKey=WORDS)}),
    )
    rest = block(
        {"host": NAMES},
        port=st.integers(1, 65_535),
        database=_FULL_TEXTS,
        username=_FULL_TEXTS,
        tls=tls,
        connectionLimit=st.integers(10_000, 100_000),
        **more,
    )
    return st.tuples(credentials, rest).map(lambda parts: {**parts[0], **parts[1]})


_DRIVERS = st.sampled_from(["psycopg2", "psycopg"])
_ODBC_TLS = st.sampled_from([{}, {"mode": "disable"}, {"mode": "require"}, {"mode": "verify-full"}])
_SQL_SERVER = st.one_of(
    _database_server(driver=st.just("pymssql")),
    _database_server(_ODBC_TLS, odbcDriver=st.just("ODBC Driver 17 for SQL Server")).map(
        lambda made: {**made, "driver": "pyodbc"}
    ),
)


def _uri(*schemes: str) -> st.SearchStrategy[Any]:
    """A database by its URI, given or in a Secret."""
    given = st.builds(
        "{}://user:{}@{}/db".format, st.sampled_from(schemes), SECRETS.map(lambda text: quote(text, safe="")), NAMES
    )
    limit = st.integers(10_000, 100_000)
    secret = block({"name": NAMES}, key=WORDS)
    return st.one_of(
        block({"value": given}, connectionLimit=limit),
        st.sampled_from(["existingSecret", "existingConfigMap"]).flatmap(
            lambda where: block({where: secret, "port": st.just(5432)})
        ),
    )


_RESOURCES = block(
    cpuRequest=st.sampled_from(["100m", "1"]),
    cpuLimit=st.sampled_from(["1500m", "2"]),
    memoryRequest=st.sampled_from(["256Mi", "1Gi"]),
    memoryLimit=st.just("4Gi"),
)
_IN_CLUSTER = st.tuples(
    st.one_of(
        block({}),
        block({"password": SECRETS}, volume=_volume("ReadWriteOnce")),
        block({"existingSecret": block({"name": NAMES}, passwordKey=WORDS)}, volume=_volume("ReadWriteOnce")),
    ),
    block(
        connectionLimit=st.integers(5000, 10_000),
        image=NAMES.map("registry.example.com/{}:1".format),
        memoryLimit=st.sampled_from(["512Mi", "2Gi"]),
        cpuLimit=st.just("2"),
    ),
).map(lambda parts: {**parts[0], **parts[1]})
_SERVER_DATABASE = st.one_of(
    block({"inClusterPostgresql": _IN_CLUSTER}),
    block({"inClusterMysql": _IN_CLUSTER}),
    block({"postgresql": _database_server(driver=_DRIVERS, create=_CREATE)}),
    block({"mysql": _database_server(create=_CREATE)}),
    block({"sqlServer": _SQL_SERVER}),
    block({"mssql": _uri("mssql+pymssql")}),
    block({"uri": _uri("postgresql+psycopg2", "mysql+pymysql")}, registry=_uri("postgresql+psycopg")),
)
_POOL = block(
    connectTimeoutSeconds=st.integers(1, 600),
    poolSize=st.integers(1, 20),
    maxOverflow=st.integers(1, 20),
    silenceTimeoutSeconds=st.integers(5, 600),
    poolRecycleSeconds=st.integers(60, 3600),
)
_REGIONS = st.sampled_from(["eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
_S3 = st.tuples(
    st.one_of(
        st.just({}),
        block({"accessKeyId": SECRETS, "secretAccessKey": SECRETS}),
        block({"existingSecret": block({"name": NAMES}, accessKeyIdKey=WORDS, secretAccessKeyKey=WORDS)}),
    ),
    block(
        {"bucket": st.from_regex(r"[a-z][a-z0-9-]{1,20}[a-z]", fullmatch=True)},
        prefix=st.sampled_from(["", "a", "a/b"]),
        expectedBucketOwner=st.just("0" * 12),
    ),
    st.one_of(
        block({"region": _REGIONS}, addressingStyle=st.sampled_from(["auto", "virtual"])),
        block(
            {"endpointUrl": NAMES.map("http://{}:9000".format)},
            region=NAMES,
            addressingStyle=st.sampled_from(["auto", "path", "virtual"]),
        ),
    ),
    st.one_of(block(uploadExtraArgs=st.dictionaries(WORDS, TEXTS, max_size=1)), block(presigned=st.booleans())),
    st.one_of(block(ignoreTls=st.booleans()), block({"caCertificate": st.just(CERTIFICATE)})),
).map(lambda parts: {key: value for part in parts for key, value in part.items()})
_BUCKETS = st.from_regex(r"[a-z][a-z0-9]{2,20}", fullmatch=True).filter(lambda name: "goog" not in name)
_PATHS = st.sampled_from(["", "a", "a/b"])
_DIRECTORIES = st.sampled_from(["/", "/srv", "/srv/a-b/"])


def _secret(**keys: Any) -> st.SearchStrategy[Any]:
    return block({"name": NAMES, **keys})


def _credentials(*choices: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One of several sets of keys, where an empty one stands for none."""
    return st.sampled_from(range(len(choices))).flatmap(lambda chosen: st.fixed_dictionaries(choices[chosen]))


def _with(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(*parts).map(lambda made: {key: value for part in made for key, value in part.items()})


KEY_FILES = SECRETS.map('{{"type": "service_account", "private_key_id": "{}"}}'.format)
STORES: dict[str, st.SearchStrategy[Any]] = {
    "minio": block(
        bucket=_BUCKETS,
        volume=_volume("ReadWriteOnce"),
        image=NAMES.map("registry.example.com:5000/{}:1".format),
        password=SECRETS,
        cpuRequest=st.just("1"),
        memoryRequest=st.just("512Mi"),
        memoryLimit=st.just("2Gi"),
        cpuLimit=st.just("2"),
    ),
    "gcs": st.one_of(
        block({"bucket": _BUCKETS}, prefix=_PATHS, project=NAMES),
        _with(
            _credentials(
                {"keyFile": KEY_FILES},
                {"existingSecret": _secret(key=WORDS)},
            ),
            block(
                {"bucket": _BUCKETS},
                transferTimeoutSeconds=st.sampled_from([-1, 1, 600]),
                uploadChunkMb=st.integers(1, 1024),
                downloadChunkMb=st.integers(1, 1024),
                presigned=st.booleans(),
            ),
        ),
    ),
    "azureBlob": _with(
        _credentials(
            {},
            {"accessKey": SECRETS},
            {"connectionString": SECRETS.map("AccountKey={}".format)},
            {"existingSecret": _secret(accessKeyKey=WORDS)},
            {"existingSecret": _secret(connectionStringKey=WORDS)},
        ),
        block(
            {"account": _BUCKETS, "container": _BUCKETS},
            prefix=_PATHS,
            domain=st.sampled_from(["blob.core.windows.net", "blob.core.chinacloudapi.cn"]),
            presigned=st.booleans(),
        ),
    ),
    "oss": _with(
        _credentials(
            {},
            {"accessKeyId": SECRETS, "accessKeySecret": SECRETS},
            {"existingSecret": _secret(accessKeyIdKey=WORDS, accessKeySecretKey=WORDS)},
        ),
        block({"bucket": _BUCKETS, "endpoint": NAMES.map("{}.aliyuncs.com".format)}, prefix=_PATHS),
    ),
    "ftp": _with(
        _credentials(
            {},
            {"username": NAMES, "password": SECRETS},
            {"username": NAMES, "existingSecret": _secret(passwordKey=WORDS)},
        ),
        block({"host": NAMES}, port=st.integers(1, 65_535), path=_DIRECTORIES),
    ),
    "sftp": _with(
        _credentials(
            {"password": SECRETS.map(lambda t: "".join(c for c in t if c not in "/?#[]"))},
            {"privateKey": SECRETS.map("-----BEGIN RSA PRIVATE KEY-----\n{}".format)},
            {"existingSecret": _secret(passwordKey=WORDS)},
            {"existingSecret": _secret(privateKeyKey=WORDS)},
        ),
        block(
            {"host": st.just("sftp"), "username": NAMES, "knownHosts": st.just("sftp ssh-ed25519 AAAA")},
            port=st.integers(1, 65_535),
            path=_DIRECTORIES,
        ),
    ),
    "nfs": block(
        {"server": NAMES, "path": _DIRECTORIES},
        sizeGb=st.integers(1, 100),
        mountOptions=st.lists(st.sampled_from(["hard", "nolock"]), max_size=2),
    ),
    "hdfs": block(
        {"host": NAMES},
        port=st.integers(1, 65_535),
        path=_DIRECTORIES,
        user=NAMES,
        ticketCache=st.one_of(block({"existingSecret": NAMES}, key=WORDS), block({"path": _DIRECTORIES})),
        kerberosConfiguration=_FULL_TEXTS,
        extraConfiguration=st.dictionaries(NAMES, NAMES, max_size=2),
    ),
    "uri": _with(
        _credentials(
            {"uri": SECRETS.map("b2://{}".format)},
            {"existingSecret": _secret(key=WORDS)},
            {"existingConfigMap": _secret(key=WORDS)},
        ),
        block(
            env=st.dictionaries(_VARIABLES.map("U{}".format), WORDS, max_size=2),
            secretEnv=st.dictionaries(_VARIABLES.map("Z{}".format), SECRETS),
            presigned=st.booleans(),
        ),
    ),
}
"""Artifact stores besides volumes and S3."""
DIRECT = ("gcs", "azureBlob", "oss", "hdfs")
"""Those that clients may reach by themselves."""

_CONTAINER = block(
    {"name": NAMES.map("extra-{}".format), "image": st.just("registry.example.com/x:1")},
    readinessProbe=st.just({"tcpSocket": {"port": 8080}}),
    resources=st.just({"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}),
    env=st.just([{"name": "A", "value": "b"}]),
)
_REFERENCE = block({"name": NAMES, "key": WORDS}, optional=st.booleans())
_VALUE_FROM = st.one_of(
    block({"secret": _REFERENCE}),
    block({"configMap": _REFERENCE}),
    st.sampled_from([{"field": "spec.nodeName"}, {"resource": "limits.memory"}]),
)
_DNS = NAMES.map("cn={},ou=groups,dc=example,dc=com".format)
_SEARCH = _with(
    _credentials(
        {},
        {"bindDn": _DNS, "bindPassword": SECRETS},
        {"bindDn": _DNS, "existingSecret": _secret(passwordKey=WORDS)},
    ),
    block({"base": st.just("dc=example,dc=com")}, attribute=st.just("cn"), scope=st.sampled_from(["sub", "one"])),
)
_LDAP = _with(
    _credentials(
        {"userDn": st.just("uid=%s,ou=people,dc=example,dc=com"), "userGroup": _DNS},
        {"search": _SEARCH, "anyUser": st.just(True)},
    ),
    block(
        {"uri": NAMES.map("ldap://{}:389".format)},
        adminGroup=_DNS,
        tls=st.sampled_from(
            [{}, {"mode": "disable"}, {"caCertificate": CERTIFICATE}, {"existingSecret": {"name": "ca", "key": "x"}}]
        ),
        cacheSeconds=st.integers(0, 86_400),
        adminUsername=NAMES,
        image=NAMES.map("registry.example.com/{}:1".format),
    ),
    st.one_of(
        block(memberAttribute=st.sampled_from(["member", "memberUid"]), memberIs=st.sampled_from(["dn", "username"])),
        block(groupAttribute=st.just("memberOf")),
    ),
)
_ENDPOINTS = NAMES.map("https://{}/oauth".format)
_OIDC = _with(
    _credentials(
        {
            "clientId": WORDS,
            "clientSecret": SECRETS,
            "cookieSecret": st.just("c" * 32),
            "allowedGroups": st.lists(WORDS, min_size=1, max_size=2),
        },
        {
            "existingSecret": _secret(clientIdKey=WORDS, cookieSecretKey=WORDS),
            "emailDomains": st.just(["*"]),
        },
    ),
    st.one_of(
        block(
            {"issuerUrl": NAMES.map("https://{}".format)},
            provider=st.sampled_from(["oidc", "keycloak-oidc"]),
            endpoints=block(
                {"loginUrl": _ENDPOINTS, "redeemUrl": _ENDPOINTS, "jwksUrl": _ENDPOINTS}, profileUrl=_ENDPOINTS
            ),
            groupsClaim=WORDS,
            user=st.sampled_from(["email", "preferredUsername", "subject"]),
            extraAudiences=st.lists(WORDS, max_size=2),
            refreshSeconds=st.integers(0, 600),
        ),
        block(
            {"provider": st.just("github")},
            endpoints=block({"loginUrl": _ENDPOINTS, "redeemUrl": _ENDPOINTS, "validateUrl": _ENDPOINTS}),
            user=st.just("subject"),
        ),
    ),
    block(
        # Its place follows from the rest of the configuration: see `consistent`.
        {"redirectUrl": st.just("https://mlflow.example.com/oauth2/callback")},
        tls=st.sampled_from([{}, {"caCertificate": CERTIFICATE}, {"existingSecret": {"name": "ca", "key": "x"}}]),
        sessionSeconds=st.integers(601, 604_800),
        redis=st.one_of(
            block(
                {"url": NAMES.map("rediss://:canary@{}:6380/0".format)},
                tls=st.sampled_from([{"existingSecret": {"name": "ca", "key": "x"}}, {"caCertificate": CERTIFICATE}]),
            ),
            block({"existingSecret": _secret(key=WORDS)}, port=st.integers(1, 65_535)),
        ),
        scope=st.just("openid email"),
        adminGroups=st.lists(WORDS, max_size=2),
        bearerTokens=st.booleans(),
        extraArgs=st.dictionaries(NAMES.map("x-{}".format), st.one_of(st.booleans(), st.integers(), WORDS), max_size=2),
        extraEnv=st.dictionaries(_VARIABLES, WORDS, max_size=2),
    ),
)
_BASIC = _with(
    _credentials({}, {"adminPassword": SECRETS}, {"existingSecret": _secret(usernameKey=WORDS)}),
    block(
        adminUsername=NAMES,
        authorizationFunction=st.just("a.b:c"),
        credentialCacheSeconds=st.integers(0, 600),
        credentialCacheSize=st.integers(1, 1000),
    ),
)
_AUTH = st.one_of(
    block({"basic": block({"existingConfig": _secret(key=WORDS)}, existingSecret=_secret())}),
    block(
        {
            "app": block(
                {"name": NAMES.map("auth-{}".format), "existingSecret": _secret(usernameKey=WORDS, passwordKey=WORDS)},
                existingConfig=_secret(key=WORDS),
            )
        }
    ),
    *(
        block(
            choice,
            defaultPermission=st.sampled_from(["READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS"]),
            grantDefaultWorkspaceAccess=st.booleans(),
            workspaceCacheSeconds=st.integers(1, 600),
            workspaceCacheSize=st.integers(1, 1000),
            database=st.one_of(
                block({"uri": _uri("postgresql+psycopg2")}),
                block({"postgresql": _database_server(driver=_DRIVERS)}),
                block({"mysql": _database_server()}),
            ),
        )
        for choice in ({"basic": _BASIC}, {"ldap": _LDAP}, {"oidc": _OIDC})
    ),
)

_SERVER = {
    "uvicorn": st.just({"limit-concurrency": 75, "no-server-header": True}),
    "keepAliveSeconds": st.integers(601, 3600),
    "trustedProxies": st.lists(st.sampled_from(["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]), max_size=2),
    "logLevel": st.sampled_from(["DEBUG", "WARNING"]),
    "telemetry": st.booleans(),
    "tls": block({"existingSecret": block({"name": NAMES}, caKey=WORDS)}),
    "workspaces": block(storeUri=SECRETS),
    "valueFrom": st.dictionaries(_VARIABLES.map("V{}".format), _VALUE_FROM, max_size=2),
    "envFrom": st.lists(
        st.one_of(block({"secret": NAMES}), block({"configMap": NAMES}, prefix=st.just("P_"))), max_size=2
    ),
    "maxSurge": st.integers(1, 3),
    "maxUnavailable": st.integers(0, 2),
    "revisionHistoryLimit": st.integers(0, 10),
    "workers": st.integers(1, 4),
    "port": st.integers(1024, 65_535),
    "staticPrefix": st.sampled_from(["", "/mlflow", "/a/b"]),
    "allowedHosts": st.lists(NAMES, max_size=2),
    "corsAllowedOrigins": st.lists(NAMES.map("https://{}".format), max_size=2),
    "options": st.dictionaries(NAMES.map("x-{}".format), st.one_of(st.booleans(), st.integers(), WORDS), max_size=2),
    "env": st.dictionaries(_VARIABLES, WORDS, max_size=2),
    "secretEnv": st.dictionaries(_VARIABLES.map("Y{}".format), SECRETS, max_size=2),
    "drainSeconds": st.integers(0, 600),
    "shutdownGraceSeconds": st.integers(1, 86_400),
    "startupTimeoutSeconds": st.integers(10, 3600),
    "progressDeadlineSeconds": st.integers(10, 86_400),
}
_AUTOSCALING = block(
    minReplicas=st.integers(1, 3),
    maxReplicas=st.integers(3, 9),
    cpuPercent=st.integers(1, 100),
    memoryPercent=st.integers(1, 100),
    behavior=st.just({"scaleDown": {"stabilizationWindowSeconds": 60}}),
)
_REST: dict[str, st.SearchStrategy[Any]] = {
    "namespace": NAMES,
    "createNamespace": st.booleans(),
    "image": block(
        repository=NAMES.map("registry.example.com/{}".format),
        tag=st.just("v9.9.9-full"),
        digest=st.just("sha256:" + "0" * 64),
        pullPolicy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
        pullSecrets=st.lists(NAMES, max_size=2, unique=True),
    ),
    "identity": st.one_of(
        st.none(),
        block(
            {"existing": block(podLabels=_LABELS, serviceAccountAnnotations=st.dictionaries(NAMES, TEXTS, max_size=1))}
        ),
    ),
    "pod": block(
        labels=_LABELS,
        annotations=_LABELS,
        nodeSelector=_LABELS,
        runAsUser=st.one_of(st.none(), st.integers(1, 65_535)),
        tmpSize=st.just("1Gi"),
        tmpVolume=block(storageClass=NAMES),
        priorityClassName=NAMES,
        resources=_RESOURCES,
        jobLabels=_LABELS,
        jobAnnotations=_LABELS,
        deploymentLabels=_LABELS,
        deploymentAnnotations=_LABELS,
        affinity=st.just({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}),
        tolerations=st.just([{"key": "a", "operator": "Exists"}]),
        runtimeClassName=NAMES,
        schedulerName=NAMES,
        hostAliases=st.just([{"ip": "10.0.0.1", "hostnames": ["a.example"]}]),
        dnsPolicy=st.sampled_from(["ClusterFirst", "Default"]),
        dnsConfig=st.just({"options": [{"name": "ndots", "value": "2"}]}),
        securityContext=st.just({"supplementalGroups": [7]}),
        containerSecurityContext=st.just({"runAsNonRoot": True}),
        containers=st.lists(_CONTAINER, max_size=1),
        initContainers=st.lists(_CONTAINER.map(lambda c: {**c, "name": "extra-first"}), max_size=1).map(
            lambda containers: [{k: v for k, v in c.items() if k != "readinessProbe"} for c in containers]
        ),
        probes=st.just({"liveness": {"periodSeconds": 30}, "readiness": {"timeoutSeconds": 9}}),
    ),
    **ACCESS,
    "names": block(service=NAMES, deployment=NAMES),
    "disruptionBudget": st.one_of(
        block(enabled=st.booleans(), maxUnavailable=st.integers(1, 3)), block({"minAvailable": st.just(1)})
    ),
    "spread": block(across=st.sampled_from([[], ["example.com/rack"]]), maxSkew=st.integers(1, 3)).map(
        lambda spread: {**spread, "required": len(spread) == 2}
    ),
    "overrides": st.just({"Deployment/server": {"metadata": {"annotations": {"a": "b"}}}}),
    "extraObjects": st.just([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "immutable": True}]),
    "keys": st.one_of(
        block({"existingSecret": block({"name": NAMES, "kekPassphraseKey": WORDS}, flaskSecretKeyKey=WORDS)}),
        block(
            flaskSecretKey=SECRETS,
            kekPassphrase=SECRETS,
            webhookSecretEncryptionKey=st.just("A" * 43 + "="),
            abandoned=st.just(["0123456789abcdef"]),
        ),
    ),
    "auth": _AUTH,
    "deletionProtection": st.booleans(),
    "allowInsecure": st.booleans(),
    "migrationTimeoutSeconds": st.integers(601, 86_400),
    "upgrade": block({"withoutBackup": st.just(True)}, mode=st.sampled_from(["manual", "automatic", "blue-green"])),
    "resources": block(
        all=block(cpuLimit=st.just("2"), ephemeralStorageLimit=st.just("100Gi")),
        migration=_RESOURCES,
        databaseCreation=_RESOURCES,
        minioBucket=_RESOURCES,
        helpers=_RESOURCES,
    ),
    "labels": _LABELS,
}


_AWS_DATABASE = {
    "engine": st.just("postgresql"),
    "identifier": NAMES.map("db-{}".format).filter(lambda name: "--" not in name),
    "password": SECRETS.map(lambda text: re.sub('[/"@]', "x", text)[:40]),
    "backup": block(retentionDays=st.integers(1, 30), finalSnapshot=st.booleans()),
    "monitoring": block(intervalSeconds=st.sampled_from([0, 60]), performanceInsights=st.booleans()),
    "maintenance": block(window=st.just("sun:05:00-sun:06:00"), applyImmediately=st.booleans()),
    "restore": st.one_of(
        block({"snapshot": NAMES}),
        block({"source": NAMES.map("db{}".format), "pointInTime": st.just("2026-03-14T09:26:53Z")}),
    ),
    "snapshotIdentifier": NAMES,
    "parameters": st.dictionaries(NAMES.map(lambda name: name.replace("-", "_")), WORDS, max_size=2),
    "tls": st.just({"caCertificate": CERTIFICATE}),
    "connectionLimit": st.integers(10_000, 100_000),
}


def _aws_database(required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    common = dict(_AWS_DATABASE)
    first = {"engine": common.pop("engine"), "connectionLimit": common.pop("connectionLimit")}
    made = block({**first, **required}, **common, **optional)
    return made.map(lambda values: _without(values, "snapshotIdentifier") if "restore" in values else values)


def _without(values: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


_ON_AWS = {
    "database": st.one_of(
        block({"rds": _aws_database({}, multiAz=st.booleans(), storageGb=st.integers(20, 100))}),
        block({"aurora": _aws_database({"serverlessV2": block()}, instances=st.integers(1, 3))}),
        block({"aurora": _aws_database({"provisioned": block()})}),
    ),
    "artifacts": block(
        {"awsBucket": block(prefix=st.sampled_from(["", "a/b"]), presigned=st.booleans(), accessLogs=block({"bucket": NAMES.map("logs-{}".format)}))},
        proxied=st.booleans(),
    ),
    "identity": st.sampled_from([{"irsa": {}}, {"irsa": {"maxSessionHours": 12}}, {"podIdentity": {}}]),
    "aws": block(
        {name: st.just(value) for name, value in AWS_FACTS.items() if name != "tags"},
        tags=_LABELS,
        kmsKeyArn=st.just("arn:aws:kms:eu-central-1:111122223333:key/1234abcd"),
        formerKmsKeyArns=st.just(["arn:aws:kms:eu-central-1:111122223333:key/5678efab"]),
        permissionsBoundary=st.just("arn:aws:iam::111122223333:policy/bounds"),
        oidcIssuerUrl=st.just("https://oidc.eks.eu-central-1.amazonaws.com/id/ABC"),
    ),
}  # fmt: skip
"""Everything on AWS; what is not drawn here is as everywhere else."""


def _keep_apart(database: dict[str, Any], artifacts: dict[str, Any]) -> None:
    """Give database and artifacts directories of their own if they are on one claim."""
    files = [store["volume"] for store in (database.get("sqlite", {}), artifacts) if "volume" in store]
    if len(files) > 1 and len({volume.get("existingClaim") for volume in files}) == 1 and "existingClaim" in files[0]:
        for volume, directory in zip(files, ("database", "artifacts"), strict=True):
            volume["subPath"] = directory


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid configuration, as it stands in a stack file."""
    shared = draw(st.booleans(), label="may have several replicas")
    sqlite = block({"sqlite": block(volume=_volume("ReadWriteOnce", "ReadWriteOncePod"))})
    database = draw(_SERVER_DATABASE if shared else sqlite)
    volume = _volume(*(["ReadWriteMany"] if shared else ["ReadWriteOnce", "ReadWriteOncePod"]))
    others = [
        block({name: store}, **({"proxied": st.booleans()} if name in DIRECT else {})) for name, store in STORES.items()
    ]
    artifacts = draw(st.one_of(block({"volume": volume}), block({"s3": _S3}, proxied=st.booleans()), *others))
    artifacts |= draw(block(defaultRoot=st.just("mlflow-artifacts://artifacts.example.com/a")))
    _keep_apart(database, artifacts)
    database |= draw(_POOL)
    server = draw(block({"replicas": st.integers(0, 3 if shared else 1)}, **_SERVER))
    if (
        server["replicas"] < 2 and server.get("workers", 1) == 1 and "tls" not in server
    ):  # more of both would need more memory
        server |= draw(block(jobExecution=st.booleans()))
    rest = draw(st.fixed_dictionaries({}, optional=_REST))
    if (
        shared
        and server["replicas"] == 1
        and not server.get("jobExecution")
        and draw(st.booleans(), label="scales by itself")
    ):
        rest["autoscaling"] = draw(_AUTOSCALING)
    own_driver = database.get("sqlServer", {}).get("driver") == "pyodbc"
    if own_driver or "hdfs" in artifacts or "app" in rest.get("auth", {}):
        rest["image"] = {"repository": "registry.example.com/mlflow-more", **rest.get("image", {})}
    made = {"database": database, "artifacts": artifacts, "server": server, **rest}
    if shared and draw(st.integers(0, 3), label="on AWS") == 0:
        made |= draw(st.fixed_dictionaries(_ON_AWS))
        if "irsa" in made["identity"] and not made.get("serviceAccount", {}).get("create", True):
            made["identity"] = {"podIdentity": {}}
    elif shared and "hdfs" not in artifacts and draw(st.integers(0, 2), label="on Google Cloud or Azure") == 0:
        made |= draw(CLOUDS)
        made.pop("serviceAccount", None)
    elif artifacts.get("proxied", True) and draw(st.integers(0, 7), label="artifacts only") == 0:
        made |= {"database": {"none": {}}, "server": {**server, "artifactsOnly": True, "jobExecution": False}}
        artifacts.pop("defaultRoot", None)
        made.pop("auth", None)
        if "workspaces" in server:
            server["workspaces"].setdefault("storeUri", draw(SECRETS))
    if {"mssql", "sqlServer"} & set(made["database"]):
        made.pop("upgrade", None)
    if "minAvailable" in made.get("disruptionBudget", {}) and not (shared and server["replicas"] > 1):
        made.pop("disruptionBudget")
    keyless = "oss" in artifacts and not {"accessKeyId", "existingSecret"} & set(artifacts["oss"])
    if keyless and draw(st.booleans(), label="with a RAM role"):
        made["identity"] = {"alibabaRam": {"roleName": "mlflow"}}
        for login in ("accessKeyId", "accessKeySecret", "existingSecret"):
            artifacts["oss"].pop(login, None)
        made.pop("serviceAccount", None)
    return consistent(made)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(TEXTS, st.integers(), st.none()), inner, max_size=3)
    ),
    max_leaves=6,
)
"""What a YAML or Python value can be."""
