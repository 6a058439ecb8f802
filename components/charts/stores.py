"""Transformations of values that say where experiments and artifacts are: what has to be kept.

One module although it is long: where a claim lies decides on database and artifacts together.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ..arguments.database.uri import DRIVERS
from .conversion import Conversion, Outcome, Transformation

__all__ = ["BY", "database_uri", "on_claim", "server"]

_FILE = "mlflow.db"
"""Name of the file that `database.sqlite` opens on its volume."""
_USER = 1000
"""User that pods run as unless `pod.runAsUser` names another."""


def _stores(c: Conversion, given: Mapping[str, Any]) -> None:
    {"official": _official, "community": _community, "deprecated": _deprecated, "kubernetes": _kubernetes}.get(
        c.chart.name, _external
    )(c)
    if not c.has("database"):
        c.put("database.sqlite", {})
    if not c.has("artifacts"):
        c.put("artifacts.volume", {})
    if c.claims:
        if c.user not in (None, _USER):
            c.put("pod.runAsUser", c.user)
            c.remarks.append(f"Pods run as user {c.user}, to whom the files on the release's claim belong.")
        elif c.user is None:
            c.remarks.append(
                f"Files on the release's claim may belong to root; pods run as user {_USER}. `kubectl exec deployment/"
                f"{c.full_name} -- ls -ln` shows the owner; set pod.runAsUser to it, or change it before the move if it is 0."
            )


# The official chart


def _official(c: Conversion) -> None:
    uri, from_ = c.text("mlflow.backendStoreUri"), c.get("mlflow.backendStoreUriFrom")
    if isinstance(from_, Mapping) and from_:
        _uri_from(c, "database.uri", from_, "mlflow.backendStoreUriFrom")
    elif uri.startswith("sqlite"):
        _sqlite(c, "/" + urlsplit(uri).path.lstrip("/"), "mlflow.backendStoreUri")
    elif uri:
        database_uri(c, "database.uri", "mlflow.backendStoreUri", uri)
    uri, from_ = c.text("mlflow.registryStoreUri"), c.get("mlflow.registryStoreUriFrom")
    if isinstance(from_, Mapping) and from_:
        _uri_from(c, "database.registry", from_, "mlflow.registryStoreUriFrom")
    elif uri:
        database_uri(c, "database.registry", "mlflow.registryStoreUri", uri)
    if not c.has("database"):
        c.remarks.append(
            "The values name no database, without which the chart installs nothing: give the values of the release."
        )
    if destination := c.text("mlflow.artifactsDestination"):
        _artifacts(c, destination, "mlflow.artifactsDestination")
    elif root := c.text("mlflow.defaultArtifactRoot"):
        _artifacts(c, root, "mlflow.defaultArtifactRoot")
    storage = [path for path in c.given if path.startswith("storage.")]
    if c.on("storage.enabled") and not c.claims:
        for path in storage:
            c.left(path, f"nothing that is carried lies on the claim {c.full_name}")
    for path in storage if c.claims else ():
        what = f"the release's claim {c.full_name} is taken over as it is"
        c.say(path, Outcome.DIFFERS, what, "database.sqlite.volume", "artifacts.volume")


def _uri_from(c: Conversion, ours: str, from_: Mapping[str, Any], key: str) -> None:
    for theirs, kind, field in (
        ("secretKeyRef", "Secret", "existingSecret"),
        ("configMapKeyRef", "ConfigMap", "existingConfigMap"),
    ):
        each = from_.get(theirs)
        if isinstance(each, Mapping) and isinstance(each.get("name"), str):
            c.refer(f"{ours}.{field}", each["name"], kind, key=each.get("key"))
            return
    c.left(key, "is neither a secretKeyRef nor a configMapKeyRef with a name")


def database_uri(c: Conversion, ours: str, key: str, uri: str) -> None:
    """A URI with its password, which is a secret as a whole."""
    dialect, _, rest = uri.partition("://")
    base = dialect.partition("+")[0].replace("postgres", "postgresql").replace("postgresqlql", "postgresql")
    if base in DRIVERS and dialect.partition("+")[2] not in DRIVERS[base]:
        uri = f"{base}+{DRIVERS[base][0]}://{rest}"
        c.remarks.append(f"The URI of {ours} names its driver: write it with {base}+{DRIVERS[base][0]}://.")
    c.secret(f"{ours}.value", key, uri)


# community-charts


def _community(c: Conversion) -> None:
    _community_database(c)
    _community_artifacts(c)


def _community_database(c: Conversion) -> None:
    block = "backendStore"
    variables = {"postgres": ("PGUSER", "PGPASSWORD"), "mysql": ("MYSQL_USERNAME", "MYSQL_PWD")}
    variables["mssql"] = ("MSSQL_USERNAME", "MSSQL_PWD")
    chosen = [name for name in variables if c.on(f"{block}.{name}.enabled")]
    for bundled, ours in (("postgresql", "inClusterPostgresql"), ("mysql", "inClusterMysql")):
        if c.on(f"{bundled}.enabled") and not chosen:
            _bundled(c, bundled, ours)
            return
    if not chosen:
        path = c.text(f"{block}.defaultSqlitePath")
        if path and path != ":memory:":
            _sqlite(c, path, f"{block}.defaultSqlitePath")
        else:
            c.put("database.sqlite", {})
            c.remarks.append(
                "The chart keeps experiments in memory: there is nothing to move, and nothing of them stays."
            )
        return
    for other in chosen[1:]:
        c.left(f"{block}.{other}.enabled", f"{block}.{chosen[0]} is enabled as well, and the chart uses that one")
    kind = chosen[0]
    theirs, ours = f"{block}.{kind}", f"database.{ {'postgres': 'postgresql', 'mssql': 'sqlServer'}.get(kind, kind) }"
    if kind == "mssql":
        named = c.text(f"{theirs}.existingConnectionUrlSecret.name")
        if named:
            key = c.text(f"{theirs}.existingConnectionUrlSecret.key")
            c.refer("database.mssql.existingSecret", named, key=key)
            return
        if url := c.text(f"{theirs}.connectionUrl"):
            database_uri(c, "database.mssql", f"{theirs}.connectionUrl", url)
            return
    server(c, theirs, ours)
    if kind == "mysql" and c.text(f"{theirs}.driver") not in ("", "pymysql"):
        c.left(f"{theirs}.driver", "the driver is PyMySQL, the only one in the image")
        c.config["database"]["mysql"].pop("driver", None)
    user, password = variables[kind]
    if existing := c.text(f"{block}.existingDatabaseSecret.name"):
        keys = {f"{name}Key": c.text(f"{block}.existingDatabaseSecret.{name}Key") for name in ("username", "password")}
        c.refer(f"{ours}.existingSecret", existing, usernameKey=keys["usernameKey"], passwordKey=keys["passwordKey"])
    else:
        keys = {"usernameKey": user, "passwordKey": password}
        c.held(f"{ours}.existingSecret", "env-secret", f"{theirs}.password", f"{theirs}.user", **keys)


def server(c: Conversion, theirs: str, ours: str) -> None:
    """Host, port, database and driver of a database server."""
    for name in ("host", "port", "database", "driver"):
        value = c.get(f"{theirs}.{name}")
        if value not in (None, "") and not (name == "driver" and ours.endswith("mysql")):
            c.put(f"{ours}.{name}", value)


def _bundled(c: Conversion, bundled: str, ours: str) -> None:
    c.put(f"database.{ours}", {})
    host = f"{c.full_name}-{bundled}"
    for path in c.given:
        if path.startswith((f"{bundled}.image", f"{bundled}.primary.persistence")):
            c.say(path, Outcome.NOT_NEEDED, "another image, on a claim of its own; the data is copied over")
    name = c.text(f"{bundled}.auth.database") or "mlflow"
    inside = (
        "PGPASSWORD=$(cat ${POSTGRES_PASSWORD_FILE:-/dev/null}; echo $POSTGRES_PASSWORD) pg_dump --no-owner "
        f"--username=postgres {name}"
        if bundled == "postgresql"
        else f'mysqldump --single-transaction --user=root --password="$MYSQL_ROOT_PASSWORD" {name}'
    )
    c.copies.append(
        f"Save the database, which the new server does not share: kubectl exec {host}-0 -- sh -c '{inside}' > mlflow.sql. After "
        f"`pulumi up`, scale MLflow to 0, load it into the empty database of the new server with its own client, and scale back."
    )


def _community_artifacts(c: Conversion) -> None:
    block = "artifactRoot"
    proxied = c.on(f"{block}.proxiedArtifactStorage")
    destination, root = f"{block}.defaultArtifactsDestination", f"{block}.defaultArtifactRoot"
    used = None
    if c.on("minio.enabled"):
        _minio(c)
    elif c.on(f"{block}.azureBlob.enabled"):
        _community_azure(c, f"{block}.azureBlob", "artifacts.azureBlob")
    elif c.on(f"{block}.s3.enabled"):
        _s3(c, f"{block}.s3")
    elif c.on(f"{block}.gcs.enabled"):
        _bucket(c, "artifacts.gcs", c.text(f"{block}.gcs.bucket"), c.text(f"{block}.gcs.path"))
    elif (used := destination if proxied else root) in c.given:
        _artifacts(c, c.text(used), used)
        if not proxied and c.has("artifacts.volume.existingClaim"):
            c.left(
                used,
                "experiments that exist keep this path as the address of their artifacts, and clients cannot reach it",
            )
    else:
        c.put("artifacts.volume", {})
        c.remarks.append(
            "The chart keeps artifacts in the container, and loses them with it: there is nothing to move."
        )
    for key in {destination, root} & c.given.keys() - {used}:
        c.say(key, Outcome.NOT_IN_USE, "another store is enabled, or proxiedArtifactStorage chooses the other one")


def _community_azure(c: Conversion, theirs: str, ours: str) -> None:
    for name, field in (("storageAccount", "account"), ("container", "container"), ("path", "prefix")):
        if value := c.text(f"{theirs}.{name}").strip("/"):
            c.put(f"{ours}.{field}", value)
    for name, key, variable in (
        ("connectionString", "connectionStringKey", "AZURE_STORAGE_CONNECTION_STRING"),
        ("accessKey", "accessKeyKey", "AZURE_STORAGE_ACCESS_KEY"),
    ):
        if c.text(f"{theirs}.{name}"):
            c.held(f"{ours}.existingSecret", "env-secret", f"{theirs}.{name}", **{key: variable})
            return


def _s3(c: Conversion, theirs: str) -> None:
    _bucket(c, "artifacts.s3", c.text(f"{theirs}.bucket"), c.text(f"{theirs}.path"))
    if existing := c.text(f"{theirs}.existingSecret.name"):
        c.refer(
            "artifacts.s3.existingSecret",
            existing,
            accessKeyIdKey=c.text(f"{theirs}.existingSecret.keyOfAccessKeyId"),
            secretAccessKeyKey=c.text(f"{theirs}.existingSecret.keyOfSecretAccessKey"),
        )
    elif c.text(f"{theirs}.awsSecretAccessKey"):
        keys = [f"{theirs}.awsSecretAccessKey", f"{theirs}.awsAccessKeyId"]
        names = {"accessKeyIdKey": "AWS_ACCESS_KEY_ID", "secretAccessKeyKey": "AWS_SECRET_ACCESS_KEY"}
        c.held("artifacts.s3.existingSecret", "env-secret", *keys, **names)


def _bucket(c: Conversion, ours: str, bucket: str, path: str) -> None:
    c.put(f"{ours}.bucket", bucket)
    if prefix := path.strip("/"):
        c.put(f"{ours}.prefix", prefix)


def _minio(c: Conversion) -> None:
    c.put("artifacts.minio", {})
    buckets = c.get("minio.buckets")
    names = [each.get("name") for each in buckets if isinstance(each, Mapping)] if isinstance(buckets, list) else []
    wanted = c.text("artifactRoot.s3.bucket") or (names[0] if names else "mlflow")
    if wanted != "mlflow":
        c.put("artifacts.minio.bucket", wanted)
    if names not in ([wanted], []):
        c.left("minio.buckets", f"MLflow has one bucket, {wanted}")
    claim, size = c.text("minio.persistence.existingClaim"), c.text("minio.persistence.size")
    if claim:
        c.claim("artifacts.minio.volume", claim, c.text("minio.persistence.subPath"))
    else:
        if found := re.fullmatch(r"(\d+)Gi", size):
            c.put("artifacts.minio.volume.sizeGb", int(found[1]))
        elif "minio.persistence.size" in c.given:
            c.left("minio.persistence.size", f"{size!r} is not a number of Gi; set artifacts.minio.volume.sizeGb")
        for name, field in (("storageClass", "storageClass"), ("accessMode", "accessMode")):
            if f"minio.persistence.{name}" in c.given and c.text(f"minio.persistence.{name}"):
                c.put(f"artifacts.minio.volume.{field}", c.text(f"minio.persistence.{name}"))
        c.copies.append(
            f"Copy the objects: `mc mirror` from the release's MinIO ({c.full_name}-minio, its rootUser and rootPassword are in "
            "the Secret of that name) into the bucket of the new one, while MLflow is stopped."
        )
    if memory := c.get("minio.resources.limits.memory"):
        c.put("artifacts.minio.memoryLimit", str(memory))
    if "minio.rootPassword" in c.given:
        c.say("minio.rootPassword", Outcome.NOT_NEEDED, "generated, and known only to the deployment")


# Claims and paths


def _claims(c: Conversion) -> list[tuple[str, str, str, str]]:
    """Where claims are mounted: the path, the claim, the directory of it, and the volume's name."""
    found = []
    if c.on("storage.enabled"):
        found.append((c.text("storage.mountPath") or "/mlflow", c.full_name, "", ""))
    volumes, mounts = c.get("extraVolumes"), c.get("extraVolumeMounts")
    claims = {}
    for volume in volumes if isinstance(volumes, list) else ():
        source = volume.get("persistentVolumeClaim") if isinstance(volume, Mapping) else None
        if isinstance(source, Mapping) and isinstance(source.get("claimName"), str):
            claims[volume.get("name")] = source["claimName"]
    for mount in mounts if isinstance(mounts, list) else ():
        if isinstance(mount, Mapping) and mount.get("name") in claims and isinstance(mount.get("mountPath"), str):
            sub_path = str(mount.get("subPath") or "")
            found.append((mount["mountPath"], claims[mount["name"]], sub_path, mount["name"]))
    return sorted(found, key=lambda each: -len(each[0]))


def on_claim(c: Conversion, path: str) -> tuple[str, str] | None:
    """The claim that a path of the container lies on, and the directory of the claim."""
    path = posixpath.normpath(path)
    for mounted, claim, sub_path, volume in _claims(c):
        at = posixpath.normpath(mounted)
        if path == at or path.startswith(at.rstrip("/") + "/"):
            if volume:
                c.consumed_volumes.add(volume)
            inside = posixpath.normpath(posixpath.join("/", sub_path, posixpath.relpath(path, at))).strip("/")
            return claim, "" if inside == "." else inside
    return None


def _sqlite(c: Conversion, path: str, key: str) -> None:
    if (found := on_claim(c, path)) is None:
        c.put("database.sqlite", {})
        c.left(key, f"{path} is on no claim, and is lost with the pod: copy it out before the release stops")
        return
    claim, inside = found
    folder, _, name = inside.rpartition("/")
    c.claim("database.sqlite.volume", claim, folder)
    if name != _FILE:
        place = f"{folder}/{name}" if folder else name
        c.rename(claim, place, f"{folder}/{_FILE}" if folder else _FILE)
        c.left(key, f"the file is called {_FILE} here: rename {name}")


def _artifacts(c: Conversion, uri: str, key: str) -> None:
    """The store of an artifact URI."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri) or uri.startswith("file:"):
        path = urlsplit(uri).path if uri.startswith("file:") else uri
        if found := on_claim(c, path) if path.startswith("/") else None:
            c.claim("artifacts.volume", *found)
            c.say(key, Outcome.DIFFERS, "the claim is taken over, with its directory", "artifacts.volume")
        else:
            c.put("artifacts.volume", {})
            c.left(key, f"{uri} is on no claim, and is lost with the pod: copy it out before the release stops")
        return
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        c.left(key, "is no URI")
        return
    prefix = unquote(parts.path).strip("/")
    blob = re.fullmatch(r"([a-z0-9]+)\.(blob\..+)", host)
    if parts.scheme in ("s3", "gs", "oss") and "@" not in parts.netloc:
        ours = {"s3": "artifacts.s3", "gs": "artifacts.gcs", "oss": "artifacts.oss"}[parts.scheme]
        _bucket(c, ours, parts.netloc, prefix)
        c.say(key, Outcome.CARRIED, "", ours)
    elif parts.scheme in ("wasbs", "wasb") and blob and parts.username:
        values = {"account": blob[1], "container": parts.username, **({"prefix": prefix} if prefix else {})}
        c.put("artifacts.azureBlob", values | ({"domain": blob[2]} if blob[2] != "blob.core.windows.net" else {}))
        c.say(key, Outcome.CARRIED, "", "artifacts.azureBlob")
    elif parts.password:
        c.secret("artifacts.uri.uri", key, uri)
    else:
        c.put("artifacts.uri.uri", uri)


# The deprecated chart, and those of which a README alone is known


def _deprecated(c: Conversion) -> None:
    if existing := c.text("backendStore.existingSecret"):
        c.refer("database.uri.existingSecret", existing, key="BACKEND_STORE_URL")
    elif uri := c.text("backendStore.createSecret.backendStoreUri"):
        database_uri(c, "database.uri", "backendStore.createSecret.backendStoreUri", uri)
    for key in ("artifactStore.defaultArtifactRoot", "artifactStore.defaultArtifactStore"):
        if uri := c.text(key):
            _artifacts(c, uri, key)
            break
    for name, ours, fields, keys in (
        ("s3", "artifacts.s3", {"accessKeyId": "accessKeyId", "secretAccessKey": "secretAccessKey"}, {}),
        ("azure", "artifacts.azureBlob", {}, {"connectionStringKey": "AZURE_STORAGE_CONNECTION_STRING"}),
        ("gcp", "artifacts.gcs", {}, {"key": "keyfile.json"}),
        ("oss", "artifacts.oss", {"accessKeyId": "accessKeyId", "accessKeySecret": "accessKeySecret"}, {}),
    ):
        if not c.on(f"artifactStore.{name}.enabled"):
            continue
        c.config.setdefault("artifacts", {}).setdefault(ours.partition(".")[2], {})
        if existing := c.text(f"artifactStore.{name}.existingSecret"):
            c.refer(f"{ours}.existingSecret", existing, **keys)
            continue
        for theirs, field in fields.items():
            key = f"artifactStore.{name}.createSecret.{theirs}"
            if c.text(key):
                c.secret(f"{ours}.{field}", key, c.text(key))


def _kubernetes(c: Conversion) -> None:
    connections = c.get("mlflowBackend.connections")
    connections = connections if isinstance(connections, Mapping) else {}
    engine = "mysql" if c.on("database.engine.mysql") else "postgresql"
    given = {str(key).removeprefix("db_"): value for key, value in connections.items()}
    if given.get("host"):
        names = {"host": "host", "port": "port", "name": "database", "database": "database", "user": "username"}
        for theirs, ours in {**names, "username": "username"}.items():
            if given.get(theirs) not in (None, ""):
                c.put(f"database.{engine}.{ours}", given[theirs])
        if given.get("password"):
            c.secret(f"database.{engine}.password", "mlflowBackend.connections", given["password"])
        if given.get("master_user"):
            c.put(f"database.{engine}.create.username", given["master_user"])
            c.left(
                "mlflowBackend.connections",
                f"db_master_user: the database exists already, so leave database.{engine}.create out, and name the Secret with "
                f"the user's password in database.{engine}.existingSecret",
            )
            c.config["database"][engine].pop("create")
        known = {*names, "username", "password", "master_user"}
        if odd := sorted(set(given) - known):
            c.left("mlflowBackend.connections", f"{', '.join(odd)}: no such argument")
    elif path := c.text("mlflowBackend.filepath"):
        c.put("database.sqlite", {})
        c.left(
            "mlflowBackend.filepath",
            f"{path} is on no claim of the chart's, which has none: copy the files out of the pod",
        )
    if root := c.text("defaultArtifactRoot"):
        _artifacts(c, root, "defaultArtifactRoot")
    for key in ("secrets.store.enabled", "secrets.store.provider"):
        if key in c.given:
            c.left(
                key, "is for creating the database, which exists already; a password from it: database.*.existingSecret"
            )


def _external(c: Conversion) -> None:
    if c.on("postgresql.external.enabled"):
        for theirs, ours in (("host", "host"), ("port", "port"), ("database", "database"), ("username", "username")):
            if value := c.get(f"postgresql.external.{theirs}"):
                c.put(f"database.postgresql.{ours}", value)
        if password := c.text("postgresql.external.password"):
            c.secret("database.postgresql.password", "postgresql.external.password", password)
    if c.on("minio.external.enabled"):
        c.put("artifacts.s3.bucket", c.text("minio.external.bucket"))
        c.put("artifacts.s3.endpointUrl", c.text("minio.external.endpoint"))
        for theirs, ours in (("accessKey", "accessKeyId"), ("secretKey", "secretAccessKey")):
            if value := c.text(f"minio.external.{theirs}"):
                c.secret(f"artifacts.s3.{ours}", f"minio.external.{theirs}", value)


BY: dict[str, Transformation] = {"stores": _stores}
