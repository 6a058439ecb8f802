"""Every refusal of every block: values that are refused, and the nearest ones that are accepted."""

import datetime
import typing
from typing import Any

import pulumi
import pytest

from components import versions
from components.arguments import (
    ArtifactKind,
    ArtifactsArgs,
    DatabaseArgs,
    DatabaseKind,
    IdentityArgs,
    IdentityKind,
)
from components.arguments.kinds import choices
from tests.configurations import AWS, AZURE, CERTIFICATE, DEV, GCP, OIDC, PRODUCTION, changed, with_changes
from tests.unit.refusals import cases, messages

BASE_IMAGE = f"v{versions.MLFLOW}"

POSTGRESQL = "database.postgresql"
LONG = "a" * 63
FERNET = "A" * 43 + "="
SECRET_ONLY = changed(PRODUCTION, POSTGRESQL, {"host": "db", "existingSecret": {"name": "s"}})
MYSQL = changed(PRODUCTION, "database", {"mysql": {"host": "db", "password": "p"}})
URI = changed(PRODUCTION, "database", {"uri": {"value": "postgresql+psycopg2://u:p@h/d"}})
MSSQL = changed(PRODUCTION, "database", {"mssql": {"value": "mssql+pymssql://u:p@h/d"}})
SQL_SERVER = changed(PRODUCTION, "database", {"sqlServer": {"host": "db", "password": "p"}})
ODBC = with_changes(
    SQL_SERVER,
    {"database.sqlServer.driver": "pyodbc", "image": {"repository": "registry.example.com/mlflow", "tag": "1"}},
)
CREATE = changed(
    PRODUCTION, "database", {"mysql": {"host": "db", "create": {"secretsStore": {"aws": {"secret": "s"}}}}}
)
IN_CLUSTER = changed(PRODUCTION, "database", {"inClusterPostgresql": {}})
REGISTRY = changed(PRODUCTION, "database.registry", {"value": "mysql+pymysql://u:p@h/d"})
BUCKET = changed(PRODUCTION, "artifacts.s3", {"bucket": "models", "region": "eu-central-1"})
LARGE = changed(DEV, "pod.resources", {"memoryLimit": "16Gi"})
ONLY = with_changes(DEV, {"server.artifactsOnly": True, "database": {"none": {}}})
TLS = changed(DEV, "server.tls", {"existingSecret": {"name": "t"}})
SHARED = with_changes(PRODUCTION, {"server.replicas": 1, "autoscaling": {}})
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}
CLAIM = changed(DEV, "artifacts.volume", {"existingClaim": "c"})

# Configuration, path, what is refused there, what is accepted there.
VALUES: list[tuple[Any, str, list[Any], list[Any]]] = [
    (DEV, "namespace", ["", "Ml", "-a", "a-", "a.b", "a_b", LONG + "a"], ["a", "ml-1", "1a", LONG]),
    (DEV, "namespace", ["kube-system", "kube-public", "kube-node-lease", "default", "openshift", "openshift-monitoring"], ["kubeflow", "openshifty"]),
    (changed(DEV, "createNamespace", False), "namespace", ["kube-system"], ["default"]),
    (DEV, "migrationTimeoutSeconds", [0, 86_401, -1], [1, 86_400]),
    (PRODUCTION, "migrationTimeoutSeconds", [120], [121]),
    (DEV, "database.poolSize", [0, 101], [1, 100]),
    (DEV, "database.maxOverflow", [0, 101], [1, 100]),
    (DEV, "database.poolRecycleSeconds", [9, 86_401], [10, 86_400]),
    (DEV, "database.connectTimeoutSeconds", [0, 3601], [1, 3600]),
    (DEV, "database.sqlite.volume.sizeGb", [0, 65_537], [1, 65_536, "5"]),
    (DEV, "database.sqlite.volume.storageClass", ["Fast", "a..b", ""], ["gp3", "gp3.encrypted"]),
    (DEV, "database.sqlite.volume.existingClaim", ["My", "a_b"], ["c", "c.d"]),
    (CLAIM, "artifacts.volume.storageClass", ["gp3"], [None]),
    (DEV, "artifacts.volume.accessMode", ["RWO", "readwriteonce"], ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]),
    (DEV, "artifacts.proxied", [False], [True]),
    (BUCKET, "artifacts.proxied", [], [False, True]),
    (PRODUCTION, f"{POSTGRESQL}.host", ["", "a b", "h:5432", "tcp://h", "h/x", "u@h"], ["h", "10.0.0.1", "fd00::1", "h_1.x"]),
    (PRODUCTION, f"{POSTGRESQL}.port", [0, 65_536], [1, 65_535, "5432"]),
    (PRODUCTION, f"{POSTGRESQL}.connectionLimit", [0, 59, 100_001], [60, 100_000]),
    (PRODUCTION, f"{POSTGRESQL}.driver", ["psycopg3", ""], ["psycopg2", "psycopg"]),
    (PRODUCTION, f"{POSTGRESQL}.existingSecret", [{"name": "s"}], [None]),
    (SECRET_ONLY, f"{POSTGRESQL}.existingSecret", [None, {}, {"name": "A"}], [{"name": "a.b"}]),
    (SECRET_ONLY, f"{POSTGRESQL}.existingSecret.passwordKey", ["", "a b", "a/b"], ["tls.key", "A_B-1"]),
    (PRODUCTION, f"{POSTGRESQL}.tls.mode", ["prefer", "verify-ca", "verify-full", "disable"], ["require"]),
    (PRODUCTION, f"{POSTGRESQL}.tls", [{"caCertificate": "no"}], [{"mode": "verify-ca", "caCertificate": CERTIFICATE}]),
    (MYSQL, "database.mysql.host", ["", "h:3306", "mysql://h", "u:p@h"], ["h", "10.0.0.1", "fd00::1"]),
    (MYSQL, "database.mysql.port", [0, 65_536], [1, 65_535]),
    (MYSQL, "database.mysql.connectionLimit", [0, 59, 100_001], [60, 100_000]),
    (MYSQL, "database.mysql.password", [None, 5], ["%/&@:'\" \\ü"]),
    (MYSQL, "database.mysql.existingSecret", [{"name": "s"}], [None]),
    (MYSQL, "database.mysql.tls", [{"mode": "verify-full"}, {"mode": "preferred"}], [{"caCertificate": CERTIFICATE}]),
    (MYSQL, "server.jobExecution", [True], [False]),
    (MYSQL, "image.tag", ["v9"], ["v9-full"]),
    (MYSQL, "migrationTimeoutSeconds", [120], [121]),
    (URI, "database.uri.value", ["oracle+x://h/d", "mysql://h/d", "postgresql+asyncpg://h/d", "sqlite:///x", "h", "", "postgresql+psycopg://u:a/b@h/d"], ["postgresql+psycopg://u:p@h/d", "mysql+pymysql://h", "mssql+pymssql://h/d"]),
    (URI, "database.uri.value", [None], []),
    (URI, "database.uri.existingSecret", [{"name": "s"}], [None]),
    (URI, "database.uri", [{"existingSecret": {"name": "s", "key": "a/b"}}, {"existingSecret": {"name": "S"}}, {}], [{"existingSecret": {"name": "s", "key": "a.b"}}]),
    (URI, "database.uri.connectionLimit", [0, 59], [60]),
    (URI, "database.mssql", [{"value": "mssql+pymssql://u:p@h/d"}], [None]),
    (MSSQL, "database.mssql.value", ["mysql+pymysql://u:p@h/d", "mssql+pyodbc://u:p@h/d"], ["mssql+pymssql://u:p@h:1434/d"]),
    (SQL_SERVER, "database.sqlServer.driver", ["pyodbc", "psycopg2"], ["pymssql"]),
    (SQL_SERVER, "database.sqlServer.tls", [{"mode": "verify-full"}, {"mode": "verify-ca"}, {"mode": "disable"}, {"caCertificate": "x"}], [{"caCertificate": CERTIFICATE}, {"mode": "require"}]),
    (ODBC, "database.sqlServer.tls", [{"caCertificate": CERTIFICATE}, {"mode": "verify-ca"}, {"mode": "disable"}], [{"mode": "verify-full"}, {"mode": "require"}]),
    (SQL_SERVER, "database.sqlServer.odbcDriver", ["ODBC Driver 17 for SQL Server"], ["ODBC Driver 18 for SQL Server"]),
    (ODBC, "database.sqlServer.odbcDriver", ["{x}", "a;b"], ["ODBC Driver 17 for SQL Server"]),
    (SQL_SERVER, "database.sqlServer.password", [None, ""], ["p"]),
    (SQL_SERVER, "database.sqlServer", [{"host": "db"}, {"host": "db", "password": "p", "existingSecret": {"name": "s"}}, {"host": "db:1433", "password": "p"}], [{"host": "db", "existingSecret": {"name": "s"}}]),
    (SQL_SERVER, "server.env", [{"FREETDSCONF": "/x"}], [{"TDSVER": "7.4"}]),
    (BUCKET, "artifacts.s3.endpointUrl", ["https://h:70000", "http://h:0"], ["https://h:65535"]),
    (BUCKET, "artifacts.s3", [{"bucket": "models", "region": "eu-central-1", "accessKeyId": "a", "secretAccessKey": "b\n"}], []),
    (PRODUCTION, "artifacts.defaultRoot", ["mlflow-artifacts://h:70000/a"], ["mlflow-artifacts://h:7000/a"]),
    (PRODUCTION, "artifacts", [{"uri": {"uri": "ftp://u:p@h:70000/x"}}], [{"uri": {"uri": "ftp://u:p@h:7000/x"}}]),
    (PRODUCTION, "server.corsAllowedOrigins", [["https://h:70000"]], [["https://[fd00::1]:7000"]]),
    (PRODUCTION, "server.env", [{"X_URL": "http://proxy:70000"}, {"X": "a\0b"}], [{"X_URL": "http://proxy:7000"}]),
    (PRODUCTION, "disruptionBudget", [{"minAvailable": 1, "maxUnavailable": 1}, {"maxUnavailable": 0}], [{"minAvailable": 1}, {"maxUnavailable": 2}, {}]),
    (PRODUCTION, "rbac.rules", [[{"verbs": ["get list"], "resources": ["pods"]}], [{"verbs": ["get"], "resources": ["pods\n"]}]], [[{"verbs": ["*"], "apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["a"]}]]),
    (PRODUCTION, f"{POSTGRESQL}.password", ["p\n"], ["p /?"]),
    (PRODUCTION, "garbageCollection", [{"timeZone": each} for each in ("Mars/Olympus", "Europe", "Local", "UTC+1", "europe/berlin ", "a" * 300)], [{"timeZone": "Europe/Berlin"}, {"timeZone": "UTC"}]),
    (IN_CLUSTER, "database.inClusterPostgresql.image", ["../x", "a//b"], ["postgres", "registry.example.com:5000/postgres:17"]),
    (AWS, "aws.tags", [{"AWS:x": "a"}, {"a": "x" * 257}, {"a": "a\nb"}, {"a|b": "c"}, {"a" * 129: "b"}, {str(number): "" for number in range(50)}], [{"team:a/b": "ü" * 256}, {"a": ""}]),
    (AZURE, "azure.tags", [{"Microsoft-x": "a"}, {"a": "x" * 257}, {"a": "a\nb"}, {"a/b": "c"}, {"a" * 129: "b"}], [{"team": "a b (c)"}]),
    (GCP, "gcp.labels", [{"goog-x": "a"}, {"a": "x" * 64}, {"A": "b"}, {f"k{number}": "" for number in range(65)}], [{"team": "x" * 63}]),
    (CLAIM, "artifacts.volume.subPath", ["/a", "../a", "a/../b", "a b", "a//b", ""], ["artifacts", "a/b-c"]),
    (DEV, "artifacts.volume.subPath", ["artifacts"], [None]),
    (DEV, "database.sqlite.volume.subPath", ["database"], [None]),
    (with_changes(CLAIM, {"database.sqlite.volume": {"existingClaim": "c", "subPath": "a"}}), "artifacts.volume.subPath", [None, "a"], ["b", "ab", "a/b"]),
    (with_changes(CLAIM, {"database.sqlite.volume": {"existingClaim": "c"}}), "artifacts.volume.subPath", [None], ["b"]),
    (with_changes(CLAIM, {"database": {"inClusterPostgresql": {"password": "p", "volume": {"existingClaim": "c"}}}}), "artifacts.volume.subPath", [None, "b"], []),
    (PRODUCTION, "database.registry", [{}, {"value": "sqlite:///x"}, {"value": "https://mlflow.example.com"}], [{"existingSecret": {"name": "s"}}]),
    (REGISTRY, "database.registry.connectionLimit", [29], [30]),
    (REGISTRY, f"{POSTGRESQL}.connectionLimit", [29], [30]),
    (URI, "database.uri.port", [5432], [None]),
    (with_changes(PRODUCTION, {"networkPolicy": {}, "database": {"uri": {"existingSecret": {"name": "s"}}}}), "database.uri.port", [None, 0], [5432]),
    (with_changes(PRODUCTION, {"networkPolicy": {}, "auth": {"basic": {}, "database": {"uri": {"existingSecret": {"name": "s"}}}}}), "auth.database.uri.port", [None, 0], [5432]),
    (CREATE, "database.mysql.create", [{}, {"existingSecret": {"name": "A"}}, {"secretsStore": {}}, {"existingSecret": {"name": "s"}, "secretsStore": {"aws": {"secret": "s"}}}], [{"existingSecret": {"name": "s"}}]),
    (CREATE, "database.mysql.create.secretsStore", [{"aws": {}}, {"aws": {"secret": "s"}, "gcp": {}}, {"aws": {"secret": "s", "passwordKey": "a b"}}], [{"aws": {"secret": "s", "usernameKey": "user-name"}}]),
    (CREATE, "database.mysql.create.secretsStore", [{"gcp": {"passwordVersion": "s"}}], [{"gcp": {"passwordVersion": "projects/p/secrets/s/versions/latest"}}]),
    (CREATE, "database.mysql.create.secretsStore", [{"vault": {"address": "vault", "role": "r", "path": "p"}}], [{"vault": {"address": "https://vault:8200", "role": "r", "path": "p"}}]),
    (CREATE, "database.mysql.create.secretsStore", [{"azure": {"vault": "v"}}], [{"azure": {"vault": "v", "tenantId": "t", "clientId": "c", "passwordSecret": "p"}}]),
    (CREATE, "database.mysql.existingSecret", [{"name": "S"}], [None, {"name": "s"}]),
    (CREATE, "database.mysql.password", [], [None]),
    (IN_CLUSTER, "database.inClusterPostgresql.image", ["", "https://r/x", "a b"], ["postgres", "r.example:5000/a/b:1@sha256:" + "a" * 64]),
    (IN_CLUSTER, "database.inClusterPostgresql.connectionLimit", [0, 59, 10_001], [60, 10_000]),
    (IN_CLUSTER, "database.inClusterPostgresql.cpuRequest", ["half"], ["500m"]),
    (IN_CLUSTER, "database.inClusterPostgresql.memoryRequest", ["2Gi", "512"], ["1Gi"]),
    (IN_CLUSTER, "database.inClusterPostgresql.memoryLimit", ["256Mi", ""], ["2Gi"]),
    (IN_CLUSTER, "database.inClusterPostgresql.volume.sizeGb", [0], [1]),
    (IN_CLUSTER, "database.inClusterMysql", [{}], [None]),
    (changed(PRODUCTION, "database", {"inClusterMysql": {}}), "database.inClusterMysql.image", ["a b"], ["mariadb:11"]),
    (BUCKET, "artifacts.s3.bucket", ["ab", "a" * 64, "Models", "a..b", "10.0.0.1", "s3://a", ".ab"], ["abc", "a" * 63, "a.b-c", "1.2.3"]),
    *(
        (configuration, path, ["/", "/a", "a/", "team*", "te?m", "${aws:username}", "a/../b", "..", "a//b", "a b", "a\\b"], ["", "a", "a/b", "a.b/..c"])
        for configuration, path in (
            (BUCKET, "artifacts.s3.prefix"),
            (AWS, "artifacts.awsBucket.prefix"),
            (GCP, "artifacts.gcpBucket.prefix"),
            (AZURE, "artifacts.azureContainer.prefix"),
            (changed(GCP, "artifacts", {"gcs": {"bucket": "models"}}), "artifacts.gcs.prefix"),
            (changed(DEV, "artifacts", {"azureBlob": {"account": "abc", "container": "abc"}}), "artifacts.azureBlob.prefix"),
            (changed(DEV, "artifacts", {"oss": {"bucket": "abc", "endpoint": "h"}}), "artifacts.oss.prefix"),
        )
    ),
    (BUCKET, "artifacts.s3.bucket", ["*", "team*", "arn:aws:s3:::models"], ["models"]),
    (AWS, "artifacts.awsBucket.bucket", ["team-*", "${bucket}"], ["models"]),
    (AWS, "artifacts.awsBucket.accessLogs", [{"bucket": "logs*"}, {"bucket": "logs", "prefix": "a*"}, {"bucket": "logs", "prefix": "/a"}], [{"bucket": "logs", "prefix": "a/b/"}]),
    (AWS, "aws.kmsKeyArn", ["arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:key/*"], []),
    (AWS, "aws.permissionsBoundary", ["arn:aws:iam::111122223333:policy/*"], ["arn:aws:iam::aws:policy/path/Name"]),
    (AWS, "aws.oidcProviderArn", ["arn:aws:iam::111122223333:oidc-provider/*"], []),
    (AWS, "aws.clusterName", ["*", "tools?"], ["tools"]),
    (AZURE, "azure.delegatedSubnetId", [AZURE["azure"]["delegatedSubnetId"].replace("/cluster/", "/*/")], []),
    (changed(AZURE, "artifacts", {"azureBlob": {"account": "abc", "container": "abc"}}), "identity.azureWorkloadIdentity.containerId", [f"/subscriptions/a/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/{end}" for end in ("*/blobServices/default/containers/c", "abc/blobServices/default/containers/*")], ["/subscriptions/a/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/abc/blobServices/default/containers/c"]),
    (BUCKET, "artifacts.s3.endpointUrl", ["minio", "s3://m", "http://m/x", "http://u:p@m"], ["http://m:9000", "https://m/"]),
    (BUCKET, "artifacts.s3.accessKeyId", ["id"], [None]),
    (BUCKET, "artifacts.s3.secretAccessKey", ["key"], [None]),
    (PRODUCTION, "artifacts.s3.existingSecret", [{"name": "s"}], [None]),
    (BUCKET, "artifacts.s3.existingSecret", [{"name": "S"}, {}], [{"name": "s"}]),
    (BUCKET, "artifacts.s3.existingSecret", [{"name": "s", "accessKeyIdKey": "a b"}], [{"name": "s", "accessKeyIdKey": "a.b"}]),
    (BUCKET, "artifacts.s3.existingSecret", [{"name": "s", "secretAccessKeyKey": ""}], [{"name": "s", "secretAccessKeyKey": "k"}]),
    (DEV, "identity", [{}], [None, {"existing": {}}]),
    (DEV, "identity.existing.podLabels", [{"a b": "c"}, {"a": "b c"}, {"app.kubernetes.io/name": "x"}], [{"a/b": "c"}]),
    (DEV, "identity.existing.serviceAccountAnnotations", [{"a b": "c"}, {"/a": ""}], [{"eks.amazonaws.com/role-arn": "arn:aws: x"}]),
    (DEV, "image.repository", ["https://r/x", "r/x:1", "R/x", ""], ["x", "r.example:5000/a/b_c"]),
    (DEV, "image.tag", ["", "a b", ".a", "a" * 129], ["v9", "_", "a" * 128]),
    (PRODUCTION, "image.tag", ["v9"], ["v9-full"]),
    (BUCKET, "image", [{"tag": "v9"}], [{"tag": "v9", "repository": "registry.example.com/mlflow"}]),
    (DEV, "image.digest", ["sha256:" + "a" * 63, "a" * 64, "sha256:" + "A" * 64], ["sha256:" + "a" * 64]),
    (DEV, "image.pullPolicy", ["always"], ["Always", "IfNotPresent", "Never"]),
    (DEV, "image.pullSecrets", [["A"], [""], "a"], [["a", "b.c"], []]),
    (DEV, "pod.resources.cpuRequest", ["half", "1.5m", "1Gi", "-1", ""], ["0", "1.5", "500m", "2"]),
    (DEV, "pod.resources.cpuLimit", ["249m", "0.2"], ["250m", "0.25"]),
    (DEV, "pod.resources.memoryRequest", ["512", "2049Mi", "1m", "2GB", "1K"], ["2Gi", "1.5G", "2000k"]),
    (DEV, "pod.resources.memoryLimit", ["2", "511Mi", "2gi", ""], ["512Mi", "1T"]),
    (DEV, "pod.tmpSize", ["2", "big", "2 Gi"], ["1Mi", "2Gi"]),
    (DEV, "pod.runAsUser", [0, -1, 2**31], [1, 2**31 - 1, None]),
    (DEV, "pod.runtimeClassName", ["G V", ""], ["gvisor"]),
    (DEV, "pod.schedulerName", ["My", ""], ["volcano"]),
    (DEV, "pod.dnsPolicy", ["clusterfirst", ""], ["None", "Default", None]),
    (DEV, "pod.affinity", [{"nodeAfinity": {}}, {"podAffinity": []}], [{"nodeAffinity": {}}, {"node_affinity": {}}]),
    (DEV, "pod.tolerations", [[{"key": 1}], [{"effekt": "x"}], {}], [[{"key": "a", "operator": "Exists"}]]),
    (DEV, "pod.hostAliases", [[{"hostnames": ["a"]}], [{"ip": "1", "hostnames": "a"}]], [[{"ip": "10.0.0.1", "hostnames": ["a"]}]]),
    (DEV, "pod.dnsConfig", [{"options": [{"nam": "x"}]}], [{"nameservers": ["10.0.0.2"]}]),
    (DEV, "pod.securityContext", [{"runAsUser": 0}, {"runAsNonRoot": False}, {"seccompProfile": {"type": "Unconfined"}}, {"sysctls": [{"name": "a", "value": "b"}]}], [{"fsGroup": 5}, {"supplementalGroups": [7]}]),
    (DEV, "pod.containerSecurityContext", [{"privileged": True}, {"allowPrivilegeEscalation": True}, {"capabilities": {"add": ["SYS_ADMIN"]}}, {"capabilities": {"drop": ["KILL"]}}], [{"readOnlyRootFilesystem": False}]),
    (DEV, "pod.containers", [[{"image": "x"}], [{"name": "mlflow"}], [{"name": "a"}, {"name": "a"}], [{"name": "a", "env": [{"name": "X", "value": 1}]}]], [[{"name": "a", "image": "x"}]]),
    (DEV, "pod.containers", [[{"name": "a", "securityContext": {"privileged": True}}], [{"name": "a", "ports": [{"containerPort": 1, "hostPort": 1}]}]], [[{"name": "a", "image": "x", "ports": [{"containerPort": 1}]}]]),
    (DEV, "pod.containers", [[{"name": "a"}], [{"name": "a", "image": ""}], [{"name": "A b", "image": "x"}], [None], "a"], [[]]),
    (DEV, "pod.volumes", [[{"name": "A b", "emptyDir": {}}], [{"name": "v"}], [{"name": "v", "emptyDir": {}, "secret": {"secretName": "x"}}]], []),
    (DEV, "pod.resources.memoryLimit", ["１Gi"], []),
    (DEV, "server.env", [{"A": 1e22}, {"A": float("inf")}, {"A": {}}], [{"A": 3128, "B": True, "C": 0.5, "D": 10**20}]),
    (DEV, "server.secretEnv", [{"A": "a\0b"}], [{"A": "a\nb"}]),
    (DEV, "server.staticPrefix", ["/..", "/.", "/a/../b", "/é", "/a\n"], ["/..a"]),
    (DEV, "server.allowedHosts", [["**"], ["*.*"], ["*:*"], ["a b"], ["a:"], ["a\n"], ["http://a"]], [["[fd00::1]:80", "a:*", "A.example"]]),
    (PRODUCTION, f"{POSTGRESQL}.host", ["a..b", "-a", "a:", "a,b", "[::1]", "é", "a" * 300], ["a.b.", "::1"]),
    *((configuration, f"{path}.{field}", ["a\nb", "a\0"], ["é/'"]) for configuration, path in ((PRODUCTION, POSTGRESQL), (MYSQL, "database.mysql")) for field in ("database", "username")),
    (MYSQL, "database.mysql.password", ["a\nb", "a\r"], ["a b"]),
    (BUCKET, "artifacts.s3.endpointUrl", ["http://:9000", "https://h?x", "https://h:x", "https://"], ["https://[fd00::1]:9000"]),
    (URI, "database.uri.value", ["postgresql+psycopg2://h/d\n", "mysql+pymysql://h:70000/d", "file:///x", "/mnt/x", "postgres://h/d", "mariadb+pymysql://h/d", "jdbc:mysql://h/d", "https://h"], []),
    (DEV, "pod.containers", [[{"name": "proxy"}], [{"name": "database-login"}]], []),
    (DEV, "pod.volumes", [[{"name": "tmp", "emptyDir": {}}], [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]], [[{"name": "a", "emptyDir": {}}]]),
    (changed(DEV, "pod.volumes", [{"name": "a", "emptyDir": {}}]), "pod.mounts", [[{"name": "a", "mountPath": path}] for path in ("/tmp", "/etc/mlflow/users", "/mlflow/database/")], [[{"name": "a", "mountPath": path}] for path in ("/tmp/a", "/etc/mlflower", "/data")]),
    (DEV, "pod.initContainers", [[{"name": "migration"}], [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]], [[{"name": "a", "image": "x"}]]),
    (changed(DEV, "createNamespace", False), "pod.containers", [], [[{"name": "a", "image": "x", "securityContext": {"privileged": True}}]]),
    (DEV, "pod.volumes", [[{"emptyDir": {}}], [{"name": "v", "hostPath": {"path": "/"}}], [{"name": "v", "nfs": {"path": "/", "server": "s"}}]], [[{"name": "v", "emptyDir": {}}]]),
    (changed(DEV, "createNamespace", False), "pod.volumes", [], [[{"name": "v", "hostPath": {"path": "/"}}]]),
    (changed(DEV, "pod.volumes", [{"name": "v", "emptyDir": {}}]), "pod.mounts", [[{"name": "w", "mountPath": "/w"}], [{"name": "v", "mountPath": "/tmp"}], [{"name": "v"}]], [[{"name": "v", "mountPath": "/w"}]]),
    (DEV, "pod.mounts", [[{"name": "v", "mountPath": "/v"}]], [[]]),
    (DEV, "pod.probes.liveness.periodSeconds", [0, 3601], [1, 3600]),
    (DEV, "pod.probes.readiness.timeoutSeconds", [0, 3601], [1, 3600]),
    (DEV, "pod.probes.readiness.failureThreshold", [0, 1001], [1, 1000]),
    (DEV, "pod.deploymentLabels", [{"app.kubernetes.io/name": "x"}, {"a": "-"}], [{"a": "b"}]),
    (DEV, "pod.deploymentAnnotations", [{"": "x"}], [{"a/b": "any text"}]),
    (DEV, "names.service", ["1a", "A", "a.b", LONG + "a"], ["a1", LONG]),
    (DEV, "names.deployment", ["A", "a.b"], ["1a"]),
    (DEV, "autoscaling", [{}], [None, {"minReplicas": 1, "maxReplicas": 1}]),
    (SHARED, "autoscaling.maxReplicas", [0, 101], [2, 100]),
    (SHARED, "autoscaling.minReplicas", [0, 6], [1, 5]),
    (SHARED, "autoscaling.cpuPercent", [0, 1001, None], [1, 1000]),
    (SHARED, "autoscaling.memoryPercent", [0, 1001], [1, 1000, None]),
    (SHARED, "autoscaling.metrics", [[{"type": "Pods", "podz": {}}], [{}]], [[{"type": "Pods", "pods": {"metric": {"name": "x"}, "target": {"type": "Value", "value": "1"}}}]]),
    (SHARED, "autoscaling.behavior", [{"scaleDwn": {}}], [{"scaleDown": {"stabilizationWindowSeconds": 60}}]),
    (SHARED, "server.replicas", [2, 0], [1]),
    (SHARED, "server.jobExecution", [True], [False]),
    (PRODUCTION, "disruptionBudget.maxUnavailable", [0, 101], [1, 100]),
    (PRODUCTION, "disruptionBudget.minAvailable", [0, 2, 3], [1]),
    (PRODUCTION, "spread.maxSkew", [0, 101], [1, 100]),
    (PRODUCTION, "spread.across", [["a b"], [""]], [[], ["example.com/rack"]]),
    (PRODUCTION, "spread.constraints", [[{"maxSkew": 1}]], [[{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]]),
    (DEV, "overrides", [{"deployment/server": {}}, {"Deployment": {}}, {"Deployment/server": []}], [{"Deployment/server": {"spec": None}}]),
    (DEV, "extraObjects", [[{}], [{"apiVersion": "v1", "kind": "ConfigMap"}], [{"apiVersion": "x", "kind": "K", "metadata": {"name": "a"}}], [{"apiVersion": "v1", "kind": "configmap", "metadata": {"name": "a"}}]], [[CONFIG_MAP], [{"apiVersion": "a.example/v1", "kind": "K", "metadata": {"name": "a"}, "anything": [1]}]]),
    (DEV, "extraObjects", [[CONFIG_MAP, CONFIG_MAP], [{**CONFIG_MAP, "daata": {}}], [{**CONFIG_MAP, "data": {"a": 1}}]], [[CONFIG_MAP, {**CONFIG_MAP, "kind": "Secret"}]]),
    (DEV, "keys.existingSecret", [{}, {"name": "k"}, {"name": "K", "kekPassphraseKey": "a"}, {"name": "k", "kekPassphraseKey": "a b"}], [{"name": "k", "flaskSecretKeyKey": "a"}]),
    (changed(DEV, "keys.kekPassphrase", "k" * 32), "keys.existingSecret", [{"name": "k", "kekPassphraseKey": "a"}], [{"name": "k", "webhookSecretEncryptionKeyKey": "a"}]),
    (DEV, "pod.priorityClassName", ["High", ""], ["high", "a.b"]),
    (DEV, "pod.labels", [{"app.kubernetes.io/component": "x"}, {"a": "-"}, {LONG + "a": "b"}], [{LONG: LONG}, {"a": ""}]),
    (DEV, "pod.annotations", [{"": "x"}, {"a/b/c": "x"}], [{"a.example/b": "any text"}]),
    (DEV, "pod.nodeSelector", [{"a": "b c"}], [{"kubernetes.io/arch": "amd64"}, {"app.kubernetes.io/name": "x"}]),
    (DEV, "labels", [{"app.kubernetes.io/managed-by": "x"}, {"a": LONG + "a"}], [{"app.kubernetes.io/part-of": "x"}]),
    (DEV, "server.replicas", [-1, 2, 101], [0, 1]),
    (PRODUCTION, "server.replicas", [-1, 101], [0, 2, 100]),
    (PRODUCTION, "server.jobExecution", [True], [False]),
    (DEV, "server.jobExecution", [], [True]),
    (LARGE, "server.workers", [0, 33], [1, 32]),
    (changed(DEV, "server.workers", 4), "pod.resources.memoryLimit", ["999Mi"], ["1000Mi", "1Gi"]),
    (with_changes(DEV, {"server.workers": 4, "server.jobExecution": True}), "pod.resources.memoryLimit", ["2Gi"], ["3Gi"]),
    (DEV, "server.port", [1023, 65_536], [1024, 65_535]),
    (DEV, "server.drainSeconds", [-1, 601], [0, 600]),
    (DEV, "server.shutdownGraceSeconds", [0, 86_401], [1, 86_400]),
    (DEV, "server.startupTimeoutSeconds", [9, 3601], [10, 3600]),
    (DEV, "server.progressDeadlineSeconds", [9, 86_401], [10, 86_400]),
    (DEV, "server.staticPrefix", ["mlflow", "/", "/a/", "//a", "/a b"], ["", "/a", "/a/b.c~d"]),
    (DEV, "server.allowedHosts", [["*"], [" * "], ["a/b"], ["a,b"], [""]], [["*.a.example", "a:80"]]),
    (DEV, "server.corsAllowedOrigins", [["*"], ["a"], ["https://a/"], ["https://u:p@a"]], [["https://a:8443", "http://a"]]),
    (DEV, "server.options", [{"host": "x"}, {"--port": 1}, {"static_prefix": "/"}, {"X": 1}, {"": 1}], [{"x-frame-options": "DENY"}]),
    (DEV, "server.options", [{"a": 1.5}, {"a": None}, {"a": {}}, {"a": []}], [{"a": "b", "c": 1, "d": True, "e": False}]),
    (DEV, "server.options", [{"disable-security-middleware": True}, {"gunicorn-opts": "x"}, {"uvicorn_opts": "x"}, {"dev": True}], [{"secrets-cache-ttl": 30}]),
    (DEV, "server.uvicorn", [{"timeout-keep-alive": 75}, {"forwarded-allow-ips": "*"}, {"no-proxy-headers": True}], [{}]),
    (DEV, "server.keepAliveSeconds", [0, 86_401], [1, 86_400, None]),
    (DEV, "server.trustedProxies", [["10.0.0.1"], ["10.0.0.1/8"], ["0.0.0.0/0"], ["::/0"]], [["10.0.0.0/8", "fd00::/8"]]),
    (changed(DEV, "allowInsecure", True), "server.trustedProxies", [["10.0.0.1"]], [["0.0.0.0/0"]]),
    (DEV, "server.env", [{"FORWARDED_ALLOW_IPS": "*"}, {"FRONT_PROXIES": "x"}], [{}]),
    (DEV, "pod.tmpVolume", [{"storageClass": "A"}], [{}, {"storageClass": "fast"}]),
    (DEV, "server.uvicorn", [{"log-level": "x"}, {"ssl_keyfile": "x"}, {"A": 1}, {"a": 1.5}], [{"limit-concurrency": 75, "no-server-header": True}]),
    (DEV, "server.logLevel", ["debug", "TRACE"], ["DEBUG", "ERROR"]),
    (DEV, "server.tls", [{}, {"existingSecret": {"name": "A"}}], [None, {"existingSecret": {"name": "t"}}]),
    (TLS, "server.tls.existingSecret.certificateKey", ["", "a b"], ["c.pem"]),
    (TLS, "server.tls.existingSecret.privateKeyKey", ["", "a/b"], ["k.pem"]),
    (TLS, "server.tls.existingSecret.caKey", ["", "a b"], ["ca.crt", None]),
    (ONLY, "server.workspaces", [{}], [None, {"storeUri": "plugin://x"}]),
    (with_changes(BUCKET, {"artifacts.proxied": False, "server.workspaces": {}}), "artifacts.s3.prefix", ["workspaces", "a/workspaces"], ["a", "workspace"]),
    (TLS, "server.jobExecution", [True], [False]),
    (DEV, "server.maxSurge", [-1, 0, 101], [1, 100]),
    (changed(DEV, "server.maxUnavailable", 1), "server.maxSurge", [-1], [0]),
    (DEV, "server.maxUnavailable", [-1, 101], [0, 100]),
    (DEV, "server.revisionHistoryLimit", [-1, 101], [0, 100]),
    (DEV, "server.valueFrom", [{"A": {}}, {"A": {"field": "spec.nodeName", "resource": "limits.cpu"}}, {"HOME": {"field": "spec.nodeName"}}], [{"A": {"field": "metadata.labels['x/y']"}}]),
    (DEV, "server.valueFrom", [{"A": {"field": "nodeName"}}, {"A": {"resource": "cpu"}}, {"A": {"secret": {"name": "S", "key": "k"}}}], [{"A": {"resource": "limits.memory"}}]),
    (DEV, "server.valueFrom", [{"A": {"configMap": {"name": "c", "key": "a b"}}}], [{"A": {"configMap": {"name": "c", "key": "k"}}, "B": {"secret": {"name": "s", "key": "k", "optional": True}}}]),
    (changed(DEV, "server.env", {"A": "x"}), "server.valueFrom", [{"A": {"field": "spec.nodeName"}}], [{"B": {"field": "spec.nodeName"}}]),
    (DEV, "server.envFrom", [[{}], [{"secret": "a", "configMap": "b"}], [{"secret": "A"}], [{"secret": "a", "prefix": "1"}]], [[{"secret": "a", "prefix": "X_"}, {"configMap": "b", "optional": True}]]),
    (DEV, "server.env", [{"1A": ""}, {"a b": ""}, {"PGHOST": "h"}, {"HOME": "/"}], [{"_A1": ""}, {"PGOPTIONS": "-c x=1"}]),
    (DEV, "server.env", [{"API_KEY": "x"}, {"MY_TOKEN": "x"}], [{"AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}]),
    (DEV, "server.env", [{"A": "http://u:p@h"}], [{"A": "http://u@h:80"}, {"A": "http://h:80/@x"}]),
    (DEV, "server.secretEnv", [{"1A": ""}, {"MLFLOW_FLASK_SERVER_SECRET_KEY": "x"}], [{"MY_TOKEN": "x"}]),
    (changed(DEV, "server.env", {"A": "x"}), "server.secretEnv", [{"A": "y"}], [{"B": "y"}]),
    (DEV, "service.port", [0, 65_536], [1, 65_535]),
    (DEV, "service.type", ["NodePort", "LoadBalancer", "ExternalName"], ["ClusterIP"]),
    (changed(DEV, "allowInsecure", True), "service.type", [], ["NodePort", "LoadBalancer"]),
    (DEV, "service.annotations", [{"a b": "c"}], [{"a/b": "c d"}]),
    (DEV, "keys.kekPassphrase", ["k" * 31], ["k" * 32]),
    (DEV, "keys.webhookSecretEncryptionKey", ["A" * 44, FERNET + "=", "+" + FERNET[1:]], [FERNET]),
]  # fmt: skip


@pytest.mark.parametrize(("configuration", "path", "value"), cases(VALUES, accepted=False))
def test_wrong_value_is_refused_with_its_path(configuration, path: str, value) -> None:
    lines = messages(changed(configuration, path, value))
    assert lines
    block = path.rpartition(".")[0]
    assert all(line.startswith((path, block)) for line in lines), lines


@pytest.mark.parametrize(("configuration", "path", "value"), cases(VALUES, accepted=True))
def test_nearest_value_is_accepted(configuration, path: str, value) -> None:
    assert messages(changed(configuration, path, value)) == []


LDAP = {
    "uri": "ldaps://h",
    "search": {"base": "dc=x", "bindDn": "cn=a,dc=x", "bindPassword": "p"},
    "anyUser": True,
    "adminGroup": "cn=a,dc=x",
}
# Blocks with a path in each that holds text: secrets, names of Secrets and their keys, hosts, users.
EMPTY: list[tuple[Any, str]] = [
    *((PRODUCTION, f"{POSTGRESQL}.{key}") for key in ("username", "password", "database", "host", "tls.caCertificate")),
    *((MYSQL, f"database.mysql.{key}") for key in ("username", "password", "database", "host")),
    (SECRET_ONLY, f"{POSTGRESQL}.existingSecret.name"),
    (SECRET_ONLY, f"{POSTGRESQL}.existingSecret.usernameKey"),
    (URI, "database.uri.value"),
    (changed(AWS, "database.rds.password", "x" * 12), "database.rds.password"),
    (changed(GCP, "database.cloudSql.password", "x" * 20), "database.cloudSql.password"),
    (changed(AZURE, "database.azureFlexibleServer.password", "x" * 20), "database.azureFlexibleServer.password"),
    *((PRODUCTION, f"artifacts.s3.{key}") for key in ("accessKeyId", "secretAccessKey", "bucket", "endpointUrl")),
    (changed(BUCKET, "artifacts.s3.region", "x"), "artifacts.s3.region"),
    *((changed(DEV, "artifacts", {"azureBlob": {"account": "abc", "container": "abc", key: "AccountKey=x"}}), f"artifacts.azureBlob.{key}") for key in ("accessKey", "connectionString")),
    *((changed(DEV, "artifacts", {"oss": {"bucket": "abc", "endpoint": "h", "accessKeyId": "a", "accessKeySecret": "b"}}), f"artifacts.oss.{key}") for key in ("accessKeyId", "accessKeySecret")),
    (changed(DEV, "artifacts", {"minio": {"password": "x" * 9}}), "artifacts.minio.password"),
    (changed(DEV, "artifacts", {"ftp": {"host": "h", "username": "u", "password": "p"}}), "artifacts.ftp.password"),
    (changed(DEV, "artifacts", {"uri": {"uri": "b2://x", "secretEnv": {"A": "b"}}}), "artifacts.uri.secretEnv.A"),
    *((changed(DEV, "auth", {"oidc": OIDC}), f"auth.oidc.{key}") for key in ("clientId", "clientSecret")),
    (changed(DEV, "auth", {"oidc": {**OIDC, "cookieSecret": "a" * 16}}), "auth.oidc.cookieSecret"),
    *((changed(DEV, "auth", {"ldap": LDAP}), f"auth.ldap.search.{key}") for key in ("bindPassword", "bindDn", "base")),
    (changed(DEV, "auth", {"basic": {"adminPassword": "x" * 12}}), "auth.basic.adminPassword"),
    *((changed(DEV, "keys", {key: "x" * 32}), f"keys.{key}") for key in ("flaskSecretKey", "kekPassphrase", "webhookSecretEncryptionKey")),
    (changed(DEV, "keys", {"existingSecret": {"name": "k", "flaskSecretKeyKey": "a"}}), "keys.existingSecret.flaskSecretKeyKey"),
    (changed(DEV, "server.secretEnv", {"MY_TOKEN": "x"}), "server.secretEnv.MY_TOKEN"),
    (changed(ONLY, "server.workspaces", {"storeUri": "plugin://x"}), "server.workspaces.storeUri"),
    *((CREATE, f"database.mysql.create.secretsStore.aws.{key}") for key in ("secret", "region")),
    (DEV, "namespace"),
]  # fmt: skip


@pytest.mark.parametrize("empty", ["", "  ", "\n"], ids=["empty", "spaces", "newline"])
@pytest.mark.parametrize(("configuration", "path"), EMPTY, ids=[path for _, path in EMPTY])
def test_empty_text_is_refused(configuration, path: str, empty: str) -> None:
    lines = messages(changed(configuration, path, empty))
    assert [line for line in lines if line.startswith(f"{path}: is {'white space alone' if empty else 'empty'}; ")], (
        lines
    )


def test_text_that_is_empty_by_default_may_be_empty() -> None:
    empty = {"artifacts.s3.prefix": "", "server.staticPrefix": "", "server.env": {"A": ""}}
    assert messages(with_changes(BUCKET, empty)) == []


TRUE_REASONS = [
    (URI, "database.uri.value", "file:///x", "names files in the container"),
    (URI, "database.uri.value", "postgres://u:p@h/d", "write postgresql+psycopg2://…"),
    (URI, "database.uri.value", "https://mlflow.example.com", "is the address of a tracking server"),
    (URI, "database.uri.value", "mysql+pymysql://h:70000/d", "70000 is out of range"),
    (DEV, "artifacts", {"uri": {"uri": "/data/x"}}, "which neither its jobs nor other replicas have"),
    (DEV, "artifacts", {"uri": {"uri": "bucket/path"}}, "has no scheme"),
    (DEV, "artifacts", {"uri": {"uri": "C:/data"}}, "is a path of Windows"),
    (DEV, "artifacts", {"uri": {"uri": "s3:/bucket/path"}}, "write s3://, and what follows it"),
    (DEV, "artifacts", {"uri": {"uri": "S3://bucket", "presigned": True}}, "to the global host of S3"),
    (ONLY, "database.registry", {"value": "mysql+pymysql://u:p@h/d"}, "makes no sense with server.artifactsOnly"),
    (with_changes(DEV, {"image.tag": BASE_IMAGE}), "monitoring", {"prometheus": True}, "no log-in and no metrics"),
    (
        changed(AZURE, "database.azureFlexibleServer", {"engine": "mysql"}),
        "azure.tags",
        {},
        "is a zone for PostgreSQL, and the engine is mysql",
    ),
    (
        AZURE,
        "azure.privateDnsZoneId",
        AZURE["azure"]["privateDnsZoneId"].replace("postgres", "mysql"),
        "is a zone for MySQL, and the engine is postgresql",
    ),
    (DEV, "server.env", {"A": []}, "expected a string, got a list; write a string"),
    (DEV, "server.env", {"A": None}, "got null; write a string, or remove it"),
    (
        DEV,
        "labels",
        {"since": datetime.date(2024, 1, 31)},
        "expected a string, got 2024-01-31; put it in quotes: '2024-01-31'",
    ),
    (DEV, "namespace", "a" * 5000, f"'{'a' * 99}…"),
    (BUCKET, "artifacts.s3.endpointUrl", "https://user:canary with space@h", "'https://[secret]@h' is not"),
    (DEV, "image.repository", "user:canary@registry.example.com/x", "'[secret]@registry.example.com/x' is not"),
    (
        DEV,
        "artifacts",
        {"azureBlob": {"account": "https://u:canary@models.blob.core.windows.net", "container": "ccc"}},
        "'models'",
    ),
    (PRODUCTION, f"{POSTGRESQL}.host", 5, "expected a string, got 5; put it in quotes: '5'"),
    (changed(PRODUCTION, f"{POSTGRESQL}.connectionLimit", 10), "server.workers", 1, "x 1 process x"),
    (DEV, "keys.kekPassphrase", "x", "has 1 character;"),
    *(
        (DEV, "server.staticPrefix", prefix, "leave it out, or write a leading slash")
        for prefix in ("/", "//", "/..", "/é")
    ),
]


@pytest.mark.parametrize(
    ("configuration", "path", "value", "reason"), TRUE_REASONS, ids=[str(v) for _, _, v, _ in TRUE_REASONS]
)
def test_message_tells_the_true_reason(configuration, path: str, value, reason: str) -> None:
    (line,) = messages(changed(configuration, path, value))
    assert reason in line
    assert "canary" not in line and len(line) < 1000


SHARED_VOLUME = with_changes(BUCKET, {"artifacts": {"volume": {"accessMode": "ReadWriteMany"}}})


def test_replicas_need_a_shared_volume() -> None:
    assert messages(SHARED_VOLUME) == []
    (line,) = messages(changed(SHARED_VOLUME, "artifacts.volume.accessMode", "ReadWriteOnce"))
    assert line.startswith("server.replicas: 2 replicas cannot share a ReadWriteOnce volume")
    assert messages(changed(SHARED_VOLUME, "artifacts.volume", {"existingClaim": "c"})) == []


def test_connection_limit_names_the_sum() -> None:
    tight = with_changes(PRODUCTION, {f"{POSTGRESQL}.connectionLimit": 100, "server.workers": 2})
    (line,) = messages(tight)
    assert "3 pods" in line and "= 120" in line and "grants 100" in line
    assert messages(changed(tight, "database.maxOverflow", 3)) == []


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    ("configuration", "path"),
    [
        (PRODUCTION, f"{POSTGRESQL}.host"),
        (PRODUCTION, f"{POSTGRESQL}.port"),
        (PRODUCTION, f"{POSTGRESQL}.password"),
        (PRODUCTION, "artifacts.s3.endpointUrl"),
        (BUCKET, "artifacts.s3.bucket"),
        (DEV, "image.tag"),
        (DEV, "keys.kekPassphrase"),
    ],
)
def test_outputs_are_not_checked_before_they_are_known(configuration, path: str) -> None:
    assert messages(changed(configuration, path, pulumi.Output.from_input("?"))) == []


@pytest.mark.parametrize("name", ["", "Mlflow", "1a", "a-", "a.b", "a" * 41])
def test_component_name_that_is_no_service_name_is_refused(name: str) -> None:
    (line,) = messages(DEV, name=name)
    assert line.startswith(f"name: {name!r} is not a component name")


@pytest.mark.parametrize("name", ["a", "mlflow-2", "a" * 40])
def test_component_name_is_accepted(name: str) -> None:
    assert messages(DEV, name=name) == []


LONG_NAMES = [
    (changed(DEV, "garbageCollection", {}), 33),
    (changed(DEV, "backup", {"destination": {"volume": {}}}), 39),
    (changed(DEV, "backup", {"destination": {"volume": {}}, "drill": None}), 40),
    (with_changes(PRODUCTION, {POSTGRESQL: {"host": "h", "create": {"existingSecret": {"name": "s"}}}}), 36),
    (DEV, 40),
]


@pytest.mark.parametrize(("configuration", "most"), LONG_NAMES, ids=[str(most) for _, most in LONG_NAMES])
def test_a_name_that_its_jobs_cannot_have_is_refused(configuration, most: int) -> None:
    assert messages(configuration, name="a" * most) == []
    (line,) = messages(configuration, name="a" * (most + 1))
    assert line.startswith("name: ") and f"at most {most} " in line


@pytest.mark.parametrize(
    ("block", "union"), [(DatabaseArgs, DatabaseKind), (ArtifactsArgs, ArtifactKind), (IdentityArgs, IdentityKind)]
)
def test_every_kind_that_can_be_chosen_is_a_member_of_the_union(block: type, union: Any) -> None:
    assert list(choices(block).values()) == list(typing.get_args(union))


def test_a_registry_of_its_own_needs_the_driver_of_the_full_image() -> None:
    registry = changed(DEV, "database.registry", {"value": "mysql+pymysql://u:p@h/d"})
    (line,) = messages(changed(registry, "image.tag", BASE_IMAGE))
    assert line.startswith(f"image.tag: {BASE_IMAGE!r} is the official base image")


@pytest.mark.parametrize(
    "identity", [{"alibabaRam": {"roleName": "mlflow"}}, {"existing": {"serviceAccountAnnotations": {"a": "b"}}}]
)
def test_an_identity_that_annotates_needs_an_account_that_is_created(identity: dict[str, Any]) -> None:
    (line,) = messages({**BUCKET, "identity": identity, "serviceAccount": {"create": False, "name": "own"}})
    assert "cannot annotate an account that exists already" in line


def test_time_zones_pass_where_there_is_no_database_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    assert messages(changed(PRODUCTION, "garbageCollection", {"timeZone": "Mars/Olympus"})) == []
    assert messages(changed(PRODUCTION, "garbageCollection", {"timeZone": "Local"})) != []
